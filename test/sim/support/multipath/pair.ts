/** Both ends of one connection, the streams between them, and the verbs of a story. */
import type { Connection, PathStats } from '../../../../src/quic/index.ts'
import type { MultipathSimulation } from './simulation.ts'
import { Talker, Transfer } from './talker.ts'

export type Side = 'client' | 'server'
export type PathStatus = PathStats['status']

/** Connection ids of one end: up to eight for each of sixteen paths, and some for those that may be opened next. */
const MOST_IDS = 160

export class Pair {
  readonly alpn: Uint8Array
  readonly client: Talker
  readonly transfers = new Map<number, Transfer>()
  readonly #sim: MultipathSimulation
  readonly #index: number
  #server: Talker | undefined = undefined

  constructor(sim: MultipathSimulation, index: number, connect: (pair: Pair) => (handler: Talker) => Connection) {
    this.#sim = sim
    this.#index = index
    this.alpn = new TextEncoder().encode(`multipath/${index}`)
    // The node asks for the ALPNs of all pairs.
    sim.pairs.push(this)
    this.client = new Talker(sim.clientNode, this.transfers, (text) => sim.violation(text), connect(this))
  }

  get hasServer(): boolean {
    return this.#server !== undefined
  }

  get server(): Talker {
    return this.#server!
  }

  accepted(server: Talker): void {
    this.#server = server
  }

  get ends(): Talker[] {
    return this.#server === undefined ? [this.client] : [this.client, this.#server]
  }

  end(side: Side): Talker {
    return side === 'client' ? this.client : this.server
  }

  // verbs

  /** A stream of `size` bytes. */
  send(from: Side, size: number): Transfer {
    const transfer = new Transfer(this.#index * 10_000 + this.transfers.size + 1, size)
    this.transfers.set(transfer.channel, transfer)
    this.end(from).send(transfer)
    return transfer
  }

  /** Does a stream of `size` bytes arrive whole, both ways? */
  carries(size: number, limitMs?: number): void {
    const both = [this.send('client', size), this.send('server', size)]
    this.#sim.until(() => both.every(({ isDone }) => isDone), limitMs)
  }

  /** The id of the new path, or undefined while there is none to be had. */
  open(way: number, status: PathStatus = 'available'): number | undefined {
    const { client } = this
    const id = client.connection.openPath(this.#sim.route(way), status, this.#sim.now)
    client.touch()
    return id
  }

  /** Opens a path and waits until both ends know that it works. */
  openValidated(way: number, status: PathStatus = 'available'): number {
    const id = this.open(way, status)
    if (id === undefined) throw new Error('no path may be opened')
    this.#sim.until(() => this.ends.every((end) => end.path(id)?.validated === true))
    return id
  }

  abandon(by: Side, id: number, code = 0x3e): void {
    const end = this.end(by)
    end.connection.abandonPath(id, code, this.#sim.now)
    end.touch()
  }

  setStatus(by: Side, id: number, status: PathStatus): void {
    const end = this.end(by)
    end.connection.setPathStatus(id, status)
    end.touch()
  }

  updateKeys(by: Side): boolean {
    const end = this.end(by)
    const done = end.connection.updateKeys(this.#sim.now)
    end.touch()
    return done
  }

  close(by: Side, code = 0, reason = ''): void {
    const end = this.end(by)
    end.node.driver.closeConnection(end.connection, code, reason)
  }

  // what must hold at any time

  check(): void {
    for (const end of this.ends) {
      for (const { id, bytesInFlight } of end.connection.paths())
        if (bytesInFlight < 0) this.#sim.violation(`${end.side}: ${bytesInFlight} bytes in flight on path ${id}`)
      const { leftovers } = end.node.driver.engine
      if (leftovers > MOST_IDS * this.#sim.pairs.length)
        this.#sim.violation(`${end.side}: ${leftovers} entries in the engine's tables`)
    }
  }

  describe(): string[] {
    const open = [...this.transfers.values()].filter(({ isDone }) => !isDone)
    return [
      ...open.map(
        ({ channel, written, read, size }) => `channel ${channel}: ${written} written, ${read} read of ${size}`,
      ),
      ...this.ends.map((end) => end.describe()),
    ]
  }
}
