/**
 * What `tom bridge` tells: one JSON object a line (`--json`: nothing else on stdout), or readable lines. Names are what others call themselves, and safe for a terminal. Texts are never shown.
 */
import type { BridgeEvent, BridgeMetrics } from '../envelope/bridge/index.ts'
import { printable } from './gossip-message.ts'
import type { Output } from './reporter.ts'

export type BridgeLine =
  | { readonly event: 'started'; readonly name: string; readonly id: string; readonly url: string }
  | { readonly event: 'ticket'; readonly ticket: string }
  | ({ readonly event: 'ended' } & BridgeMetrics)

export interface BridgeReporter {
  event(line: BridgeLine): void
  /** What the bridge itself tells. */
  bridged(event: BridgeEvent): void
  /** A line for people. */
  note(line: string): void
}

/** `time` is in ms since 1970. */
export class JsonBridgeReporter implements BridgeReporter {
  readonly #output: Output
  readonly #wallClock: () => number

  constructor(output: Output, wallClock: () => number) {
    this.#output = output
    this.#wallClock = wallClock
  }

  event({ event, ...fields }: BridgeLine): void {
    this.#output.stdout(JSON.stringify({ event, time: this.#wallClock(), ...fields }))
  }

  bridged({ kind, ...fields }: BridgeEvent): void {
    this.#output.stdout(JSON.stringify({ event: kind, time: this.#wallClock(), ...fields }))
  }

  note(line: string): void {
    this.#output.stderr(line)
  }
}

export class TextBridgeReporter implements BridgeReporter {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  event(line: BridgeLine): void {
    this.#output.stdout(textOf(line))
  }

  bridged(event: BridgeEvent): void {
    this.#output.stdout(newsOf(event))
  }

  note(line: string): void {
    this.#output.stderr(line)
  }
}

function textOf(line: BridgeLine): string {
  switch (line.event) {
    case 'started':
      return `bridge ${line.id} to ${line.url}`
    case 'ticket':
      return `ticket: ${line.ticket}`
    case 'ended': {
      const { textsToV1, textsToV2, acksToV1, acksToV2, undelivered } = line
      const ways = `${textsToV2} texts to this stack (${acksToV1} acknowledged), ${textsToV1} to the earlier one (${acksToV2})`
      return `${ways}; ${undelivered} not delivered`
    }
  }
}

function newsOf(event: BridgeEvent): string {
  switch (event.kind) {
    case 'up':
      return 'the signalling server is there'
    case 'down':
      return `no signalling server: ${printable(event.reason)}; trying again`
    case 'joined':
    case 'left':
      return `${event.participant.id} (${printable(event.participant.name)}) ${event.kind}`
    case 'presented':
    case 'withdrawn':
      return `${event.peer} ${event.kind === 'presented' ? 'is presented' : 'is not presented any more'}`
    case 'text':
      return `${short(event.from)} → ${short(event.to)} ${event.direction}: text ${printable(event.id)}, ${signature(event.signatureState)}`
    case 'delivered':
    case 'read':
      return `text ${printable(event.id)} ${event.kind}`
    case 'undelivered':
      return `text ${printable(event.id)} not delivered: ${event.reason}`
  }
}

function short(key: string): string {
  return key.slice(0, 10)
}

function signature(state: Extract<BridgeEvent, { kind: 'text' }>['signatureState']): string {
  return state === 'valid' ? 'signed' : state === 'absent' ? 'unsigned' : `signature ${state}`
}
