/** What takes its time: attempts, dials that come to nothing, connections that are dead, peers that never finish anything. In virtual time (spec/envelope.md §3, §4.5). */
import { afterEach, describe, expect, test } from 'vitest'
import { Delay } from '../../sim/support/link-parts.ts'
import { frameOf, onWire, reverseEnd, say } from './support.ts'
import { LinkWorld } from './world.ts'

let world: LinkWorld
afterEach(async () => world.close())

describe('attempts', () => {
  test('spec/envelope.md §4.5: three of them, at once, after 500 ms and after 1000 ms more; then the last error', async () => {
    world = new LinkWorld('attempts')
    const [node, other] = [await world.peer('node'), await world.peer('other', { isUnknown: true })]
    const dials: number[] = []
    node.endpoint.addAddressLookup({
      lookup: () => {
        dials.push(world.now)
        return undefined
      },
    })
    const { error, afterMs } = await world.failure(node.links.send(other.id, frameOf(1)), 10_000)
    expect(error).toMatchObject({ name: 'ConnectError', code: 'NO_ADDRESS' })
    expect(afterMs).toBe(1_500)
    expect(dials.map((at) => at - dials[0]!)).toEqual([0, 500, 1_500])
    expect(node.links.stats).toMatchObject({ dialFailures: 3, retries: 2, sendFailures: 1, queued: 0, peers: 0 })
  })

  test('spec/envelope.md §4.5: an attempt that fails costs nothing when the next one does not', async () => {
    world = new LinkWorld('second attempt')
    const [node, other] = [await world.peer('node'), await world.peer('other', { isUnknown: true })]
    world.wire('node', 'other')
    const sending = node.links.send(other.id, frameOf(1))
    await world.run(100)
    world.book.add(other.endpoint.addr())
    await world.value(sending, 1_000, 'the second attempt')
    await world.until(() => other.log.numbers.length === 1, 1_000)
    expect(node.links.stats).toMatchObject({ dials: 2, retries: 1, sendFailures: 0 })
  })

  test('spec/envelope.md §4.5: who waits for his next attempt goes along as soon as somebody else has a connection', async () => {
    world = new LinkWorld('goes along')
    const [node, other] = [await world.peer('node'), await world.peer('other', { isUnknown: true })]
    world.wire('node', 'other')
    const first = node.links.send(other.id, frameOf(1))
    await world.run(100)
    world.book.add(other.endpoint.addr())
    const second = node.links.send(other.id, frameOf(2))
    await world.value(Promise.all([first, second]), 100, 'both, long before 500 ms')
    expect(node.links.stats).toMatchObject({ dials: 2, retries: 1 })
  })

  test('spec/envelope.md §4.5: no attempt is repeated that cannot succeed', async () => {
    world = new LinkWorld('hopeless')
    const node = await world.peer('node')
    const { error, afterMs } = await world.failure(node.links.send(node.id, frameOf(1)), 10_000)
    expect(error).toMatchObject({ code: 'SELF_DIAL' })
    expect(afterMs).toBe(0)
  })
})

describe('dials', () => {
  test('TRN-9: a slow dial to one peer does not delay another, and is given up in time', async () => {
    world = new LinkWorld('slow dial')
    const settings = { sendTimeoutMs: 20_000 }
    const [node, slow, fast] = [
      await world.peer('node', { settings }),
      await world.peer('slow'),
      await world.peer('fast'),
    ]
    world.wire('node', 'fast')
    world.network.silence('slow')
    const start = world.now
    const sending = world.outcome(node.links.send(slow.id, frameOf(1)))
    await world.value(node.links.send(fast.id, frameOf(2)), 100, 'the fast one')
    await world.until(() => fast.log.numbers.length === 1, 100)
    const { error } = await world.value(sending, 60_000)
    expect(error).toMatchObject({ name: 'LinkError', code: 'SEND_TIMEOUT', cause: { code: 'CONNECT_TIMEOUT' } })
    expect(world.now - start).toBeCloseTo(20_000, 3)
    expect(node.links.stats).toMatchObject({ dials: 3, queued: 0, queuedBytes: 0 })
  })

  test.each([
    [25, 'before it has answered', 30_000],
    [75, 'when its answer is on the way', 45_000],
  ])(
    'TRN-9: a peer dies %i ms after the dial began, %s: the frame goes over a second one',
    async (afterMs, _when, withinMs) => {
      world = new LinkWorld('killed mid-dial')
      const [node, other] = [await world.peer('node'), await world.peer('other')]
      world.wire('node', 'other', [new Delay(50)])
      const sending = node.links.send(other.id, frameOf(1))
      await world.run(afterMs)
      world.network.silence('other')
      const reborn = await world.peer('reborn', { secretKey: other.secretKey })
      world.wire('node', 'reborn')
      await world.value(sending, withinMs, 'the transport')
      await world.until(() => reborn.log.numbers.length === 1, withinMs, 'the frame')
      expect(node.links.stats.dials).toBe(2)
    },
  )

  test('spec/envelope.md §3.4: of whom nothing is known is looked for at our own relay', async () => {
    world = new LinkWorld('own relay')
    const relay = world.relay('home')
    const birth = { isUnknown: true, relays: [relay.url] }
    const [node, other] = [await world.peer('node', birth), await world.peer('other', birth)]
    await world.value(Promise.all([node.endpoint.online(), other.endpoint.online()]), 10_000, 'the relay')
    await world.value(node.links.send(other.id, frameOf(1)), 1_000, 'the first attempt')
    await world.until(() => other.log.numbers.length === 1, 1_000)
    expect(node.links.stats).toMatchObject({ dials: 1, retries: 0 })
  })
})

describe('connections that are dead', () => {
  test('TRN-10: three unanswered messages to a peer that is another one now: what was sent arrives over a new connection', async () => {
    world = new LinkWorld('zombie')
    const [node, other] = [await world.peer('node'), await world.peer('other')]
    world.wire('node', 'other')
    await world.value(node.links.send(other.id, frameOf(0)), 1_000)
    await world.until(() => other.log.numbers.length === 1, 1_000)
    world.network.silence('other')
    const reborn = await world.peer('reborn', { secretKey: other.secretKey })
    world.wire('node', 'reborn')
    const start = world.now
    for (let number = 1; number <= 3; number++) {
      await world.value(node.links.send(other.id, frameOf(number)), 100, 'the zombie takes it')
      await world.run(1_000)
      node.links.unanswered(other.id)
    }
    await world.value(node.links.send(other.id, frameOf(4)), 5_000, 'a new dial')
    await world.until(() => reborn.log.numbers.length === 4, 8_000, 'all four')
    expect([...reborn.log.numbers].sort()).toEqual([1, 2, 3, 4])
    // long before the transport has noticed
    expect(world.now - start).toBeLessThan(8_000)
    expect(node.links.stats).toMatchObject({ evictions: 1, resent: 3, lost: 0 })
  })

  test('TRN-10: what waits for a stream of a dead connection goes over the next one', async () => {
    world = new LinkWorld('waits for a stream')
    const node = await world.peer('node')
    const hand = await world.hand('hand', { quic: { maxStreamsBidi: 1 } })
    await world.value(node.links.send(hand.id, frameOf(1)), 1_000)
    const second = node.links.send(hand.id, frameOf(2))
    await world.run(1_000)
    expect(node.links.stats).toMatchObject({ framesSent: 1, queued: 1 })
    for (let count = 0; count < 3; count++) node.links.unanswered(hand.id)
    await world.value(second, 500, 'the second')
    await world.until(() => hand.accepted.length === 2, 500, 'another connection')
    expect(node.links.stats).toMatchObject({ dials: 2, retries: 0 })
  })

  test('TRN-8: what a connection took and did not deliver is sent again when it ends, and counted as lost when nobody is there', async () => {
    world = new LinkWorld('lost')
    const [node, other] = [await world.peer('node'), await world.peer('other')]
    world.wire('node', 'other')
    await world.value(node.links.send(other.id, frameOf(0)), 1_000)
    await world.run(1_000)
    world.network.silence('other')
    await world.value(node.links.send(other.id, frameOf(1)), 100)
    await world.until(() => node.links.stats.lost === 1, 90_000, 'the loss')
    expect(node.links.stats).toMatchObject({ resent: 1, queued: 0, queuedBytes: 0 })
    expect(node.log.events.map(([what]) => what)).toEqual(['up', 'down'])
    await world.run(1_000)
    expect(node.links.stats.peers).toBe(0)
  })

  test('spec/envelope.md §3.4: a peer that closes each connection at once is dialled three times and no more', async () => {
    world = new LinkWorld('closes at once')
    const [node, hand] = [
      await world.peer('node'),
      await world.hand('hand', { quic: { maxStreamsBidi: 1, streamReceiveWindow: 10 } }),
    ]
    world.wire('node', 'hand')
    hand.onAccepted = (connection) => connection.close(7, 'go away')
    // the transport takes it each time, and the peer has not read it to its end when it leaves
    await world.value(node.links.send(hand.id, frameOf(1)), 1_000)
    await world.run(60_000)
    expect(node.links.stats).toMatchObject({ dials: 3, resent: 2, lost: 1, queued: 0, peers: 0 })
  })
})

describe('peers that never finish anything', () => {
  test('TRN-5: a reverse end that does not come is waited for 10 s, and holds up nobody', async () => {
    world = new LinkWorld('no reverse end')
    const settings = { maxUnderway: 4 }
    const [node, hand] = [await world.peer('node', { settings }), await world.hand('hand')]
    world.wire('node', 'hand')
    const sending = Promise.all(Array.from({ length: 8 }, (_, index) => node.links.send(hand.id, frameOf(index))))
    await world.run(9_000)
    expect(node.links.stats).toMatchObject({ framesSent: 4, reverseTimeouts: 0, queued: 4 })
    await world.value(sending, 2_000, 'room for the others')
    await world.run(11_000)
    expect(node.links.stats).toMatchObject({ framesSent: 8, reverseTimeouts: 8, reverseEnds: 0 })
  })

  test('spec/envelope.md §3.2: a length that stays incomplete is given up after 10 s, a frame 30 s later', async () => {
    world = new LinkWorld('half')
    const [node, hand] = [await world.peer('node'), await world.hand('hand')]
    world.wire('node', 'hand')
    const connection = await world.value(hand.dial(node), 1_000)
    const start = world.now
    const ended: [string, unknown, number][] = []
    const watch = async (name: string, bytes: Uint8Array): Promise<void> => {
      const how = await reverseEnd(await say(connection, bytes))
      ended.push([name, how, Math.round((world.now - start) / 1_000)])
    }
    watch('half a length', Uint8Array.of(0, 0))
    watch('half a frame', onWire(frameOf(1)).subarray(0, 50))
    watch('a length', onWire(frameOf(1)).subarray(0, 4))
    await world.until(() => ended.length === 3, 60_000, 'all are given up')
    expect(ended).toEqual([
      ['half a length', 1, 10],
      ['half a frame', 1, 30],
      ['a length', 1, 30],
    ])
    expect(node.log.refused).toEqual(Array.from({ length: 3 }, () => [hand.id, 'timeout']))
    expect(node.links.stats.readingBytes).toBe(0)
    const stream = await world.value(say(connection, onWire(frameOf(2))), 1_000)
    expect(await world.value(reverseEnd(stream), 1_000)).toBe('fin')
  })

  test('spec/envelope.md §3.2: a slow frame has its time while something comes, up to 5 minutes; one that waits for room has more', async () => {
    world = new LinkWorld('slow frames')
    const settings = { maxFrameLength: 1_000, maxReadingBytesPerConnection: 1_000 }
    const [node, hand] = [await world.peer('node', { settings }), await world.hand('hand')]
    world.wire('node', 'hand')
    const connection = await world.value(hand.dial(node), 1_000)
    const bytes = onWire(frameOf(1, 600))
    const slow = await world.value(say(connection, bytes.subarray(0, 100)), 1_000)
    await world.run(100)
    const waiting = await world.value(say(connection, onWire(frameOf(2, 600)).subarray(0, 300)), 1_000)
    for (let at = 100; at < 115; at++) {
      await world.run(19_000)
      await world.value(slow.send.write(bytes.subarray(at, at + 1)), 1_000)
    }
    expect(node.log.refused).toEqual([])
    await world.until(() => node.log.refused.length > 0, 20_000, 'the end of its time')
    expect(node.log.refused).toEqual([[hand.id, 'timeout']])
    await waiting.send.write(onWire(frameOf(2, 600)).subarray(300))
    expect(await world.value(reverseEnd(waiting), 1_000)).toBe('fin')
    expect(node.log.numbers).toEqual([2])
    expect(node.links.stats.readingBytes).toBe(0)
  })

  test('spec/envelope.md §3.2: a stream that goes on does not hide one that stands still', async () => {
    world = new LinkWorld('stands still')
    const [node, hand] = [await world.peer('node'), await world.hand('hand')]
    world.wire('node', 'hand')
    const connection = await world.value(hand.dial(node), 1_000)
    const bytes = onWire(frameOf(1))
    const lively = await world.value(say(connection, bytes.subarray(0, 10)), 1_000)
    const still = await world.value(say(connection, bytes.subarray(0, 10)), 1_000)
    const start = world.now
    let stoppedAt = 0
    still.send.stopped.then(() => {
      stoppedAt = world.now - start
    })
    for (let at = 10; stoppedAt === 0 && at < 30; at++) {
      await world.value(lively.send.write(bytes.subarray(at, at + 1)), 1_000)
      await world.run(5_000)
    }
    expect(stoppedAt / 1_000).toBeCloseTo(30, 0)
    expect(node.log.refused).toHaveLength(1)
  })

  test('spec/envelope.md §3.4: frames that are never finished keep no place among the peers', async () => {
    world = new LinkWorld('trickle')
    const settings = { maxPeers: 1, minIdleMs: 5_000 }
    const [node, good] = [await world.peer('node', { settings }), await world.peer('good')]
    const hand = await world.hand('hand')
    const connection = await world.value(hand.dial(node), 1_000)
    await world.value(say(connection, onWire(frameOf(1)).subarray(0, 50)), 1_000)
    await world.run(6_000)
    await world.value(good.links.send(node.id, frameOf(2)), 1_000)
    await world.until(() => node.log.numbers.length === 1, 1_000, 'the good one')
    expect([...node.links.peers()]).toEqual([good.id])
    await world.run(100)
    expect(node.links.stats.readingBytes).toBe(0)
  })

  test('spec/envelope.md §3.2: a stream whose FIN never comes is let go, and its frame counts', async () => {
    world = new LinkWorld('no fin')
    const [node, hand] = [await world.peer('node'), await world.hand('hand')]
    world.wire('node', 'hand')
    const connection = await world.value(hand.dial(node), 1_000)
    const { send } = await world.value(say(connection, onWire(frameOf(1))), 1_000)
    expect(await world.value(send.stopped, 15_000)).toBe(0)
    expect(node.log.numbers).toEqual([1])
    expect(node.log.refused).toEqual([])
  })

  test('spec/envelope.md §3.4: a peer that allows no streams costs a bounded wait, and nobody else anything', async () => {
    world = new LinkWorld('no streams')
    const [node, good] = [await world.peer('node'), await world.peer('good')]
    const hand = await world.hand('hand', { quic: { maxStreamsBidi: 0 } })
    const stuck = world.outcome(node.links.send(hand.id, frameOf(1)))
    await world.value(node.links.send(good.id, frameOf(2)), 100, 'the good one')
    const { error, afterMs } = await world.value(stuck, 60_000)
    expect(error).toMatchObject({ name: 'LinkError', code: 'SEND_TIMEOUT' })
    expect(afterMs).toBeCloseTo(45_000, 3)
    expect(node.links.stats).toMatchObject({ queued: 0, queuedBytes: 0 })
  })

  test('spec/envelope.md §3.4: a peer that never reads holds a send buffer of ours for 90 s, and no more than that', async () => {
    world = new LinkWorld('never reads')
    const settings = { sendBuffer: 50_000 }
    const node = await world.peer('node', { settings })
    const hand = await world.hand('hand', { quic: { streamReceiveWindow: 10_000 } })
    // the transport takes the first, as it does not know better; for the second there is no room
    await world.value(node.links.send(hand.id, frameOf(1, 40_000)), 1_000)
    const { error, afterMs } = await world.failure(node.links.send(hand.id, frameOf(2, 100_000)), 60_000)
    expect(error).toMatchObject({ name: 'LinkError', code: 'SEND_TIMEOUT' })
    expect(afterMs).toBeCloseTo(45_000, 3)
    // half a frame is none: the stream was reset
    const [first, second] = [await hand.accepted[0]!.acceptBi(), await hand.accepted[0]!.acceptBi()]
    await expect(world.value(second.recv.readToEnd(1_000_000), 1_000)).rejects.toMatchObject({ code: 'STREAM_RESET' })
    expect(node.links.stats.lost).toBe(0)
    await world.until(() => node.links.stats.lost === 1, 60_000, 'the end of the first')
    await world.run(100)
    await expect(world.value(first.recv.readToEnd(1_000_000), 1_000)).rejects.toMatchObject({ code: 'STREAM_RESET' })
    const draining = node.links.close()
    await world.value(draining, 100, 'nothing to wait for')
  })
})

describe('the end', () => {
  test('TRN-7: closing waits for what is under way, however slow, and at most 3 s', async () => {
    world = new LinkWorld('drain')
    const [node, far, gone] = [await world.peer('node'), await world.peer('far'), await world.peer('gone')]
    world.wire('node', 'far', [new Delay(200)])
    world.wire('node', 'gone')
    const count = 200
    for (let number = 0; number < count; number++) node.links.send(far.id, frameOf(number, 1_000)).catch(() => {})
    const start = world.now
    await world.value(node.links.close(), 5_000, 'the drain')
    expect(world.now - start).toBeLessThan(3_000)
    expect(new Set(far.log.numbers).size).toBe(count)
    expect(far.log.refused).toEqual([])

    const other = await world.peer('other')
    world.wire('other', 'gone')
    await world.value(other.links.send(gone.id, frameOf(0)), 1_000)
    world.network.silence('gone')
    await world.value(other.links.send(gone.id, frameOf(1)), 1_000)
    const late = world.outcome(other.links.send(world.keyOf('nobody').id.toString(), frameOf(2)))
    const closedAt = world.now
    await world.value(Promise.all([other.links.close(), other.links.close()]), 5_000, 'the end')
    expect(world.now - closedAt).toBeCloseTo(3_000, 3)
    expect((await late).error).toMatchObject({ code: 'NO_ADDRESS' })
    expect(other.links.connectionTo(gone.id)?.closeReason?.code ?? 'LOCALLY_CLOSED').toBe('LOCALLY_CLOSED')
  })

  test.each([
    [0, 1_000],
    [400, 600],
    [5_000, 0],
  ])(
    'TRN-7: a dial %i ms old is waited for %i ms; what it was for is told so, and nothing is sent afterwards',
    async (ageMs, waitedMs) => {
      world = new LinkWorld('too late')
      const [node, slow] = [await world.peer('node'), await world.peer('slow')]
      world.network.silence('slow')
      const waiting = world.outcome(node.links.send(slow.id, frameOf(1)))
      await world.run(ageMs)
      const start = world.now
      await world.value(node.links.close(), 5_000)
      expect(world.now - start).toBeCloseTo(waitedMs, 3)
      expect((await waiting).error).toMatchObject({ name: 'LinkError', code: 'LINKS_CLOSED' })
      await expect(node.links.send(slow.id, frameOf(2))).rejects.toMatchObject({ code: 'LINKS_CLOSED' })
      world.network.restore('slow')
      await world.run(60_000)
      expect(slow.log.events).toEqual([])
      expect(slow.log.frames).toEqual([])
    },
  )

  test('TRN-7: what a connection that was given up still has to deliver is waited for, too', async () => {
    world = new LinkWorld('given up')
    const [node, far] = [await world.peer('node'), await world.peer('far')]
    world.wire('node', 'far', [new Delay(200)])
    await world.value(node.links.send(far.id, frameOf(0)), 1_000)
    await world.run(2_000)
    await world.value(node.links.send(far.id, frameOf(1, 300_000)), 100)
    node.links.networkChanged()
    await world.value(node.links.close(), 3_000)
    expect(far.log.numbers).toEqual([0, 1])
  })

  test('TRN-7: the bound can be another one', async () => {
    world = new LinkWorld('another bound')
    const [node, gone] = [await world.peer('node'), await world.peer('gone')]
    await world.value(node.links.send(gone.id, frameOf(0)), 1_000)
    world.network.silence('gone')
    await world.value(node.links.send(gone.id, frameOf(1)), 1_000)
    const start = world.now
    await world.value(node.links.close({ drainMs: 500 }), 1_000)
    expect(world.now - start).toBeCloseTo(500, 3)
  })

  test('TRN-7: links without anything to say end at once, and give the ALPN back', async () => {
    world = new LinkWorld('at once')
    const node = await world.peer('node')
    const start = world.now
    await world.value(node.links.close(), 100)
    expect(world.now).toBe(start)
    expect(() => node.endpoint.router().accept('tom-protocol/transport/0', () => {})).not.toThrow()
  })

  test('spec/envelope.md §3.4: the endpoint that closes takes the links along', async () => {
    world = new LinkWorld('endpoint closes')
    const [node, slow] = [await world.peer('node'), await world.peer('slow')]
    world.network.silence('slow')
    const waiting = world.outcome(node.links.send(slow.id, frameOf(1)))
    await world.value(node.endpoint.close(), 5_000)
    expect((await waiting).error).toMatchObject({ code: expect.stringMatching(/LINKS_CLOSED|ENDPOINT_CLOSED/) })
    await world.value(node.links.close(), 100)
  })
})

describe('many peers', () => {
  test('spec/envelope.md §3.5: links that nobody uses are closed in order when there are many; those in use stay', async () => {
    world = new LinkWorld('idle')
    const node = await world.peer('node', { settings: { manyPeers: 2 } })
    const names = ['a', 'b', 'c', 'd']
    const others = []
    for (const name of names) {
      others.push(await world.peer(name))
      world.wire('node', name)
      await world.value(node.links.send(others.at(-1)!.id, frameOf(1)), 1_000)
      await world.run(10_000)
    }
    // `a` came first, but is in use
    await world.value(node.links.send(others[0]!.id, frameOf(2)), 1_000)
    await world.run(260_000)
    expect([...node.links.peers()]).toHaveLength(4)
    await world.run(80_000)
    const left = [...node.links.peers()]
    expect(left).toEqual([others[0]!.id, others[3]!.id])
    expect(node.links.stats.idleClosed).toBe(2)
    expect(node.log.events.filter(([what]) => what === 'down')).toEqual([
      ['down', others[1]!.id],
      ['down', others[2]!.id],
    ])
    // and come back when they are needed
    await world.value(node.links.send(others[1]!.id, frameOf(3)), 1_000)
  })

  test('spec/envelope.md §3.4: when there are too many, the one unused for longest makes room; nobody in use does', async () => {
    world = new LinkWorld('too many')
    const settings = { maxPeers: 2, minIdleMs: 5_000 }
    const node = await world.peer('node', { settings })
    const others = []
    for (const name of ['a', 'b', 'c', 'd']) {
      others.push(await world.peer(name))
      world.wire('node', name)
    }
    const [a, b, c, d] = others as [(typeof others)[0], (typeof others)[0], (typeof others)[0], (typeof others)[0]]
    await world.value(node.links.send(a.id, frameOf(1)), 1_000)
    await world.run(100)
    await world.value(node.links.send(b.id, frameOf(1)), 1_000)
    await world.run(100)
    // a stranger does not push out who was used a moment ago
    await world.value(c.links.send(node.id, frameOf(1)), 1_000)
    await world.run(200)
    expect([...node.links.peers()]).toEqual([a.id, b.id])
    // we ourselves do
    await world.value(node.links.send(d.id, frameOf(1)), 1_000)
    expect([...node.links.peers()]).toEqual([b.id, d.id])
    await world.run(6_000)
    await world.value(c.links.send(node.id, frameOf(2)), 1_000)
    await world.until(() => node.log.numbers.length === 1, 10_000, 'the stranger, later')
    expect([...node.links.peers()]).toEqual([d.id, c.id])
    expect(node.links.stats.peers).toBe(2)
  })
})
