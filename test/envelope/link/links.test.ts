/** The rules of the transport binding, on loopback (spec/envelope.md §3). */
import { describe, expect, test } from 'vitest'
import { frameLength } from '../../../src/envelope/link/framing.ts'
import {
  closeAfterEach,
  eventually,
  frameOf,
  HandPeer,
  linkNode,
  numberOf,
  onWire,
  reverseEnd,
  say,
} from './support.ts'

closeAfterEach()

describe('frames', () => {
  test('spec/envelope.md §3.2: a frame is its length, its bytes and FIN, on a bidirectional stream of its own', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    for (const length of [5, 2_044, 2_045, 300_000, 1_048_576]) {
      const frame = frameOf(7, length)
      const sending = node.links.send(hand.id, frame)
      const connection = hand.accepted[0] ?? (await hand.next())
      const { recv, send } = await connection.acceptBi()
      const bytes = await recv.readToEnd(2_000_000)
      expect(frameLength(bytes)).toBe(length)
      expect(Buffer.compare(bytes.subarray(4), frame)).toBe(0)
      await send.finish()
      await sending
    }
    expect(hand.accepted).toHaveLength(1)
    expect(node.links.stats).toMatchObject({ framesSent: 5, dials: 1, queued: 0, queuedBytes: 0 })
    await eventually(() => node.links.stats.reverseEnds === 5, 'all reverse ends')
  })

  test('spec/envelope.md §3.2: frames of all sizes come as they were sent, each in memory of its own', async () => {
    const [a, b] = [await linkNode(), await linkNode()]
    const sizes = [5, 6, 100, 2_044, 2_045, 2_048, 16_384, 65_536, 262_144, 1_048_576]
    await Promise.all(sizes.map((size, index) => a.links.send(b.id, frameOf(index, size))))
    await eventually(() => b.log.frames.length === sizes.length, 'all frames')
    const frames = b.log.frames.map(({ frame }) => frame).sort((left, right) => left.length - right.length)
    frames.forEach((frame, index) => {
      expect(Buffer.compare(frame, frameOf(index, sizes[index]!))).toBe(0)
    })
    expect(new Set(frames.map(({ buffer }) => buffer)).size).toBe(sizes.length)
    expect(b.log.frames.every(({ peer, kind }) => peer === a.id && kind === 'v2')).toBe(true)
    expect(b.links.stats).toMatchObject({ framesReceived: sizes.length, readingBytes: 0 })
  })

  test('spec/envelope.md §3.2: the reader does not wait for FIN, and ignores what follows', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const connection = await hand.dial(node)
    const stream = await say(connection, onWire(frameOf(1)))
    expect(await reverseEnd(stream)).toBe('fin')
    expect(node.log.numbers).toEqual([1])
    await stream.send.write(frameOf(2))
    await stream.send.closed
    const whole = await say(connection, Uint8Array.of(...onWire(frameOf(3)), ...onWire(frameOf(4))))
    expect(await reverseEnd(whole)).toBe('fin')
    expect(node.log.numbers).toEqual([1, 3])
    expect(node.log.refused).toEqual([])
  })

  test('spec/envelope.md §3.2: a frame may come in pieces, whatever they are', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const connection = await hand.dial(node)
    const bytes = onWire(frameOf(5, 40))
    const stream = await connection.openBi()
    for (const byte of bytes) {
      await stream.send.write(Uint8Array.of(byte))
      // its own packet
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(await reverseEnd(stream)).toBe('fin')
    expect(node.log.frames[0]?.frame).toEqual(frameOf(5, 40))
    expect(node.links.stats.readingBytes).toBe(0)
  })

  test('TRN-1: JSON is version 1, MessagePack version 2, anything else is refused', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const connection = await hand.dial(node)
    const json = new TextEncoder().encode('{"id":"x"}')
    for (const bytes of [json, Uint8Array.of(0x0a, ...json), Uint8Array.of(0x9a, 1), Uint8Array.of(0x8a, 1)])
      expect(await reverseEnd(await say(connection, onWire(bytes)))).toBe('fin')
    expect(await reverseEnd(await say(connection, onWire(Uint8Array.of(0x00, 1))))).toBe(1)
    expect(node.log.frames.map(({ kind }) => kind)).toEqual(['v1', 'v1', 'v2', 'v2'])
    expect(node.log.refused).toEqual([[hand.id, 'first-byte']])
    expect(node.links.stats).toMatchObject({ framesReceived: 4, framesV1: 2, refused: { 'first-byte': 1 } })
  })
})

describe('connections', () => {
  test('TRN-2: the connection outlives the message, and the next one uses it', async () => {
    const [a, b] = [await linkNode(), await linkNode()]
    await a.links.send(b.id, frameOf(1))
    await eventually(() => b.log.frames.length === 1, 'the first')
    const connection = a.links.connectionTo(b.id)
    await a.links.send(b.id, frameOf(2))
    await eventually(() => b.log.frames.length === 2, 'the second')
    expect(a.links.connectionTo(b.id)).toBe(connection)
    expect(connection?.closeReason).toBeUndefined()
    expect(a.links.stats.dials).toBe(1)
  })

  test('TRN-3, TRN-11: an answer goes over a connection of our own, never over the one the peer dialled', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const dialled = await hand.dial(node)
    await reverseEnd(await say(dialled, onWire(frameOf(1))))
    expect(node.log.events).toEqual([['up', hand.id]])
    expect([...node.links.peers()]).toEqual([hand.id])
    expect(node.links.connectionTo(hand.id)?.side).toBe('server')
    const given = new AbortController()
    const onTheirs = dialled.acceptBi({ signal: given.signal })
    await node.links.send(hand.id, frameOf(2))
    const back = await hand.next()
    const { recv } = await back.acceptBi()
    expect(await recv.readToEnd(1_000)).toEqual(onWire(frameOf(2)))
    expect(node.links.connectionTo(hand.id)?.side).toBe('client')
    given.abort(new Error('no stream came'))
    await expect(onTheirs).rejects.toThrow('no stream came')
    expect(node.log.events).toEqual([['up', hand.id]])
  })

  test('TRN-4: streams are read on connections that we dialled, too, and their reverse direction is ended', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    await node.links.send(hand.id, frameOf(1))
    const connection = await hand.next()
    const stream = await say(connection, onWire(frameOf(2)))
    expect(await reverseEnd(stream)).toBe('fin')
    expect(node.log.numbers).toEqual([2])
  })

  test('TRN-4: the reverse direction ends when the frame was handed over, not before', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const seen: boolean[] = []
    const stream = await (await hand.dial(node)).openBi()
    let isEnded = false
    const end = reverseEnd(stream).then((how) => {
      isEnded = true
      return how
    })
    node.log.onEach = () => seen.push(isEnded)
    await stream.send.write(onWire(frameOf(1)))
    expect(await end).toBe('fin')
    expect(seen).toEqual([false])
  })

  test('TRN-6: a peer that stops or resets the reverse direction at once is served like any other', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const connection = await hand.dial(node)
    const stream = await connection.openBi()
    stream.recv.stop(0)
    await stream.send.write(onWire(frameOf(1)))
    await stream.send.finish()
    expect(await stream.send.closed).toEqual({ kind: 'finished' })
    expect(node.log.numbers).toEqual([1])
    // and as a sender: whatever the other side does with its direction
    for (const end of ['reset', 'finish'] as const) {
      const sending = node.links.send(hand.id, frameOf(2))
      const back = hand.accepted[0] ?? (await hand.next())
      const { send, recv } = await back.acceptBi()
      send[end]()
      expect(await recv.readToEnd(1_000)).toEqual(onWire(frameOf(2)))
      await sending
    }
    await eventually(() => node.links.stats.reverseEnds === 2, 'both ends')
    expect(node.log.errors).toEqual([])
    expect(node.log.refused).toEqual([])
  })

  test('TRN-5: data on the reverse direction are not listened to', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    await node.links.send(hand.id, frameOf(1))
    const { send } = await (await hand.next()).acceptBi()
    await send.write(new Uint8Array(1_000))
    expect(await send.stopped).toBe(0)
    await eventually(() => node.links.stats.reverseEnds === 1, 'the end of it')
  })

  test('spec/envelope.md §3.4: two that dial each other at once end with a connection each way, and all messages', async () => {
    const [a, b] = [await linkNode(), await linkNode()]
    await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        Promise.all([a.links.send(b.id, frameOf(index)), b.links.send(a.id, frameOf(index))]),
      ),
    )
    await eventually(() => a.log.frames.length === 20 && b.log.frames.length === 20, 'all of them')
    expect([a.links.stats.dials, b.links.stats.dials]).toEqual([1, 1])
    expect([a.links.stats.accepted, b.links.stats.accepted]).toEqual([1, 1])
    expect(a.log.events).toEqual([['up', b.id]])
    expect(b.log.events).toEqual([['up', a.id]])
  })

  test('TRN-9: all sends to a peer share a dial, and get their streams in the order of the calls', async () => {
    const [node, hand] = [await linkNode(), await HandPeer.bind()]
    const count = 300
    const sending = Promise.all(Array.from({ length: count }, (_, index) => node.links.send(hand.id, frameOf(index))))
    const connection = await hand.next()
    const numbers: number[] = []
    for (let index = 0; index < count; index++) {
      const { send, recv } = await connection.acceptBi()
      numbers.push(numberOf((await recv.readToEnd(1_000)).subarray(4)))
      await send.finish()
    }
    await sending
    expect(numbers).toEqual(Array.from({ length: count }, (_, index) => index))
    expect(node.links.stats.dials).toBe(1)
  })

  test('TRN-10: after three unanswered sends in a row the connection is given up, and the next send dials anew', async () => {
    const [a, b] = [await linkNode(), await linkNode()]
    await a.links.send(b.id, frameOf(1))
    const first = a.links.connectionTo(b.id)!
    for (const isAnswered of [false, false, true, false, false])
      if (isAnswered) a.links.answered(b.id)
      else a.links.unanswered(b.id)
    expect(a.links.connectionTo(b.id)).toBe(first)
    expect(a.links.stats.evictions).toBe(0)
    a.links.unanswered(b.id)
    await first.closed
    await a.links.send(b.id, frameOf(2))
    await eventually(() => b.log.frames.length === 2, 'both')
    expect(a.links.connectionTo(b.id)).not.toBe(first)
    expect(a.links.stats).toMatchObject({ dials: 2, evictions: 1 })
  })

  test('TRN-10: a change of the network gives up all connections; what is under way still arrives', async () => {
    const [a, b, c] = [await linkNode(), await linkNode(), await linkNode()]
    await Promise.all([a.links.send(b.id, frameOf(1)), a.links.send(c.id, frameOf(1))])
    const before = [b, c].map(({ id }) => a.links.connectionTo(id))
    const sending = [b, c].map(({ id }) => a.links.send(id, frameOf(2, 500_000)))
    a.links.networkChanged()
    await Promise.all(sending)
    await eventually(() => b.log.frames.length === 2 && c.log.frames.length === 2, 'all')
    expect(a.links.stats).toMatchObject({ evictions: 2, retries: 0 })
    await eventually(() => before.every((connection) => connection?.closeReason !== undefined), 'the old ones end')
    await a.links.send(b.id, frameOf(3))
    await eventually(() => b.log.frames.length === 3, 'the next')
    expect(a.links.stats.dials).toBe(3)
    expect(b.log.refused).toEqual([])
  })

  test('spec/envelope.md §3.4: a connection that ended is dialled anew, and the links say who is there', async () => {
    const [a, b] = [await linkNode(), await linkNode()]
    await a.links.send(b.id, frameOf(1))
    await eventually(() => a.links.stats.reverseEnds === 1, 'the first')
    a.links.connectionTo(b.id)!.close(0, 'by hand')
    await eventually(() => a.log.events.length === 2 && b.log.events.length === 2, 'both know')
    expect(a.log.events).toEqual([
      ['up', b.id],
      ['down', b.id],
    ])
    expect(a.links.connectionTo(b.id)).toBeUndefined()
    expect([...a.links.peers()]).toEqual([])
    expect(a.links.stats.peers).toBe(0)
    await a.links.send(b.id, frameOf(2))
    await eventually(() => b.log.frames.length === 2, 'the second')
    expect(b.log.events.map(([what]) => what)).toEqual(['up', 'down', 'up'])
  })
})
