/**
 * `tom doctor`: measures the network as an endpoint meets it, and says what that means for connections and what to do. What follows from the measurements is `holepunch/doctor`'s. Exit
 * code 0 when it could measure, whatever it found.
 */
import { type Command, InvalidArgumentError } from 'commander'
import { formatIp, formatSocketAddress, messageOf, parseSocketAddress, type SocketAddress } from '../bytes/index.ts'
import { Endpoint } from '../endpoint/node.ts'
import {
  type Diagnosis,
  type DoctorInput,
  diagnose,
  type FilteringBehaviour,
  type Finding,
  localAddresses,
  type PortMapProbe,
  probeFiltering,
  probePortMapping,
  SideSockets,
  StunProber,
  type StunReport,
} from '../holepunch/index.ts'
import type { Platform } from '../platform/index.ts'
import { NodePlatform } from '../platform/node/index.ts'
import {
  collect,
  type EndpointFlags,
  type EndpointFlagValues,
  endpointFlags,
  endpointOptions,
} from './endpoint-flags.ts'
import type { Output } from './reporter.ts'
import { sleep } from './run.ts'

/** How often the endpoint is asked whether it has its report, ms. */
const LOOK_EVERY_MS = 20
/** A report of the endpoint takes up to 3.4 s, as do names and answers of STUN servers in a row; routers are the slowest. */
const TIMEOUT_MS = 10_000

interface Flags extends Omit<EndpointFlagValues, 'portMapping'> {
  readonly portMapping: boolean
  readonly timeout: number
  readonly json?: true
}

export interface DoctorOptions extends EndpointFlags {
  readonly json: boolean
  /** What is not known by then stays unknown. */
  readonly timeoutMs: number
  /** Whether the router is asked what it offers; nothing is mapped. */
  readonly withRouter: boolean
}

export interface DoctorRun {
  readonly output: Output
  /** Aborted by Ctrl-C: nothing is said then. */
  readonly interrupted: AbortSignal
}

/** What leaves the machine, for tests that must not. */
export interface DoctorWorld {
  readonly platform: Platform
  readonly probePortMapping: (platform: Platform, signal: AbortSignal) => Promise<PortMapProbe>
}

/** `interruption` is called when the command begins: its signal ends it. */
export function addDoctorCommand(program: Command, output: Output, interruption: () => AbortSignal): void {
  program
    .command('doctor')
    .description('look at the network: NAT, UDP, IPv6, relays, port mapping, and what to do about them')
    .option('--relay <url>', 'relay to ask, repeatable (default: TOM_RELAYS, else none)', collect)
    .option('--relay-token <token>', 'what those relays ask for (default: TOM_RELAY_TOKEN)')
    .option('--relay-ca <file>', "PEM certificates that vouch for relays, instead of Node's list")
    .option('--stun <host:port>', 'STUN server to ask, repeatable (default: TOM_STUN, else none)', collect)
    .option('--bind <address>', 'local ip:port, repeatable (default: 0.0.0.0:0 and [::]:0)', collect)
    .option('--no-port-mapping', 'do not ask the router which ways of port mapping it has')
    .option('--timeout <ms>', 'say what is known after this', milliseconds, TIMEOUT_MS)
    .option('--json', 'one JSON object on stdout')
    .option('--verbose', 'errors with their stack')
    .action(async ({ portMapping, timeout, json, ...values }: Flags) => {
      const options = {
        ...(await endpointFlags(values)),
        withRouter: portMapping,
        timeoutMs: timeout,
        json: json === true,
      }
      await doctor(options, { output, interrupted: interruption() })
    })
}

function milliseconds(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected a whole number above 0.')
  return Number(text)
}

/** Rejects with EndpointError BIND_FAILED or INVALID_OPTION. */
export async function doctor(
  options: DoctorOptions,
  { output, interrupted }: DoctorRun,
  world: Partial<DoctorWorld> = {},
): Promise<void> {
  const { caCertificates, json, timeoutMs } = options
  const platform = world.platform ?? new NodePlatform(caCertificates === undefined ? {} : { ca: caCertificates })
  const endpoint = await Endpoint.bind({
    ...endpointOptions(options, { output }),
    portMapping: false,
    networkMonitor: false,
    runtime: { platform },
  })
  const limit = new AbortController()
  const stop = (): void => limit.abort()
  const timer = setTimeout(stop, timeoutMs)
  interrupted.addEventListener('abort', stop)
  if (interrupted.aborted) stop()
  try {
    const examination = new Examination(endpoint, platform, options, limit.signal)
    const portMap = options.withRouter
      ? (world.probePortMapping ?? probePortMapping)(platform, limit.signal).catch((error) => {
          output.stderr(`tom: the router was not asked: ${messageOf(error)}`)
          return undefined
        })
      : undefined
    const input = await examination.run(portMap)
    if (interrupted.aborted) return
    const diagnosis = diagnose(input)
    if (json) output.stdout(JSON.stringify(toJson(diagnosis, input)))
    else for (const line of linesOf(diagnosis, input)) output.stdout(line)
  } finally {
    clearTimeout(timer)
    interrupted.removeEventListener('abort', stop)
    await endpoint.close()
  }
}

/** All measurements side by side, until all are done or the signal is aborted. */
class Examination {
  readonly #endpoint: Endpoint
  readonly #platform: Platform
  readonly #relays: readonly string[]
  readonly #stunServers: readonly string[]
  readonly #signal: AbortSignal

  constructor(
    endpoint: Endpoint,
    platform: Platform,
    { relays, stunServers = [] }: EndpointFlags,
    signal: AbortSignal,
  ) {
    this.#endpoint = endpoint
    this.#platform = platform
    this.#relays = relays.map(({ url }) => url)
    this.#stunServers = stunServers
    this.#signal = signal
  }

  async run(portMapping: Promise<PortMapProbe | undefined> | undefined): Promise<DoctorInput> {
    const [details, portMap] = await Promise.all([this.#askStun(), portMapping, this.#report(), this.#online()])
    const { homeRelay, netReport } = this.#endpoint
    const sockets = this.#endpoint.boundAddresses().map(hostPort)
    return {
      relays: this.#relays,
      stunServers: this.#stunServers,
      report: netReport,
      localAddresses: localAddresses(sockets, this.#platform.interfaces()),
      interfaces: this.#platform.interfaces(),
      ...details,
      ...(portMap === undefined ? {} : { portMap }),
      ...(homeRelay === undefined
        ? {}
        : {
            homeRelay: {
              url: homeRelay.url.href,
              isConnected: homeRelay.isConnected,
              ...(homeRelay.error === undefined ? {} : { error: homeRelay.error.message }),
            },
          }),
    }
  }

  /** The endpoint's own: it comes by itself, where there is somebody to ask. */
  async #report(): Promise<void> {
    if (this.#relays.length + this.#stunServers.length === 0) return
    while (!this.#signal.aborted && this.#endpoint.netReport?.isFull !== true) await sleep(LOOK_EVERY_MS, this.#signal)
  }

  /** Whether the home relay lets us in is a finding, too. */
  async #online(): Promise<void> {
    if (this.#relays.length === 0) return
    try {
      await this.#endpoint.online({ signal: this.#signal })
    } catch {
      // `homeRelay` says why.
    }
  }

  /** From sockets of their own: the endpoint's are asked for its report, and filtering needs one that has sent to nobody else. */
  async #askStun(): Promise<Pick<DoctorInput, 'stun' | 'filtering'>> {
    if (this.#stunServers.length === 0) return {}
    const hosts = this.#endpoint.boundAddresses().map((address) => hostPort(address).host)
    const sockets = await SideSockets.bind(this.#platform, [...new Set(hosts)])
    const prober = new StunProber({ platform: this.#platform, driver: () => sockets })
    sockets.onMessage = (packet) => prober.onForeign(packet)
    try {
      const report = await this.#probe(prober)
      const stun = { report, localAddresses: localAddresses(sockets.sockets, this.#platform.interfaces()) }
      const filtering = await this.#filtering(report, sockets.socketOf(4)?.host)
      return { stun, ...(filtering === undefined ? {} : { filtering }) }
    } finally {
      prober.close()
      await sockets.close()
    }
  }

  /** Cut short by the prober's end, and not by the signal, it keeps the answers that came. */
  async #probe(prober: StunProber): Promise<StunReport> {
    const onAbort = (): void => prober.close()
    this.#signal.addEventListener('abort', onAbort)
    if (this.#signal.aborted) onAbort()
    const report = await prober.probe(this.#stunServers, undefined, { withOtherAddress: true })
    this.#signal.removeEventListener('abort', onAbort)
    return report
  }

  async #filtering({ samples }: StunReport, host: string | undefined): Promise<FilteringBehaviour | undefined> {
    const able = samples.find(({ family, otherAddress }) => family === 4 && otherAddress !== undefined)
    if (able === undefined || host === undefined) return undefined
    return probeFiltering(this.#platform, host, able.server, this.#signal)
  }
}

function hostPort(text: string): { host: string; port: number } {
  const { ip, port } = parseSocketAddress(text)
  return { host: formatIp(ip), port }
}

/** What `--json` prints: the findings, and what they were made of. */
function toJson(diagnosis: Diagnosis, input: DoctorInput): object {
  const { report, stun, portMap, homeRelay, relays, stunServers } = input
  const text = (address: SocketAddress | undefined): string | undefined =>
    address === undefined ? undefined : formatSocketAddress(address)
  return {
    ...diagnosis,
    asked: { relays, stunServers },
    globalV4: text(report?.globalV4),
    globalV6: text(report?.globalV6),
    relayLatencies: Object.fromEntries(report?.relayLatencies ?? []),
    homeRelay,
    portMap,
    stun: {
      answers: stun?.report.samples.map(({ name, server, mapped }) => ({
        name,
        server: text(server),
        mapped: text(mapped),
      })),
      failures: stun?.report.failures,
    },
  }
}

const MARKS: Readonly<Record<Finding['status'], string>> = { good: 'ok', fair: 'so-so', bad: 'BAD', unknown: '?' }

function linesOf({ findings }: Diagnosis, { relays, stunServers, stun }: DoctorInput): string[] {
  const asked = [plural(relays.length, 'relay'), plural(stunServers.length, 'STUN server')].filter(
    (part) => part !== '',
  )
  const lines = [`asked: ${asked.length === 0 ? 'nobody' : asked.join(', ')}`]
  for (const { title, status, value, meaning, advice } of findings) {
    lines.push(`${`[${MARKS[status]}]`.padEnd(8)}${title}: ${value}`, `${INDENT}${meaning}`)
    if (advice !== undefined) lines.push(`${INDENT}-> ${advice}`)
  }
  for (const { name, family, reason } of stun?.report.failures ?? [])
    lines.push(`STUN server ${name}${family === undefined ? '' : ` over IPv${family}`}: ${reason}`)
  return lines
}

const INDENT = ' '.repeat(8)

function plural(count: number, what: string): string {
  if (count === 0) return ''
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
