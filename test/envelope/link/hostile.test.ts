/** Peers that send what is no frame, too much of it, or nothing but the beginnings, and applications that ask for too much: what they cost is bounded (spec/envelope.md §3.2, §1.9). */
import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import { frameHeader } from '../../../src/envelope/link/framing.ts'
import { closeAfterEach, eventually, frameOf, HandPeer, linkNode, onWire, reverseEnd, say } from './support.ts'

closeAfterEach()

const MIB = 1_048_576
/** How long the end may take is proved in virtual time: here others may need the machine. */
const PATIENT = { drainMs: 20_000 }

describe('frames that are none', () => {
  test('ENV-6: empty ones and those beyond 1 MiB are refused by their length alone', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const connection = await hand.dial(node)
    for (const length of [0, MIB + 1, 0xffff_ffff]) {
      const stream = await say(connection, frameHeader(length))
      expect(await reverseEnd(stream)).toBe(1)
      expect(await stream.send.stopped).toBe(1)
    }
    expect(node.log.refused.map(([, reason]) => reason)).toEqual(['empty', 'too-long', 'too-long'])
    expect(node.log.frames).toEqual([])
    expect(connection.closeReason).toBeUndefined()
    expect(await reverseEnd(await say(connection, onWire(frameOf(1))))).toBe('fin')
  })

  test('spec/envelope.md §3.2: streams that end or are reset too early are counted; an empty one is no offence', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const connection = await hand.dial(node)
    for (const bytes of [frameHeader(10), frameHeader(10).subarray(0, 3), onWire(frameOf(1)).subarray(0, 90)]) {
      const stream = await say(connection, bytes)
      await stream.send.finish()
      expect(await reverseEnd(stream)).toBe(1)
    }
    for (let count = 0; count < 50; count++) {
      const { send, recv } = await connection.openBi()
      await send.finish()
      expect(await recv.read()).toBeUndefined()
    }
    const broken = await say(connection, onWire(frameOf(1, 5_000)).subarray(0, 4_000))
    await eventually(() => node.links.stats.readingBytes > 0, 'a beginning')
    broken.send.reset(3)
    await eventually(() => node.links.stats.refused['cut-short'] === 54, 'all of them')
    expect(node.links.stats.readingBytes).toBe(0)
    expect(connection.closeReason).toBeUndefined()
    expect(node.log.frames).toEqual([])
  })

  test('spec/envelope.md §3.2: who goes on with them has the connection closed; other peers notice nothing', async () => {
    const [node, hand, good] = [await linkNode(), await HandPeer.bind(), await HandPeer.bind()]
    const [bad, fine] = [await hand.dial(node), await good.dial(node)]
    for (let count = 0; count < 20 && bad.closeReason === undefined; count++)
      await say(bad, frameHeader(0)).catch(() => {})
    expect(await bad.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
    await eventually(() => node.log.events.length === 3, 'the end of one')
    expect(node.log.events.at(-1)).toEqual(['down', hand.id])
    expect(node.links.stats.floods).toBe(1)
    expect(await reverseEnd(await say(fine, onWire(frameOf(1))))).toBe('fin')
  })

  test('spec/envelope.md §3.2: unidirectional streams and datagrams are thrown away, and offend', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const connection = await hand.dial(node)
    const uni = await connection.openUni()
    await uni.write(new Uint8Array(1_000))
    expect(await uni.stopped).toBe(1)
    for (let count = 0; count < 30; count++) connection.sendDatagram(new Uint8Array(1_000))
    expect(await connection.closed).toMatchObject({ code: 'PEER_CLOSED' })
    expect(node.links.stats.refused['not-a-frame']).toBeGreaterThan(15)
  })
})

describe('floods', () => {
  test('spec/envelope.md §3.5: thousands of streams that are begun and not finished hold a hundred places, and little memory', async () => {
    const [node, hand, good] = [await linkNode(), await HandPeer.bind(), await HandPeer.bind()]
    const [bad, fine] = [await hand.dial(node), await good.dial(node)]
    let opened = 0
    const flood = async (): Promise<void> => {
      for (; opened < 3_000; opened++) await say(bad, Uint8Array.of(...frameHeader(MIB), 0x9a))
    }
    flood().catch(() => {})
    await eventually(() => opened === 100, 'as many as are allowed')
    expect(await reverseEnd(await say(fine, onWire(frameOf(1))))).toBe('fin')
    await eventually(() => node.links.stats.readingBytes > 0, 'some are read')
    // four frames of 1 MiB may be read at once, whatever came of them; the others wait
    expect(node.links.stats.readingBytes).toBeLessThanOrEqual(4 * 16_384)
    expect(opened).toBe(100)
    bad.close(0, '')
    await eventually(() => node.links.stats.readingBytes === 0, 'all is let go')
  })

  test('spec/envelope.md §3.5: more streams than that are not even accepted, whatever the endpoint allows', async () => {
    const node = await linkNode({ maxReading: 10 }, { endpoint: { settings: { maxStreamsBidi: 1_000 } } })
    const hand = await HandPeer.bind()
    const connection = await hand.dial(node)
    const streams = []
    for (let index = 0; index < 50; index++) streams.push(await say(connection, onWire(frameOf(index)).subarray(0, 50)))
    const whole = await say(connection, onWire(frameOf(99)))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(node.log.frames).toEqual([])
    for (const [index, { send }] of streams.entries()) {
      await send.write(onWire(frameOf(index)).subarray(50))
      await send.finish()
    }
    expect(await reverseEnd(whole)).toBe('fin')
    expect(node.log.frames).toHaveLength(51)
  })

  test('spec/envelope.md §3.5: frames beyond what a connection may have read at once wait their turn, and all arrive', async () => {
    const settings = { maxReadingBytesPerConnection: 300_000, maxFrameLength: 300_000 }
    const [a, b] = [await linkNode(), await linkNode(settings)]
    let most = 0
    b.log.onEach = () => {
      most = Math.max(most, b.links.stats.readingBytes)
    }
    await Promise.all(Array.from({ length: 30 }, (_, index) => a.links.send(b.id, frameOf(index, 100_000))))
    await eventually(() => b.log.frames.length === 30, 'all of them')
    expect(new Set(b.log.numbers).size).toBe(30)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(300_000)
    expect(b.links.stats.readingBytes).toBe(0)
  })

  test('spec/envelope.md §3.5: when all peers together hold too much, the one that holds most loses a frame, and nobody else', async () => {
    const node = await linkNode({ maxReadingBytes: 500_000 })
    const hands = [await HandPeer.bind(), await HandPeer.bind()] as const
    const [greedy, modest] = [await hands[0].dial(node), await hands[1].dial(node)]
    const half = (length: number): Uint8Array => onWire(frameOf(1, length)).subarray(0, length / 2 + 2_000)
    const small = await say(modest, half(100_000))
    await eventually(() => node.links.stats.readingBytes > 0, 'the modest one')
    const streams = [await say(greedy, half(500_000)), await say(greedy, half(500_000))]
    await eventually(() => node.links.stats.refused.memory > 0, 'a refusal')
    expect(node.log.refused).toEqual([[hands[0].id, 'memory']])
    expect(node.links.stats.readingBytes).toBeLessThanOrEqual(500_000)
    // one of the two is over, the other and the modest peer's can be finished
    await small.send.write(onWire(frameOf(1, 100_000)).subarray(52_000))
    expect(await reverseEnd(small)).toBe('fin')
    const ends = await Promise.race(streams.map((stream) => reverseEnd(stream)))
    expect(ends).toBe(1)
  })
})

describe('connections', () => {
  test('spec/envelope.md §3.4: a peer has four connections to us at most; the oldest goes first, and the link stays', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const connections = []
    for (let count = 0; count < 6; count++) {
      const connection = await hand.dial(node)
      await reverseEnd(await say(connection, onWire(frameOf(count))))
      connections.push(connection)
    }
    await Promise.all([connections[0]!.closed, connections[1]!.closed])
    expect(connections.map(({ closeReason }) => closeReason === undefined)).toEqual([
      false,
      false,
      true,
      true,
      true,
      true,
    ])
    expect(node.log.events).toEqual([['up', hand.id]])
    expect(node.links.stats).toMatchObject({ accepted: 6, peers: 1 })
  })

  test('TRN-6: a peer that refuses a frame and leaves the reverse direction open costs a place for 10 s at most', async () => {
    const [node, hand] = [await linkNode({ reverseEndMs: 50 }), await HandPeer.bind()]
    await node.links.send(hand.id, frameOf(1, 100_000))
    const { recv, send } = await (await hand.next()).acceptBi()
    recv.stop(9)
    expect(await send.stopped).toBe(0)
    await eventually(() => node.links.stats.reverseTimeouts === 1, 'the wait is given up')
    await node.links.send(hand.id, frameOf(2))
  })
})

describe('asking for too much', () => {
  test('spec/envelope.md §1.9: a frame has 1 to 1,048,576 bytes', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    for (const length of [0, MIB + 1]) {
      const sending = node.links.send(hand.id, new Uint8Array(length))
      await expect(sending).rejects.toMatchObject({ name: 'LinkError', code: 'BAD_LENGTH' })
    }
    expect(node.links.stats).toMatchObject({ dials: 0, peers: 0, queued: 0 })
  })

  test('spec/envelope.md §3.4: what waits is bounded for each peer and for all, and the bound is felt at once', async () => {
    const node = await linkNode({
      maxQueuedPerPeer: 3,
      maxQueued: 5,
      maxQueuedBytes: 1_000,
      maxQueuedBytesPerPeer: 600,
    })
    const hands = await Promise.all([HandPeer.bind(), HandPeer.bind(), HandPeer.bind()])
    const outcomes: string[] = []
    const send = (index: number, length: number): Promise<void> =>
      node.links.send(hands[index]!.id, frameOf(1, length)).then(
        () => {
          outcomes.push('sent')
        },
        (error: { code: string; message: string }) => {
          outcomes.push(`${error.code} ${error.message.includes('all peers') ? 'all' : 'one'}`)
        },
      )
    const sending = [send(0, 10), send(0, 10), send(0, 10), send(0, 10)]
    // bytes of one, then bytes of all, then frames of all
    sending.push(send(1, 601), send(1, 590), send(2, 500), send(2, 10), send(2, 10))
    await new Promise((resolve) => setImmediate(resolve))
    expect(outcomes).toEqual(['QUEUE_FULL one', 'QUEUE_FULL one', 'QUEUE_FULL all', 'QUEUE_FULL all'])
    await Promise.all(sending)
    expect(outcomes.filter((outcome) => outcome === 'sent')).toHaveLength(5)
    expect(node.links.stats).toMatchObject({ queued: 0, queuedBytes: 0 })
    await node.links.send(hands[0]!.id, frameOf(1))
  })

  test('spec/envelope.md §3.4: a frame can be given up before and while it is written', async () => {
    const [node, hand] = [
      await linkNode({ sendBuffer: 100_000 }),
      await HandPeer.bind({ settings: { streamReceiveWindow: 1_000 } }),
    ]
    const reason = new Error('not wanted any more')
    const early = new AbortController()
    early.abort(reason)
    await expect(node.links.send(hand.id, frameOf(1), { signal: early.signal })).rejects.toBe(reason)
    expect(node.links.stats.dials).toBe(0)

    const waiting = new AbortController()
    const unsent = node.links.send(hand.id, frameOf(2), { signal: waiting.signal })
    const stuck = new AbortController()
    const half = node.links.send(hand.id, frameOf(3, 500_000), { signal: stuck.signal })
    waiting.abort(reason)
    await expect(unsent).rejects.toBe(reason)
    const { recv } = await (await hand.next()).acceptBi()
    await recv.read(10)
    stuck.abort(reason)
    await expect(half).rejects.toBe(reason)
    await expect(recv.readToEnd(MIB)).rejects.toMatchObject({ code: 'STREAM_RESET' })
    expect(node.links.stats).toMatchObject({ framesSent: 0, queued: 0, queuedBytes: 0 })
    const later = new AbortController()
    await node.links.send(hand.id, frameOf(4), { signal: later.signal })
    for (const { signal } of [waiting, stuck, later]) expect(getEventListeners(signal, 'abort')).toEqual([])
  })

  test('spec/envelope.md §3.4: a defect of the handler is reported, and costs nobody anything', async () => {
    const [a, b] = [await linkNode(), await linkNode()]
    b.log.onEach = ({ frame }) => {
      if (frame.length === 50) throw new Error('a defect')
    }
    await a.links.send(b.id, frameOf(1, 50))
    await a.links.send(b.id, frameOf(2, 60))
    await eventually(() => b.log.frames.length === 2, 'both')
    expect(b.log.errors).toMatchObject([{ message: 'a defect' }])
    await eventually(() => a.links.stats.reverseEnds === 2, 'both ends')
  })
})

describe('the end', () => {
  test.each([
    [100, 'small'],
    [20_000, 'larger'],
  ])('TRN-7: 200 messages of %i bytes that were handed over right before the end all arrive', async (length) => {
    const [a, b] = [await linkNode(PATIENT), await linkNode()]
    const sending = Array.from({ length: 200 }, (_, index) => a.links.send(b.id, frameOf(index, length)))
    await a.links.close()
    await Promise.all(sending)
    expect([...b.log.numbers].sort((left, right) => left - right)).toEqual(
      Array.from({ length: 200 }, (_, index) => index),
    )
    expect(b.log.refused).toEqual([])
    await eventually(() => b.log.events.length === 2, 'the end')
    expect(a.links.stats).toMatchObject({ dials: 1, retries: 0, queued: 0 })
  })

  test('TRN-7: to several peers at once, of which one is not there', async () => {
    const [a, b, c] = [await linkNode(PATIENT), await linkNode(), await linkNode()]
    const nobody = await HandPeer.bind({ alpns: ['other/1'] })
    const sending = Array.from({ length: 100 }, (_, index) => a.links.send([b, c][index % 2]!.id, frameOf(index)))
    const refused = a.links.send(nobody.id, frameOf(0))
    const outcome = expect(refused).rejects.toMatchObject({ code: 'ALPN_MISMATCH' })
    await Promise.all([a.links.close(), ...sending])
    await outcome
    expect(b.log.frames).toHaveLength(50)
    expect(c.log.frames).toHaveLength(50)
  })
})
