/**
 * What a run tells the world: PoC-4's event lines for programs (`--json`: nothing else on stdout, people's text on stderr), or readable
 * lines for people. Knows no network.
 */
import { formatPocEvent, type PocEventName, type PocFields } from './poc-events.ts'

export interface Output {
  stdout(line: string): void
  stderr(line: string): void
}

export interface Reporter {
  event<Name extends PocEventName>(name: Name, fields: PocFields<Name>): void
  /** A line for people. */
  note(line: string): void
}

export class JsonReporter implements Reporter {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  event<Name extends PocEventName>(name: Name, fields: PocFields<Name>): void {
    this.#output.stdout(formatPocEvent(name, fields))
  }

  note(line: string): void {
    this.#output.stderr(line)
  }
}

type Lines = { readonly [Name in PocEventName]: (fields: PocFields<Name>) => string }

/** Times in ms with as many decimals as mean something. */
function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`
}

const LINES: Lines = {
  started: ({ id, name }) => `${name}: ${id}`,
  path_change: ({ selected, rtt_ms, paths }) => `path: ${selected.toLowerCase()}, ${ms(rtt_ms)} (${paths.join(', ')})`,
  ping: ({ seq, rtt_ms, via }) => `ping ${seq}: ${ms(rtt_ms)} ${via.toLowerCase()}`,
  hole_punch: ({ success, time_to_direct_s }) =>
    success ? `direct after ${time_to_direct_s.toFixed(2)} s` : 'the connection never went direct',
  disconnected: ({ reason }) => `disconnected: ${reason}`,
  reconnecting: ({ attempt }) => `reconnecting, attempt ${attempt}`,
  reconnected: ({ reconnect_time_ms }) => `reconnected after ${ms(reconnect_time_ms)}`,
  summary: (fields) => {
    const averages = [
      fields.direct_pings > 0 ? `direct ${fields.direct_pings}, average ${ms(fields.avg_rtt_direct_ms)}` : '',
      fields.relay_pings > 0 ? `relayed ${fields.relay_pings}, average ${ms(fields.avg_rtt_relay_ms)}` : '',
      fields.reconnections > 0 ? `${fields.reconnections} reconnections` : '',
    ].filter((part) => part !== '')
    const counts = `${fields.total_pings} pings, ${fields.successful_pings} answered, ${fields.failed_pings} failed`
    return [counts, ...averages].join('; ')
  },
}

export class TextReporter implements Reporter {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  event<Name extends PocEventName>(name: Name, fields: PocFields<Name>): void {
    this.#output.stdout(LINES[name](fields))
  }

  note(line: string): void {
    this.#output.stdout(line)
  }
}
