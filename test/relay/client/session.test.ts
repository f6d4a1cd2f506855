import { describe, expect, test } from 'vitest'
import { AWAY, bytes, CLIENT, HOME, keyOf, OTHER, PEER, Scene, u32 } from './support.ts'

const MIB = 1_048_576

/** Whether the connection survives `message`. */
async function isKept(message: Uint8Array, protocol = 'iroh-relay-v2'): Promise<boolean> {
  const scene = new Scene()
  scene.transport.setHome(HOME)
  const link = await scene.letIn(scene.lastDial, protocol)
  link.receive(message)
  const isKept = scene.state() === 'connected'
  if (!isKept) {
    expect(scene.transport.status(HOME)).toMatchObject({ error: { code: 'RELAY_PROTOCOL' } })
    expect(scene.state()).toMatch(/^relay https:\/\/home\.example\/: the relay broke the protocol: ./)
    expect(scene.transport.isBlocked(HOME)).toBe(true)
    expect([link.isTerminated, link.closedWith]).toEqual([true, undefined])
  }
  expect(await scene.close()).toEqual([])
  return isKept
}

describe('spec/relay.md §8.4: what a relay may send', () => {
  test.each([
    ['an empty single', bytes(6, PEER, 0)],
    ['an empty batch', bytes(7, PEER, 0, 0, 5)],
    ['a batch of segment size 0', bytes(7, PEER, 0, 0, 0, 'hello')],
    ['a batch that is one datagram, ECN 255', bytes(7, PEER, 0xff, 0, 9, 'hello')],
    ['a batch of 3,000 datagrams', bytes(7, PEER, 0, 0, 1, new Uint8Array(3000))],
    ['a body of 65,536 bytes', bytes(6, PEER, new Uint8Array(65_504))],
    ['EndpointGone', bytes(8, PEER)],
    ['EndpointGone with a type of two bytes', bytes(0x40, 8, PEER)],
    ['a Status of tomorrow', bytes(13, 0x63, 1, 2, 3)],
    ['Restarting', bytes(12, u32(10), u32(20))],
    ['a ping', bytes(9, '01234567')],
    ['a pong that answers nothing', bytes(10, '01234567')],
  ])('%s: kept', async (_, message) => {
    expect(await isKept(message)).toBe(true)
  })

  test.each([
    ['a single without its ECN byte', bytes(6, PEER)],
    ['a body of 65,537 bytes', bytes(6, PEER, new Uint8Array(65_505))],
    ['an id that is no point of the curve', bytes(6, new Uint8Array(32).fill(2), 0, 'hi')],
    ['a batch from such an id', bytes(7, new Uint8Array(32).fill(2), 0, 0, 1, 'hi')],
    ['the leaving of such an id', bytes(8, new Uint8Array(32).fill(2))],
    ['EndpointGone and a byte', bytes(8, PEER, 0)],
    ['an empty message', bytes()],
    ['a confirmation', bytes(2)],
    ['a Status without its code', bytes(13)],
    ['an unknown type', bytes(14, 1)],
    ['Health under v2', bytes(11, 'a')],
    ['a datagram of the other direction', bytes(4, PEER, 0, 'hi')],
    ['a ping of 7 bytes', bytes(9, '0123456')],
    ['Restarting of 7 bytes', bytes(12, u32(10), 1, 2, 3)],
  ])('%s: dropped', async (_, message) => {
    expect(await isKept(message)).toBe(false)
  })

  test('Health under v1: kept; Status under v1: dropped', async () => {
    expect(await isKept(bytes(11, 'a'), 'iroh-relay-v1')).toBe(true)
    expect(await isKept(bytes(13, 1), 'iroh-relay-v1')).toBe(false)
  })

  test('garbage never throws into the WebSocket, whatever it is', async () => {
    let seed = 7
    const next = () => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      return seed >>> 16
    }
    const scene = new Scene()
    scene.transport.setHome(HOME)
    for (let round = 0; round < 300; round++) {
      scene.lastDial.accept()
      await scene.platform.rest()
      const { link } = scene.lastDial
      if (round % 3 > 0) link.receive(2)
      for (let count = 0; count < 5; count++) {
        const message = Uint8Array.from({ length: next() % 80 }, next)
        if (message.length > 0) message[0] = next() % 16
        if (message.length > 33 && next() % 2 === 0) message.set(PEER, 1)
        link.receive(message)
      }
      link.end()
      await scene.platform.run(40_000)
    }
    expect(scene.dials.length).toBeGreaterThan(300)
    expect(await scene.close()).toEqual([])
  })
})

describe('what comes in', () => {
  test('spec/relay.md §3.1: datagrams and batches, split, in order, with their sender', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.receive(6, PEER, 2, 'hi')
    link.receive(7, OTHER, 0, 0, 2, 'aabbc')
    link.receive(6, PEER, 0, 'again')
    expect(scene.datagrams).toEqual([
      { url: HOME, peer: PEER, data: bytes('hi') },
      { url: HOME, peer: OTHER, data: bytes('aa') },
      { url: HOME, peer: OTHER, data: bytes('bb') },
      { url: HOME, peer: OTHER, data: bytes('c') },
      { url: HOME, peer: PEER, data: bytes('again') },
    ])
    expect(scene.transport.stats).toMatchObject({ datagramsReceived: 5, bytesReceived: 12 })
    expect(scene.reads).toBeGreaterThan(0)
  })

  test('spec/relay.md §3.1: empty contents are nothing; a segment size of 0, or beyond the end, is one datagram', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.receive(6, PEER, 0)
    link.receive(7, PEER, 0, 0, 5)
    link.receive(7, PEER, 0, 0, 0, 'hello')
    link.receive(7, PEER, 0xff, 0, 9, 'world')
    expect(scene.datagrams.map(({ data }) => data)).toEqual([bytes('hello'), bytes('world')])
  })

  test('a frame of thousands of tiny datagrams is cut: 512 are taken', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.receive(7, PEER, 0, 0, 1, new Uint8Array(3000))
    expect(scene.datagrams).toHaveLength(512)
    link.receive(7, PEER, 0, 0, 100, new Uint8Array(51_200))
    expect(scene.datagrams).toHaveLength(1024)
  })

  test('datagrams are views into the message, not copies', async () => {
    const scene = new Scene()
    const link = await scene.home()
    const message = bytes(6, PEER, 0, 'hi')
    let buffer: unknown
    scene.transport.close()
    const other = new Scene()
    const otherLink = await other.home()
    Object.assign(other, { datagrams: { push: (entry: { data: Uint8Array }) => (buffer = entry.data) } })
    otherLink.onMessage(message)
    expect(buffer).toEqual(bytes('hi'))
    link.onMessage(message)
    expect(scene.datagrams).toEqual([])
  })

  test('a transport that is closed in the middle of a batch hands out no more of it', async () => {
    const scene = new Scene()
    const link = await scene.home()
    scene.onDatagram = () => void scene.transport.close()
    link.receive(7, PEER, 0, 0, 1, 'abc')
    expect(scene.datagrams).toHaveLength(1)
    expect(await scene.close()).toEqual([])
  })

  test('spec/relay.md §3.3: a peer that left is reported', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.receive(8, PEER)
    expect(scene.gone).toEqual([{ url: HOME, peer: PEER }])
  })

  test('spec/relay.md §3.4: what the relay says about the connection is for people, once, on one line', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.receive(13, 1)
    link.receive(13, 1)
    link.receive(13, 0)
    link.receive(13, 2)
    link.receive(13, 200)
    expect(scene.notices).toEqual([
      'another endpoint connected with the same id: this one receives nothing any more',
      'this connection is healthy again',
      'the relay limits how fast this endpoint may send',
      'unknown status 200',
    ])
    const old = new Scene()
    old.transport.setHome(HOME)
    const oldLink = await old.letIn(old.lastDial, 'iroh-relay-v1')
    oldLink.receive(11, `Hello?\nYes ${'x'.repeat(1000)}`)
    expect(old.notices[0]).toMatch(/^Hello\? Yes x+…$/)
    expect(old.notices[0]!.length).toBe(300)
    expect(old.state()).toBe('connected')
  })
})

describe('spec/relay.md §3.5: pings', () => {
  test('at once when connected, before what waited, and 15 s after the last received frame', async () => {
    const scene = new Scene()
    scene.sendNow(HOME, 'early')
    scene.transport.setHome(HOME)
    const link = await scene.letIn()
    expect(link.sent.map((message) => message[0])).toEqual([9, 4])
    expect(link.sent[0]).toHaveLength(9)
    link.pong()
    await scene.platform.run(14_999)
    expect(link.ofType(9)).toHaveLength(1)
    await scene.platform.run(1)
    expect(link.ofType(9)).toHaveLength(2)
    link.pong()
    await scene.platform.run(10_000)
    link.receive(6, PEER, 0, 'hi')
    await scene.platform.run(14_999)
    expect(link.ofType(9)).toHaveLength(2)
    await scene.platform.run(1)
    expect(link.ofType(9)).toHaveLength(3)
    expect(link.ofType(9)[0]).not.toEqual(link.ofType(9)[1])
  })

  test('the same where the link does not tell what it read, as in browsers', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    const { link } = scene.lastDial
    scene.lastDial.accept()
    await scene.platform.rest()
    link.onMessage(bytes(2))
    link.onMessage(bytes(10, link.ofType(9)[0]!.subarray(1)))
    await scene.platform.run(10_000)
    link.onMessage(bytes(6, PEER, 0, 'hi'))
    await scene.platform.run(14_999)
    expect(link.ofType(9)).toHaveLength(1)
    await scene.platform.run(1)
    expect(link.ofType(9)).toHaveLength(2)
  })

  test('bytes without a frame are no sign of life', async () => {
    const scene = new Scene()
    const link = await scene.home()
    await scene.platform.run(10_000)
    link.onRead(100)
    await scene.platform.run(5_000)
    expect(link.ofType(9)).toHaveLength(2)
  })

  test('a relay that never answers is dropped after 5 s without a Close, again and again', async () => {
    const scene = new Scene()
    const start = scene.platform.time
    scene.platform.web!.onDial = () => void scene.letIn()
    scene.transport.setHome(HOME)
    await scene.platform.run(15_500)
    const times = scene.dials.map((dial) => dial.at - start)
    expect(times).toHaveLength(4)
    expect(times[1]).toBeGreaterThanOrEqual(5_010)
    expect(times[1]).toBeLessThan(5_021)
    expect(times[3]).toBeLessThan(15_200)
    expect(scene.dials[0]!.link).toMatchObject({ isTerminated: true, closedWith: undefined })
    const ended = scene.statuses.find(({ status }) => status.state === 'disconnected')
    expect(ended).toMatchObject({
      status: {
        error: {
          code: 'RELAY_UNRESPONSIVE',
          message: 'relay https://home.example/: no answer to a ping within 5000 ms',
        },
      },
    })
  })

  test.each([
    [10, 500],
    [400, 1_200],
    [3_000, 5_000],
  ])('after a round trip of %d ms the next answer may take %d ms', async (rtt, limit) => {
    const scene = new Scene()
    const link = await scene.home(false)
    await scene.platform.run(rtt)
    link.pong()
    await scene.platform.run(15_000)
    expect(link.ofType(9)).toHaveLength(2)
    await scene.platform.run(limit - 1)
    expect(scene.state()).toBe('connected')
    await scene.platform.run(1)
    expect(link.isTerminated).toBe(true)
  })

  test('other frames are no answer: the ping must be answered itself', async () => {
    const scene = new Scene()
    const link = await scene.home(false)
    for (let count = 0; count < 4; count++) {
      await scene.platform.run(1_000)
      link.receive(10, '01234567')
      link.receive(6, PEER, 0, 'hi')
    }
    expect(scene.state()).toBe('connected')
    await scene.platform.run(1_000)
    expect(link.isTerminated).toBe(true)
  })

  test('a relay that sends other frames meanwhile gets 5 s for its answer, not three round trips', async () => {
    const scene = new Scene()
    const link = await scene.home()
    await scene.platform.run(15_000)
    expect(link.ofType(9)).toHaveLength(2)
    await scene.platform.run(400)
    link.receive(6, PEER, 0, 'hi')
    await scene.platform.run(4_599)
    expect(scene.state()).toBe('connected')
    await scene.platform.run(1)
    expect(link.isTerminated).toBe(true)
    expect(scene.statuses.find(({ status }) => status.state === 'disconnected')).toMatchObject({
      status: { error: { message: 'relay https://home.example/: no answer to a ping within 5000 ms' } },
    })
  })

  test('an answer that was there but not read, because the event loop stood still, counts', async () => {
    const scene = new Scene()
    const link = await scene.home(false)
    // The timer is late, and fires before the socket is read.
    const { platform } = scene
    platform.time += 20_000
    const now = platform.now.bind(platform)
    platform.now = () => {
      platform.now = now
      platform.defer(() => link.pong())
      return now()
    }
    platform.advance(0)
    expect(scene.state()).toBe('connected')
    await platform.run(14_000)
    expect(scene.state()).toBe('connected')
  })

  test('an outstanding ping is not replaced by the next one: its time limit holds', async () => {
    const scene = new Scene({ limits: { pingIntervalMs: 1_000 } })
    const link = await scene.home(false)
    await scene.platform.run(4_999)
    expect(link.ofType(9)).toHaveLength(1)
    await scene.platform.run(1)
    expect(link.isTerminated).toBe(true)
  })

  test('pings of the relay are answered at once, before datagrams that are gathered', async () => {
    const scene = new Scene()
    const link = await scene.home()
    scene.send(HOME, 'a')
    link.receive(9, '01234567')
    scene.transport.flush()
    expect(link.sent.slice(1)).toEqual([bytes(10, '01234567'), bytes(4, PEER, 0, 'a')])
  })

  test('a relay that does not read gets no pile of pongs: the newest one, when the link has drained', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.queuedBytes = MIB
    for (const text of ['01234567', 'abcdefgh', 'ABCDEFGH']) link.receive(9, text)
    expect(link.ofType(10)).toEqual([])
    link.queuedBytes = 0
    link.onDrain()
    link.onDrain()
    expect(link.ofType(10)).toEqual([bytes(10, 'ABCDEFGH')])
  })
})

describe('a connection that is lost', () => {
  test('blocks at once, and no more when it is back', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.end(1006)
    expect(scene.transport.isBlocked(HOME)).toBe(true)
    expect(scene.state()).toBe('relay https://home.example/: the connection ended (1006)')
    await scene.platform.run(0)
    expect(scene.state()).toBe('connecting')
    expect(scene.transport.isBlocked(HOME)).toBe(true)
    await scene.letIn()
    expect(scene.transport.isBlocked(HOME)).toBe(false)
    expect(scene.blocks.map(({ isBlocked }) => isBlocked)).toEqual([true, false])
    expect(scene.statuses.map(({ status }) => status.state)).toEqual([
      'connecting',
      'connected',
      'disconnected',
      'connecting',
      'connected',
    ])
  })

  test('one that was never connected does not block: datagrams wait', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    scene.lastDial.reject(new Error('refused'))
    await scene.platform.rest()
    expect(scene.transport.isBlocked(HOME)).toBe(false)
    expect(scene.blocks).toEqual([])
  })

  test('a full link that is lost blocks on, and says so once', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.queuedBytes = MIB
    scene.sendNow(HOME, 'a')
    link.end()
    expect(scene.blocks).toHaveLength(1)
    await scene.platform.run(0)
    await scene.letIn()
    expect(scene.blocks.map(({ isBlocked }) => isBlocked)).toEqual([true, false])
  })

  test('what was gathered for it is dropped; what comes later waits for the next connection', async () => {
    const scene = new Scene()
    const link = await scene.home()
    scene.send(HOME, 'a')
    scene.send(HOME, 'b')
    link.end()
    scene.sendNow(HOME, 'c')
    await scene.platform.run(0)
    const next = await scene.letIn()
    expect(next.sent.slice(1)).toEqual([bytes(4, PEER, 0, 'c')])
    expect(scene.transport.stats).toMatchObject({ datagramsDropped: 2, datagramsSent: 1 })
  })

  test('messages and ends that come from an old link change nothing', async () => {
    const scene = new Scene()
    const link = await scene.home()
    const { onMessage, onClose, onDrain, onRead } = link
    link.end()
    await scene.platform.run(0)
    await scene.letIn()
    const before = scene.statuses.length
    link.onMessage(bytes(6, PEER, 0, 'hi'))
    link.onClose({ code: 1006, reason: '' })
    link.onDrain()
    link.onRead(1)
    expect(link.onMessage).not.toBe(onMessage)
    expect([link.onClose, link.onDrain, link.onRead]).not.toContain(onClose)
    expect([link.onClose, link.onDrain, link.onRead]).not.toContain(onDrain)
    expect([link.onClose, link.onDrain, link.onRead]).not.toContain(onRead)
    expect(scene.datagrams).toEqual([])
    expect(scene.statuses).toHaveLength(before)
  })
})

test('senders are remembered up to a bound', async () => {
  const scene = new Scene({ limits: { maxPeers: 3 } })
  const link = await scene.home()
  const keys = [3, 4, 5, 6].map(keyOf)
  for (const key of keys) link.receive(6, key, 0, 'hi')
  // The way back to a peer shows in where a datagram to another relay goes.
  for (const key of keys) scene.sendNow(AWAY, 'answer', key)
  expect(link.ofType(4).map((message) => message.slice(1, 33))).toEqual(keys.slice(1))
  expect(scene.dials).toHaveLength(2)
  expect(CLIENT.id.toBytes()).toHaveLength(32)
})
