/**
 * The application at one end of a connection with several paths: writes and reads streams whose bytes anybody can judge, counts datagrams,
 * and remembers what it was told of its paths. It keeps no plan: the test says what happens, and when.
 */
import type { ConnectionHandler } from '../../../../src/driver/index.ts'
import type { CloseReason, Connection, ConnectionEvent, PathStats } from '../../../../src/quic/index.ts'
import type { SimNode } from '../node.ts'
import { matchesPattern, patternAt } from '../payload.ts'

/** The first bytes of a stream: its channel and its length. */
const HEAD = 8
const PIECE = 65_536

export type EventOf<T extends ConnectionEvent['type']> = Extract<ConnectionEvent, { type: T }>

/** One stream, one direction. Both ends write into it what they did. */
export class Transfer {
  readonly channel: number
  readonly size: number
  written = 0
  read = 0
  /** ms; when the last byte and the FIN were read. */
  doneAt = -1

  constructor(channel: number, size: number) {
    this.channel = channel
    this.size = Math.max(size, HEAD)
  }

  get isDone(): boolean {
    return this.doneAt !== -1
  }

  head(): Uint8Array {
    const bytes = new Uint8Array(HEAD)
    new DataView(bytes.buffer).setUint32(0, this.channel)
    new DataView(bytes.buffer).setUint32(4, this.size)
    return bytes
  }
}

interface Reading {
  readonly id: number
  readonly head: number[]
  transfer: Transfer | undefined
}

export class Talker implements ConnectionHandler {
  readonly node: SimNode
  readonly connection: Connection
  readonly events: { readonly at: number; readonly event: ConnectionEvent }[] = []
  closeReason: CloseReason | undefined = undefined
  closedAt = -1
  isDrained = false
  datagramsRead = 0
  /** Called after each event, for tests that react. */
  onPathEvent: (event: ConnectionEvent) => void = () => {}
  readonly #transfers: Map<number, Transfer>
  readonly #fail: (text: string) => void
  readonly #writing = new Map<number, Transfer>()
  readonly #reading = new Map<number, Reading>()
  readonly #toOpen: Transfer[] = []

  /** `transfers` is common to both ends, by channel. */
  constructor(
    node: SimNode,
    transfers: Map<number, Transfer>,
    fail: (text: string) => void,
    connect: (handler: Talker) => Connection,
  ) {
    this.node = node
    this.#transfers = transfers
    this.#fail = fail
    this.connection = connect(this)
    node.connections.push(this.connection)
  }

  get side(): 'client' | 'server' {
    return this.connection.role
  }

  get isConfirmed(): boolean {
    return this.of('confirmed').length > 0
  }

  get isClosed(): boolean {
    return this.closeReason !== undefined
  }

  of<T extends ConnectionEvent['type']>(type: T): EventOf<T>[] {
    return this.events.flatMap(({ event }) => (event.type === type ? [event as EventOf<T>] : []))
  }

  /** When the last event of this kind came, ms; -1 for never. */
  lastAt(type: ConnectionEvent['type']): number {
    return this.events.findLast(({ event }) => event.type === type)?.at ?? -1
  }

  path(id: number): PathStats | undefined {
    return this.connection.paths().find((path) => path.id === id)
  }

  /** Ids of the open paths. */
  get openPaths(): number[] {
    return this.connection
      .paths()
      .filter(({ state }) => state === 'open')
      .map(({ id }) => id)
  }

  touch(): void {
    this.node.driver.touch(this.connection)
  }

  onEvent(event: ConnectionEvent): void {
    const { type } = event
    // Streams and datagrams come by the thousand; nobody asks when.
    if (!type.startsWith('stream') && type !== 'datagram') this.events.push({ at: this.node.platform.now(), event })
    if (this.isDrained) this.#fail(`${this.side}: ${type} after drained`)
    switch (type) {
      case 'closed':
        this.closeReason = event.reason
        this.closedAt = this.node.platform.now()
        break
      case 'drained':
        this.isDrained = true
        break
      case 'stream-incoming':
        this.#accept()
        break
      case 'stream-available':
        this.#open()
        break
      case 'stream-readable':
        this.#read(event.id)
        break
      case 'stream-writable':
        this.#write(event.id)
        break
      case 'datagram':
        while (this.connection.datagrams.read() !== undefined) this.datagramsRead++
        break
      default:
        this.onPathEvent(event)
    }
    this.touch()
  }

  send(transfer: Transfer): void {
    this.#toOpen.push(transfer)
    this.#open()
    this.touch()
  }

  sendDatagram(size: number): void {
    const { connection } = this
    connection.datagrams.send(new Uint8Array(Math.min(size, connection.maxDatagramSize)))
    this.touch()
  }

  #open(): void {
    const { streams } = this.connection
    while (this.#toOpen.length > 0 && !this.connection.isClosed) {
      const id = streams.open(false)
      if (id === -1) return
      const transfer = this.#toOpen.shift()!
      transfer.written = streams.write(id, transfer.head(), 0, HEAD)
      this.#writing.set(id, transfer)
      this.#write(id)
    }
  }

  #write(id: number): void {
    const transfer = this.#writing.get(id)
    // What stood in the queue when the connection ended still comes; its streams are gone by then.
    if (transfer === undefined || this.connection.isClosed) return
    const { streams } = this.connection
    while (transfer.written < transfer.size) {
      const piece = Math.min(PIECE, transfer.size - transfer.written)
      const bytes = patternAt(transfer.channel, transfer.written, piece)
      const taken = streams.write(id, bytes, 0, bytes.length)
      transfer.written += taken
      if (taken < bytes.length) return
    }
    streams.finish(id)
    this.#writing.delete(id)
  }

  #accept(): void {
    if (this.connection.isClosed) return
    for (;;) {
      const id = this.connection.streams.accept(false)
      if (id === -1) return
      this.#reading.set(id, { id, head: [], transfer: undefined })
      this.#read(id)
    }
  }

  #read(id: number): void {
    const reading = this.#reading.get(id)
    if (reading === undefined || this.connection.isClosed) return
    for (;;) {
      const limit = reading.transfer === undefined ? HEAD - reading.head.length : PIECE
      const result = this.connection.streams.read(id, limit)
      if (result === 'empty') return
      if (result === 'fin') {
        this.#reading.delete(id)
        this.#finished(id, reading.transfer)
        return
      }
      if (result.kind === 'reset') {
        this.#fail(`stream ${id} was reset`)
        return
      }
      if (reading.transfer === undefined) this.#readHead(reading, result.bytes)
      else this.#check(reading.transfer, result.bytes)
    }
  }

  #readHead(reading: Reading, bytes: Uint8Array): void {
    reading.head.push(...bytes)
    if (reading.head.length < HEAD) return
    const channel = new DataView(Uint8Array.from(reading.head).buffer).getUint32(0)
    reading.transfer = this.#transfers.get(channel)
    if (reading.transfer === undefined) this.#fail(`stream ${reading.id} says that it is channel ${channel}`)
    else reading.transfer.read = HEAD
  }

  #check(transfer: Transfer, bytes: Uint8Array): void {
    if (!matchesPattern(bytes, transfer.channel, transfer.read))
      this.#fail(`channel ${transfer.channel}: wrong bytes from ${transfer.read} on`)
    transfer.read += bytes.length
  }

  #finished(id: number, transfer: Transfer | undefined): void {
    if (transfer === undefined || transfer.read !== transfer.size)
      this.#fail(`stream ${id} ended after ${transfer?.read} of ${transfer?.size} bytes`)
    else if (transfer.isDone) this.#fail(`channel ${transfer.channel} came twice`)
    else transfer.doneAt = this.node.platform.now()
  }

  describe(): string {
    const paths = this.connection
      .paths()
      .map(
        (path) =>
          `[${path.id} ${path.state}${path.validated ? ' validated' : ''}${path.preferred ? ' preferred' : ''} ${path.status}/${path.peerStatus} rtt ${path.rttMs.toFixed(1)} cwnd ${path.congestionWindow.toFixed(0)} in flight ${path.bytesInFlight} ptos ${path.ptos} lost ${path.lostPackets} sent ${path.datagramsSent} received ${path.datagramsReceived}]`,
      )
    const state = this.closeReason === undefined ? 'open' : `closed ${JSON.stringify(this.closeReason)}`
    return `${this.side} ${state} ${paths.join(' ')} deadline ${this.connection.deadline().toFixed(1)}`
  }
}
