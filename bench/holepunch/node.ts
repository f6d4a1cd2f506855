/**
 * One of our endpoints in a process of its own, told by JSON lines what to do (bench/holepunch/peers.ts has the other side of it). Its first argument is the
 * relay's URL, its second JSON of a `ShapedPlatform`'s options or nothing.
 */
import { createInterface } from 'node:readline'
import { type Connection, Endpoint, type SendStream } from '../../src/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { type ShapedOptions, ShapedPlatform } from './shaped-platform.ts'

const ALPNS = ['tom/drain/1']
const CHUNK = new Uint8Array(65_536)
/** The receiver's bytes and the sender's RTT are kept in steps of this, ms. */
const STEP_MS = 10
const RTT_STEP_MS = 50

type Line = Record<string, unknown>

const [url, shape] = process.argv.slice(2) as [string, string | undefined]
const shaped = shape === undefined ? undefined : new ShapedPlatform(JSON.parse(shape) as ShapedOptions)
const platform = shaped ?? new NodePlatform({ proxy: null })

/** ms since 1970 with fractions: processes of one machine agree on it. */
const wallMs = (): number => performance.timeOrigin + performance.now()
const say = (line: Line): boolean => process.stdout.write(`${JSON.stringify(line)}\n`)

let endpoint: Endpoint | undefined
const connections: Connection[] = []
/** Bytes that came in each step, by the number of the step since 1970. */
const received = new Map<number, number>()
let sending: Sending | undefined

async function bind(): Promise<Line> {
  await endpoint?.close()
  endpoint = await Endpoint.bind({
    bind: ['127.0.0.1:0'],
    alpns: ALPNS,
    relays: [{ url, quicPort: null }],
    runtime: { platform },
  })
  void accept(endpoint)
  await endpoint.online()
  return { id: String(endpoint.id) }
}

async function accept(own: Endpoint): Promise<void> {
  for await (const incoming of own.incoming())
    incoming.accept().then(
      (connection) => {
        void drain(connection)
        keep(connection)
      },
      () => {},
    )
}

/** Tells of every change of its path, and how many packets it had taken until then. */
function keep(connection: Connection): number {
  const number = connections.push(connection) - 1
  const tell = (kind: string): boolean =>
    say({
      event: 'path',
      number,
      change: 'selected',
      kind,
      at: wallMs(),
      sentDatagrams: datagramsOf(connection),
    })
  const events = connection.pathEvents()
  const first = connection.paths().find(({ selected }) => selected)
  if (first !== undefined) tell(first.kind)
  void (async () => {
    for await (const event of events) if (event.type === 'selected') tell(event.kind)
  })()
  return number
}

async function drain(connection: Connection): Promise<void> {
  try {
    for (;;) {
      const { recv } = await connection.acceptBi()
      for await (const chunk of recv) {
        const step = Math.floor(wallMs() / STEP_MS)
        received.set(step, (received.get(step) ?? 0) + chunk.length)
      }
    }
  } catch {
    // it has ended
  }
}

async function dial(target: string): Promise<Line> {
  const begin = wallMs()
  const connection = await endpoint!.connect(target, ALPNS[0]!)
  return { number: keep(connection), connectMs: wallMs() - begin }
}

/** Writes until it is told to end, and looks at the RTT meanwhile. */
class Sending {
  readonly #connection: Connection
  readonly #writing: Promise<void>
  readonly rtts: [number, number][] = []
  readonly #timer: ReturnType<typeof setInterval>
  #isOver = false

  constructor(connection: Connection) {
    this.#connection = connection
    this.#writing = this.#write()
    this.#timer = setInterval(() => this.rtts.push([wallMs(), connection.rtt()]), RTT_STEP_MS)
  }

  async #write(): Promise<void> {
    const { send }: { send: SendStream } = await this.#connection.openBi()
    while (!this.#isOver) await send.write(CHUNK)
    send.reset(0)
  }

  async end(): Promise<void> {
    this.#isOver = true
    clearInterval(this.#timer)
    await this.#writing
  }
}

function datagramsSent(): number {
  return connections.reduce((sum, connection) => sum + datagramsOf(connection), 0)
}

/** Through the relay and direct, probes included. */
function datagramsOf(connection: Connection): number {
  return connection.stats().paths.reduce((sum, path) => sum + path.datagramsSent, 0)
}

async function obey({ cmd, ...command }: Line): Promise<Line> {
  switch (cmd) {
    case 'bind':
      return bind()
    case 'dial':
      return dial(String(command.target))
    case 'gate':
      if (shaped !== undefined) shaped.isOpen = command.isOpen === true
      return {}
    case 'send':
      sending = new Sending(connections[Number(command.number)]!)
      return {}
    case 'end':
      await sending?.end()
      return { rtts: sending?.rtts ?? [] }
    case 'received':
      return { stepMs: STEP_MS, steps: [...received] }
    case 'direct':
      return {
        direct: connections.filter((one) => one.paths().some(({ kind, selected }) => selected && kind === 'direct'))
          .length,
      }
    case 'usage': {
      const { user, system } = process.cpuUsage()
      return { cpuUs: user + system, datagramsSent: datagramsSent(), connections: connections.length }
    }
    default:
      throw new Error(`no command ${cmd}`)
  }
}

createInterface({ input: process.stdin })
  .on('line', (text) => {
    const { tag, ...command } = JSON.parse(text) as Line
    obey(command).then(
      (line) => say({ event: 'result', tag, ...line }),
      (error: unknown) => say({ event: 'error', tag, stage: command.cmd, message: String(error) }),
    )
  })
  .once('close', () => process.exit(0))
say({ event: 'ready' })
