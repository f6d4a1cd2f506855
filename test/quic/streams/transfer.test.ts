import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StreamSettings } from '../../../src/quic/streams/streams.ts'
import { connectedSides, DEFAULTS, Pipe, type PipeOptions, type Side } from './pipe.ts'

/** Byte of a stream: differs by stream and sender. */
function byteAt(sender: number, id: number, offset: number): number {
  return (offset * 131 + (offset >>> 8) * 7 + id * 17 + sender * 101) & 0xff
}

interface Job {
  readonly sender: number
  readonly id: number
  readonly size: number
  written: number
  received: number
  isFinished: boolean
  end: string
}

/** Writes a random part, with an offset in the caller's buffer; finishes when all was taken. */
function feed(side: Side, job: Job, random: () => number): void {
  if (job.isFinished) return
  const count = Math.min(job.size - job.written, Math.ceil(random() * 20_000))
  const data = new Uint8Array(count + 3)
  for (let index = 0; index < count; index++) data[index + 3] = byteAt(job.sender, job.id, job.written + index)
  job.written += side.streams.write(job.id, data, 3, count + 3)
  if (job.written < job.size) return
  side.streams.finish(job.id)
  job.isFinished = true
}

function drain(side: Side, job: Job, max: number): void {
  while (job.end === '') {
    const result = side.streams.read(job.id, max)
    if (result === 'empty') return
    if (result === 'fin') job.end = 'fin'
    else if (result.kind === 'reset') job.end = 'reset'
    else {
      for (const byte of result.bytes) {
        if (byte !== byteAt(job.sender, job.id, job.received))
          throw new Error(`stream ${job.id}: wrong byte at ${job.received}`)
        job.received++
      }
    }
  }
}

/** Each side opens `count` streams; bidirectional ones are answered with the same number of bytes. Until all is delivered and acknowledged. */
function transfer(settings: StreamSettings, options: PipeOptions, count: number, maxSize: number): Pipe {
  const pipe = new Pipe(connectedSides(settings, settings), options)
  const { random, sides } = pipe
  const jobs: Job[] = []
  const add = (sender: number, id: number, size: number) =>
    jobs.push({ sender, id, size, written: 0, received: 0, isFinished: false, end: '' })
  const left = [count, count]
  const accepted = new Set<string>()
  for (;;) {
    pipe.step()
    for (const [index, side] of sides.entries()) {
      const bidirectional = random() < 0.5
      if (left[index]! > 0) {
        const id = side.streams.open(bidirectional)
        if (id >= 0) {
          left[index]!--
          const size = Math.floor(random() ** 3 * maxSize)
          add(index, id, size)
          if (bidirectional) add(1 - index, id, size)
          side.streams.setPriority(id, Math.floor(random() * 3))
        }
      }
      for (const kind of [true, false]) {
        for (let id = side.streams.accept(kind); id >= 0; id = side.streams.accept(kind))
          accepted.add(`${1 - index} ${id}`)
      }
    }
    for (const job of jobs) {
      // A side can use a stream of the other only after accept.
      const opener = job.id % 2
      const isAccepted = accepted.has(`${opener} ${job.id}`)
      if (job.sender === opener || isAccepted) feed(sides[job.sender]!, job, random)
      if ((job.sender !== opener || job.end === '') && (job.sender !== opener || isAccepted)) {
        drain(sides[1 - job.sender]!, job, 1 + Math.floor(random() * 70_000))
      }
    }
    if (left[0] === 0 && left[1] === 0 && jobs.every((job) => job.end !== '') && pipe.isIdle) break
    if (pipe.round > 20_000)
      throw new Error(`stuck: ${JSON.stringify(jobs.filter((job) => job.end === '').slice(0, 5))}`)
  }
  for (const job of jobs) expect([job.end, job.received]).toEqual(['fin', job.size])
  for (const side of sides) {
    expect([side.streams.openCount, side.streams.bufferedBytes, side.pool.live]).toEqual([0, 0, 0])
  }
  return pipe
}

test('RFC 9000 §2.2: random streams both ways over a bad network arrive whole, and nothing is left', () => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer(),
        loss: fc.constantFrom(0, 0.02, 0.2, 0.4),
        jitter: fc.constantFrom(1, 3, 10),
        packetSize: fc.constantFrom(100, 1200, 9000),
        perRound: fc.constantFrom(1, 20),
      }),
      fc.record({
        streamReceiveWindow: fc.constantFrom(1000, 20_000, 1_250_000),
        initialMaxData: fc.constantFrom(2000, 50_000, 10_000_000),
        maxReceiveWindow: fc.constantFrom(20_000, 1_250_000),
        maxStreamsBidi: fc.constantFrom(1, 3, 100),
        maxStreamsUni: fc.constantFrom(1, 10),
        sendBuffer: fc.constantFrom(1000, 20_000, 1_000_000),
      }),
      (options, settings) => {
        transfer({ ...DEFAULTS, ...settings }, options, 8, 30_000)
      },
    ),
    { numRuns: 25 },
  )
}, 30_000)

test('RFC 9000 §4: large streams through small windows and heavy loss', () => {
  const settings = {
    ...DEFAULTS,
    streamReceiveWindow: 30_000,
    initialMaxData: 60_000,
    maxReceiveWindow: 200_000,
    sendBuffer: 100_000,
  }
  const pipe = transfer(settings, { seed: 7, loss: 0.1, jitter: 4, perRound: 50 }, 4, 1_000_000)
  for (const side of pipe.sides) {
    // Every byte is new once, on the sender and on the receiver.
    const other = pipe.sides[side === pipe.sides[0] ? 1 : 0]
    expect(side.streams.stats.bytesSent).toBe(other.streams.stats.bytesReceived)
    expect(side.streams.stats.retransmittedBytes).toBeGreaterThan(0)
  }
})

test('equal streams share a network fairly, and a prior one is done first', () => {
  const [client, server] = connectedSides()
  const pipe = new Pipe([client, server], { seed: 3, loss: 0.05, jitter: 2, perRound: 10 })
  const data = new Uint8Array(300_000)
  const ids = Array.from({ length: 5 }, () => client.streams.open(false))
  for (const id of ids) expect(client.streams.write(id, data, 0, data.length)).toBe(data.length)
  client.streams.setPriority(ids[4]!, 1)
  const received = new Map<number, number>()
  let order = ''
  while (!pipe.isIdle || pipe.round < 5) {
    pipe.step()
    for (let id = server.streams.accept(false); id >= 0; id = server.streams.accept(false)) received.set(id, 0)
    for (const id of received.keys()) received.set(id, received.get(id)! + server.readAll(id).bytes.length)
    const [first, , , fourth, prior] = ids.map((id) => received.get(id) ?? 0)
    // Its last lost packets take a few rounds, in which the others send.
    if (prior === data.length && order === '')
      order = `others had ${first! + fourth! < data.length / 4 ? 'little' : 'much'}`
    if (order !== '' && first! < data.length * 0.9) expect(Math.abs(first! - fourth!)).toBeLessThan(30_000)
  }
  expect(order).toBe('others had little')
  expect(ids.map((id) => received.get(id))).toEqual(ids.map(() => data.length))
})
