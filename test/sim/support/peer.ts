/**
 * The application at one end of a simulated connection: opens its streams, writes, reads and compares, answers what the other end opens.
 * What is to happen stands in the plan; what happened, in the `ConnectionRun` that both ends share.
 */
import type { ConnectionHandler } from '../../../src/driver/index.ts'
import {
  type CloseReason,
  type Connection,
  type ConnectionEvent,
  type ConnectionStats,
  StreamError,
} from '../../../src/quic/index.ts'
import type { SimNode } from './node.ts'
import { matchesPattern, patternAt } from './payload.ts'
import type { ConnectionRun } from './run.ts'
import type { DatagramFlow, Side, Transfer } from './scenario.ts'

/** Application error codes that tell which transfer was meant. */
const RESET_BASE = 10_000
const STOP_BASE = 20_000
/** A reader rests after each so many bytes. */
const REST_AFTER = 16_384

interface Writing {
  readonly id: number
  readonly transfer: number
  readonly channel: number
  readonly total: number
  /** Give up after so many bytes. */
  readonly resetAt: number
  readonly piece: number
  offset: number
  isOver: boolean
}

interface Reading {
  readonly id: number
  /** -1 until its first bytes came. */
  transfer: number
  channel: number
  total: number
  stopAt: number
  bite: number
  restMs: number
  readonly head: number[]
  offset: number
  restedAt: number
  isResting: boolean
  isOver: boolean
}

export class SimPeer implements ConnectionHandler {
  readonly node: SimNode
  readonly side: Side
  readonly connection: Connection
  /** The server learns from the ALPN which plan it is part of. */
  run: ConnectionRun | undefined
  isConnected = false
  isConfirmed = false
  closeReason: CloseReason | undefined = undefined
  closedAt = 0
  isDrained = false
  /** From NEW_TOKEN. */
  token: Uint8Array | undefined = undefined
  /** Taken when it closed, before the keys go. */
  stats: ConnectionStats | undefined = undefined
  /** Events by type. */
  readonly heard = new Map<ConnectionEvent['type'], number>()
  readonly #identify: (peer: SimPeer) => ConnectionRun | undefined
  readonly #writings = new Map<number, Writing>()
  readonly #readings = new Map<number, Reading>()
  /** Transfers that wait for the peer to allow another stream. */
  readonly #toOpen: number[] = []
  readonly #datagramsSeen = new Set<number>()

  constructor(
    node: SimNode,
    side: Side,
    connect: (peer: SimPeer) => Connection,
    identify: (peer: SimPeer) => ConnectionRun | undefined,
  ) {
    this.node = node
    this.side = side
    this.run = undefined
    this.#identify = identify
    this.connection = connect(this)
    node.connections.push(this.connection)
  }

  get isClosed(): boolean {
    return this.closeReason !== undefined
  }

  touch(): void {
    if (!this.node.isOff) this.node.driver.touch(this.connection)
  }

  /** Later, unless the connection or the node is gone by then. */
  later(ms: number, action: () => void): void {
    this.run!.clock.after(ms, () => {
      if (this.connection.isClosed || this.node.isOff) return
      action()
      this.touch()
    })
  }

  /** What stood in the queue when the connection ended still comes; its streams are gone by then, and say so. */
  onEvent(event: ConnectionEvent): void {
    try {
      this.#handle(event)
    } catch (error) {
      if (!(error instanceof StreamError)) throw error
      // `stream-stopped` is next.
      if (error.code === 'STREAM_STOPPED' && error.peerCode !== undefined) return
      if (error.code !== 'CONNECTION_CLOSED' || !this.connection.isClosed) throw error
    }
  }

  #handle(event: ConnectionEvent): void {
    this.heard.set(event.type, (this.heard.get(event.type) ?? 0) + 1)
    const isAfterword = event.type === 'drained' || event.type === 'close-answered'
    if (this.isDrained || (this.isClosed && !isAfterword)) this.#fail(`${event.type} after the end`)
    switch (event.type) {
      case 'connected':
        this.isConnected = true
        this.run ??= this.#identify(this)
        this.#start()
        this.run?.closePeer(this)
        break
      case 'confirmed':
        this.isConfirmed = true
        this.run?.confirmed(this)
        break
      case 'closed':
        this.closeReason = event.reason
        this.closedAt = this.node.platform.now()
        this.stats = this.connection.stats()
        this.run?.closed(this)
        return
      case 'drained':
        this.isDrained = true
        if (!this.isClosed) this.#fail('drained without closed')
        return
      case 'stream-incoming':
        this.#acceptAll(event.bidirectional)
        break
      case 'stream-available':
        this.#openAll()
        break
      case 'stream-readable':
        this.#pumpRead(event.id)
        break
      case 'stream-writable':
        this.#pumpWrite(event.id)
        break
      case 'stream-stopped':
        this.#stopped(event.id, event.code)
        break
      case 'stream-finished':
        this.#finished(event.id)
        break
      case 'datagram':
        this.#readDatagrams()
        break
      case 'token':
        this.token = event.token
        break
      default:
    }
    this.touch()
  }

  #fail(text: string): void {
    this.run?.violation(`${this.side}: ${text}`)
  }

  #start(): void {
    const { run } = this
    if (run === undefined) return
    for (const [index, transfer] of run.plan.transfers.entries()) {
      if (transfer.opener !== this.side) continue
      this.later(transfer.startsAt, () => {
        this.#toOpen.push(index)
        this.#openAll()
      })
    }
  }

  // writing

  #openAll(): void {
    const waiting = this.#toOpen.splice(0)
    for (const index of waiting) {
      const transfer = this.run!.plan.transfers[index]!
      const id = this.connection.streams.open(transfer.bidirectional)
      if (id === -1) {
        this.#toOpen.push(index)
        continue
      }
      const { streams } = this.connection
      streams.setPriority(id, transfer.priority)
      const head = Uint8Array.of(index >>> 24, index >>> 16, index >>> 8, index)
      const resetAt = transfer.end === 'reset' ? Math.max(transfer.endAt, 4) : Number.POSITIVE_INFINITY
      const writing = this.#writing(id, index, 0, transfer.size, resetAt)
      // The budget always has room for this much: nothing was written to the stream before.
      if (streams.write(id, head, 0, 4) !== 4) this.#fail(`stream ${id} did not take its first 4 bytes`)
      writing.offset = 4
      if (transfer.bidirectional) this.#reading(id).transfer = -2
      if (transfer.bidirectional) this.#known(this.#readings.get(id)!, index, 1)
      this.#pumpWrite(id)
    }
  }

  #writing(id: number, transfer: number, direction: 0 | 1, total: number, resetAt: number): Writing {
    const { piece } = this.run!.plan.transfers[transfer]!
    const channel = this.run!.channel(transfer, direction)
    const writing: Writing = { id, transfer, channel, total, resetAt, piece, offset: 0, isOver: false }
    this.#writings.set(id, writing)
    return writing
  }

  #pumpWrite(id: number): void {
    const writing = this.#writings.get(id)
    if (writing === undefined || writing.isOver) return
    const { streams } = this.connection
    const end = Math.min(writing.total, writing.resetAt)
    while (writing.offset < end) {
      const bytes = patternAt(writing.channel, writing.offset, Math.min(writing.piece, end - writing.offset))
      const taken = streams.write(id, bytes, 0, bytes.length)
      writing.offset += taken
      if (taken < bytes.length) return
    }
    if (writing.resetAt <= writing.total) {
      streams.reset(id, RESET_BASE + writing.transfer)
      this.#writeOver(writing)
    } else streams.finish(id)
    writing.isOver = true
  }

  /** The writer has nothing more to wait for. */
  #writeOver(writing: Writing): void {
    writing.isOver = true
    this.#writings.delete(writing.id)
    this.run!.halfOver(writing.transfer, this.side, 'write')
  }

  #stopped(id: number, code: number): void {
    const writing = this.#writings.get(id)
    if (writing === undefined) return
    if (code !== STOP_BASE + writing.transfer) this.#fail(`stream ${id} stopped with code ${code}`)
    this.#writeOver(writing)
  }

  #finished(id: number): void {
    const writing = this.#writings.get(id)
    if (writing === undefined || writing.offset !== writing.total) this.#fail(`stream ${id} finished early`)
    else this.#writeOver(writing)
  }

  // reading

  #acceptAll(bidirectional: boolean): void {
    for (;;) {
      const id = this.connection.streams.accept(bidirectional)
      if (id === -1) return
      this.#reading(id)
      this.#pumpRead(id)
    }
  }

  #reading(id: number): Reading {
    const reading: Reading = {
      id,
      transfer: -1,
      channel: 0,
      total: 0,
      stopAt: Number.POSITIVE_INFINITY,
      bite: 65_536,
      restMs: 0,
      head: [],
      offset: 0,
      restedAt: 0,
      isResting: false,
      isOver: false,
    }
    this.#readings.set(id, reading)
    return reading
  }

  /** It is clear now which transfer the stream carries. */
  #known(reading: Reading, index: number, direction: 0 | 1): void {
    const transfer: Transfer | undefined = this.run?.plan.transfers[index]
    if (transfer === undefined) {
      this.#fail(`stream ${reading.id} says that it is transfer ${index}`)
      return
    }
    reading.transfer = index
    reading.channel = this.run!.channel(index, direction)
    reading.total = direction === 0 ? transfer.size : transfer.reply
    reading.bite = transfer.bite
    reading.restMs = transfer.restMs
    if (direction === 0 && transfer.end === 'stop') reading.stopAt = transfer.endAt
    if (direction === 1 || !transfer.bidirectional) return
    this.#writing(reading.id, index, 1, transfer.reply, Number.POSITIVE_INFINITY)
    this.#pumpWrite(reading.id)
  }

  #pumpRead(id: number): void {
    const reading = this.#readings.get(id)
    if (reading === undefined || reading.isOver || reading.isResting) return
    const { streams } = this.connection
    for (;;) {
      if (reading.transfer >= 0 && reading.offset >= reading.stopAt) {
        streams.stopSending(id, STOP_BASE + reading.transfer)
        this.#readOver(reading)
        return
      }
      if (reading.restMs > 0 && reading.offset - reading.restedAt >= REST_AFTER) {
        reading.restedAt = reading.offset
        reading.isResting = true
        this.later(reading.restMs, () => {
          reading.isResting = false
          this.#pumpRead(id)
        })
        return
      }
      const result = streams.read(id, reading.transfer < 0 ? 4 - reading.head.length : reading.bite)
      if (result === 'empty') return
      if (result === 'fin') {
        if (reading.offset !== reading.total) this.#fail(`stream ${id}: FIN at ${reading.offset} of ${reading.total}`)
        this.#readOver(reading)
        return
      }
      if (result.kind === 'reset') {
        this.#wasReset(reading, result.code)
        return
      }
      this.#take(reading, result.bytes)
    }
  }

  #take(reading: Reading, bytes: Uint8Array): void {
    if (bytes.length === 0) this.#fail(`stream ${reading.id}: an empty read`)
    if (reading.transfer < 0) {
      reading.head.push(...bytes)
      reading.offset += bytes.length
      if (reading.head.length < 4) return
      const [a, b, c, d] = reading.head
      this.#known(reading, ((a! << 24) | (b! << 16) | (c! << 8) | d!) >>> 0, 0)
      return
    }
    if (!matchesPattern(bytes, reading.channel, reading.offset))
      this.#fail(`stream ${reading.id}: wrong bytes at ${reading.offset}..${reading.offset + bytes.length}`)
    reading.offset += bytes.length
    if (reading.offset > reading.total) this.#fail(`stream ${reading.id}: more than ${reading.total} bytes`)
  }

  #wasReset(reading: Reading, code: number): void {
    if (reading.transfer < 0) this.#known(reading, code - RESET_BASE, 0)
    const transfer = this.run?.plan.transfers[reading.transfer]
    if (transfer?.end !== 'reset' || code !== RESET_BASE + reading.transfer)
      this.#fail(`stream ${reading.id}: reset with code ${code}`)
    this.#readOver(reading)
  }

  #readOver(reading: Reading): void {
    reading.isOver = true
    this.#readings.delete(reading.id)
    this.run?.halfOver(reading.transfer, this.side, 'read')
  }

  // datagrams

  /** Sends the flow; calls `done` after the last. */
  sendFlow(flow: DatagramFlow, index: number, done: () => void): void {
    const size = Math.min(flow.size, this.connection.maxDatagramSize)
    let sent = 0
    const next = () => {
      while (sent < flow.count) {
        const number = index * 65_536 + sent++
        const bytes = Uint8Array.from(patternAt(number, 0, Math.max(size, 4)))
        new DataView(bytes.buffer).setUint32(0, number)
        this.connection.datagrams.send(bytes)
        if (flow.everyMs > 0) break
      }
      if (sent === flow.count) done()
      else this.later(flow.everyMs, next)
    }
    next()
  }

  #readDatagrams(): void {
    for (;;) {
      const bytes = this.connection.datagrams.read()
      if (bytes === undefined) return
      const number = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0)
      if (!matchesPattern(bytes.subarray(4), number, 4)) this.#fail('a datagram with wrong bytes')
      if (this.#datagramsSeen.has(number)) this.#fail(`datagram ${number} came twice`)
      this.#datagramsSeen.add(number)
    }
  }

  /** Where it stands, for a report. */
  describe(): string {
    const { connection } = this
    const [path] = connection.paths()
    const halves = [
      ...[...this.#writings.values()].map((one) => `w${one.id}:${one.offset}/${one.total}`),
      ...[...this.#readings.values()].map((one) => `r${one.id}:${one.offset}/${one.total}`),
      ...this.#toOpen.map((index) => `unopened ${index}`),
    ]
    const state = this.isDrained
      ? 'drained'
      : (this.closeReason?.kind ?? (this.isConfirmed ? 'confirmed' : 'handshake'))
    return `${this.side} ${state} ${halves.join(' ')} cwnd ${path?.congestionWindow} in flight ${path?.bytesInFlight} rtt ${path?.rttMs.toFixed(1)} ptos ${path?.ptos} lost ${path?.lostPackets} sent ${path?.datagramsSent} received ${path?.datagramsReceived} validated ${path?.validated} mtu ${path?.mtu} deadline ${connection.deadline().toFixed(1)}`
  }
}
