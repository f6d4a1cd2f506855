import { describe, expect, test } from 'vitest'
import { Reader } from '../../../src/bytes/reader.ts'
import { Level } from '../../../src/quic/level.ts'
import { PacketWriter, SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'
import { PacketSpace } from '../../../src/quic/recovery/packet-space.ts'
import { AckFrame, readAckFrame } from '../../../src/quic/wire/ack-frames.ts'
import { Bed, makeLink } from './support.ts'

const SIZE = 1200

interface Network {
  /** One way, ms. */
  readonly delayMs: number
  /** Bytes per ms. */
  readonly rate: number
  /** Bytes the queue before the bottleneck holds. */
  readonly buffer: number
  /** Nothing gets through between these times, ms. */
  readonly outage?: readonly [number, number]
}

interface Outcome {
  /** Share of the link's capacity delivered after the warm-up. */
  readonly utilisation: number
  readonly bed: Bed
  readonly maxQueue: number
}

/** A sender with endless data over one queue, and a receiver that acknowledges as RFC 9000 says. All time is counted, none passes. */
function simulate(kind: 'cubic' | 'new-reno', network: Network, warmUpMs: number, untilMs: number): Outcome {
  const bed = new Bed()
  bed.link = makeLink(333, kind)
  bed.detection.link = bed.link
  bed.confirmed()
  const pool = new SentFramePool()
  const settings = { immediate: false, maxAckDelayMs: 25, elicitingThreshold: 2 }
  const receiver = new PacketSpace(Level.OneRtt, 0, pool, settings)
  const writer = new PacketWriter(pool)
  const toReceiver: { at: number; number: number }[] = []
  const toSender: { at: number; ack: AckFrame }[] = []
  const { link, detection } = bed
  let busyUntil = 0
  let delivered = 0
  let maxQueue = 0
  let now = 0

  const isOut = (): boolean => network.outage !== undefined && now >= network.outage[0] && now < network.outage[1]
  const send = (): void => {
    const number = bed.send(now, { size: SIZE })
    link.pacer.spend(SIZE, link.congestion.window, link.rtt.smoothed, now)
    const queued = Math.max(busyUntil - now, 0) * network.rate
    if (queued + SIZE > network.buffer || isOut()) return
    maxQueue = Math.max(maxQueue, queued + SIZE)
    busyUntil = Math.max(busyUntil, now) + SIZE / network.rate
    toReceiver.push({ at: busyUntil + network.delayMs, number })
  }
  const pacedAt = (): number => link.pacer.readyAt(SIZE, link.congestion.window, link.rtt.smoothed, now)
  const hasWindow = (): boolean => link.bytesInFlight + SIZE <= link.congestion.window
  const acknowledge = (): void => {
    writer.begin(new Uint8Array(600), 0, 600, Level.OneRtt, 0, false)
    receiver.received.writeAck(writer, -1, 3, now)
    receiver.ackPolicy.sentAck()
    const reader = new Reader(writer.bytes, 0, writer.position)
    const ack = new AckFrame()
    readAckFrame(reader, reader.varint(), ack)
    toSender.push({ at: now + network.delayMs, ack })
  }

  while (now < untilMs) {
    while (toReceiver.length > 0 && toReceiver[0]!.at <= now) {
      const { number } = toReceiver.shift()!
      const before = receiver.received.largest
      receiver.received.add(number, now)
      receiver.ackPolicy.received(number, true, before, now, receiver.received.hasGaps)
      if (now >= warmUpMs) delivered += SIZE
      if (receiver.ackPolicy.isDue(now)) acknowledge()
    }
    if (receiver.ackPolicy.isDue(now)) acknowledge()
    while (toSender.length > 0 && toSender[0]!.at <= now) {
      const { ack } = toSender.shift()!
      detection.receivedAck(bed.space, ack, (ack.delay * 8) / 1000, now)
    }
    while (detection.deadline() <= now) detection.timeout(now)
    while (bed.space.probes > 0) {
      bed.space.probes--
      send()
    }
    while (hasWindow() && pacedAt() <= now) send()
    now = Math.min(
      toReceiver[0]?.at ?? Number.POSITIVE_INFINITY,
      toSender[0]?.at ?? Number.POSITIVE_INFINITY,
      receiver.ackPolicy.deadline(),
      detection.deadline(),
      hasWindow() ? pacedAt() : Number.POSITIVE_INFINITY,
    )
  }
  const utilisation = delivered / (network.rate * (untilMs - warmUpMs))
  return { utilisation, bed, maxQueue }
}

describe('a bottleneck of 10 Mbit/s, 20 ms each way', () => {
  const rate = 1250
  const product = rate * 40

  test.each([
    ['cubic', 1, 0.85],
    ['new-reno', 1, 0.85],
  ] as const)('RFC 9438 §5: %s with a queue of %d bandwidth-delay products uses more than %d', (kind, queue, least) => {
    const { utilisation, bed, maxQueue } = simulate(kind, { delayMs: 20, rate, buffer: queue * product }, 1000, 12_000)
    expect(utilisation).toBeGreaterThan(least)
    expect(utilisation).toBeLessThanOrEqual(1.001)
    // It did find the limit, and did not live on probes.
    expect(bed.detection.stats.lostPackets).toBeGreaterThan(0)
    expect(bed.detection.stats.lostPackets).toBeLessThan(0.02 * bed.space.nextPacketNumber)
    expect(bed.detection.stats.ptos).toBe(0)
    expect(bed.detection.stats.spuriousLosses).toBe(0)
    expect(maxQueue).toBeGreaterThan(0.5 * queue * product)
    bed.detection.clear()
    expect([bed.pool.live, bed.link.bytesInFlight]).toEqual([0, 0])
  })

  test('RFC 9406 §4: HyStart++ leaves slow start before a deep queue overflows', () => {
    const { bed, maxQueue } = simulate('cubic', { delayMs: 20, rate, buffer: 20 * product }, 0, 4000)
    expect(bed.link.congestion.slowStart).toBe(false)
    expect(bed.detection.stats.lostPackets).toBe(0)
    expect(maxQueue).toBeLessThan(13 * product)
  })

  test('RFC 9002 §6.2: after an outage of a second the link is full again', () => {
    const network = { delayMs: 20, rate, buffer: product, outage: [5000, 6000] as const }
    const { utilisation, bed } = simulate('cubic', network, 7500, 11_000)
    expect(bed.detection.stats.ptos).toBeGreaterThan(1)
    expect(utilisation).toBeGreaterThan(0.8)
  })
})
