import { describe, expect, test } from 'vitest'
import { AWAY, bytes, type FakeLink, HOME, OTHER, PEER, relay, Scene } from './support.ts'

const urlOf = (number: number) => `https://relay${number}.example/`

/** On demand, connected and established. */
async function onDemand(scene: Scene, url: string, data = 'hi'): Promise<FakeLink> {
  scene.sendNow(url, data)
  const link = await scene.letIn()
  link.pong()
  return link
}

describe('spec/relay.md §5.1: home and on demand', () => {
  test('the home relay is dialled at once, another one when a datagram goes there', async () => {
    const scene = new Scene()
    expect(scene.transport.status(HOME)).toBeUndefined()
    scene.transport.setHome(HOME)
    scene.transport.setHome(HOME)
    expect(scene.dials).toHaveLength(1)
    expect(scene.state()).toBe('connecting')
    scene.sendNow(AWAY, 'hi')
    expect(scene.lastDial.options.url).toBe('wss://away.example/relay')
    const link = await scene.letIn()
    expect(link.ofType(4)).toEqual([bytes(4, PEER, 0, 'hi')])
    scene.sendNow(AWAY, 'again')
    expect(scene.dials).toHaveLength(2)
    expect(link.ofType(4)).toHaveLength(2)
  })

  test('a URL in another spelling is the same relay; one with a dot at the end is another', async () => {
    const scene = new Scene()
    await scene.home()
    scene.sendNow('https://HOME.example', 'hi')
    expect(scene.dials).toHaveLength(1)
    expect(scene.transport.status('https://home.example')).toEqual({ state: 'connected' })
    scene.sendNow('https://home.example./', 'hi')
    expect(scene.dials).toHaveLength(2)
  })

  test('what is no URL is dropped, not thrown', () => {
    const scene = new Scene()
    scene.sendNow('no url', 'hi')
    expect(scene.transport.stats.datagramsDropped).toBe(1)
    expect(scene.transport.isBlocked('no url')).toBe(false)
    expect(scene.transport.status('no url')).toBeUndefined()
  })

  test('an open relay that delivered something from the peer carries what would need another relay', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.receive(6, PEER, 0, 'hi')
    scene.sendNow(AWAY, 'answer')
    expect(scene.dials).toHaveLength(1)
    expect(link.ofType(4)).toEqual([bytes(4, PEER, 0, 'answer')])
    scene.sendNow(AWAY, 'to somebody else', OTHER)
    expect(scene.dials).toHaveLength(2)
  })

  test('a relay of its own that is connected is preferred; one that is lost is not', async () => {
    const scene = new Scene()
    const home = await scene.home()
    const away = await onDemand(scene, AWAY)
    home.receive(6, PEER, 0, 'hi')
    scene.sendNow(AWAY, 'a')
    expect(away.ofType(4).at(-1)).toEqual(bytes(4, PEER, 0, 'a'))
    away.end()
    scene.sendNow(AWAY, 'b')
    expect(home.ofType(4).at(-1)).toEqual(bytes(4, PEER, 0, 'b'))
  })

  test('spec/relay.md §3.3: not when the peer has left since, nor when that relay is lost itself', async () => {
    for (const lose of [(link: FakeLink) => link.receive(8, PEER), (link: FakeLink) => link.end()]) {
      const scene = new Scene()
      const link = await scene.home()
      link.receive(6, PEER, 0, 'hi')
      lose(link)
      scene.sendNow(AWAY, 'answer')
      expect(scene.lastDial.options.url).toBe('wss://away.example/relay')
      expect(scene.dials).toHaveLength(2)
    }
  })

  test('at most 16 on demand: the longest unused goes, with a Close, and never the home relay', async () => {
    const scene = new Scene()
    const home = await scene.home()
    const links: FakeLink[] = []
    for (let number = 0; number < 16; number++) {
      links.push(await onDemand(scene, urlOf(number)))
      await scene.platform.run(10)
    }
    scene.sendNow(urlOf(0), 'used')
    await scene.platform.run(10)
    scene.sendNow(urlOf(16), 'hi')
    await scene.platform.rest()
    expect(links.map((link) => link.closedWith)).toEqual([undefined, 1000, ...new Array(14).fill(undefined)])
    expect(home.isEnded).toBe(false)
    expect(scene.transport.status(urlOf(1))).toBeUndefined()
    expect(scene.statuses.at(-2)).toEqual({ url: urlOf(1), status: { state: 'disconnected', error: undefined } })
    expect(scene.state(urlOf(16))).toBe('connecting')
    expect(await scene.close()).toEqual([])
  })

  test('more relays than that in one round: the last ones are dropped, none is closed that was just used', () => {
    const scene = new Scene()
    for (let number = 0; number < 20; number++) scene.send(urlOf(number), 'hi')
    scene.transport.flush()
    expect(scene.dials).toHaveLength(16)
    expect(scene.dials.some(({ options }) => options.signal!.aborted)).toBe(false)
    expect(scene.transport.stats.datagramsDropped).toBe(4)
  })

  test('a relay that is home no more counts among those on demand', async () => {
    const scene = new Scene({ limits: { maxOnDemand: 1 } })
    const home = await scene.home()
    scene.sendNow(HOME, 'hi')
    await scene.platform.run(10)
    const away = await onDemand(scene, AWAY)
    scene.transport.setHome(urlOf(1))
    expect(home.closedWith).toBe(1000)
    expect(away.isEnded).toBe(false)
  })
})

describe('spec/relay.md §5.5: idle', () => {
  test('on demand, closed with 1000 when nothing was sent for 60 s, whatever came in', async () => {
    const scene = new Scene()
    const link = await onDemand(scene, AWAY)
    for (let count = 0; count < 5; count++) {
      await scene.platform.run(10_000)
      link.receive(6, PEER, 0, 'hi')
    }
    scene.sendNow(AWAY, 'used')
    scene.platform.web!.onDial = () => {}
    for (let count = 0; count < 5; count++) {
      await scene.platform.run(10_000)
      link.receive(6, PEER, 0, 'hi')
    }
    await scene.platform.run(9_999)
    expect(link.closedWith).toBeUndefined()
    await scene.platform.run(1)
    expect(link.closedWith).toBe(1000)
    expect(link.isTerminated).toBe(false)
    expect(scene.transport.status(AWAY)).toBeUndefined()
    expect(scene.statuses.at(-1)).toEqual({ url: AWAY, status: { state: 'disconnected', error: undefined } })
    await scene.platform.run(100_000)
    expect(scene.dials).toHaveLength(1)
    expect(scene.platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  })

  test('the home relay never', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.answersPings = true
    await scene.platform.run(300_000)
    expect(scene.state()).toBe('connected')
    expect(link.ofType(9)).toHaveLength(21)
  })

  test('while dialling and waiting as well: an unreachable relay is not tried for ever', async () => {
    const scene = new Scene()
    scene.platform.web!.onDial = ({ reject }) => reject(new Error('refused'))
    scene.sendNow(AWAY, 'hi')
    await scene.platform.run(60_000)
    expect(scene.transport.status(AWAY)).toBeUndefined()
    const { length } = scene.dials
    await scene.platform.run(600_000)
    expect(scene.dials).toHaveLength(length)
    scene.platform.web!.onDial = () => {}
    scene.sendNow(AWAY, 'hi')
    await scene.platform.run(60_000)
    expect(scene.lastDial.options.signal!.aborted).toBe(true)
    expect(scene.platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  })

  test('a relay that is home no more closes at once when nothing was sent for 60 s', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.answersPings = true
    await scene.platform.run(15_000)
    scene.sendNow(HOME, 'hi')
    await scene.platform.run(60_000)
    expect(link.isEnded).toBe(false)
    scene.transport.setHome(AWAY)
    expect(link.closedWith).toBe(1000)
    expect(scene.transport.status(HOME)).toBeUndefined()
    expect(scene.state(AWAY)).toBe('connecting')
  })

  test('a relay that is home no more closes later when it was used, and becomes home again', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.answersPings = true
    await scene.platform.run(10_000)
    scene.sendNow(HOME, 'hi')
    scene.transport.setHome(undefined)
    await scene.platform.run(59_999)
    expect(link.isEnded).toBe(false)
    scene.transport.setHome(HOME)
    await scene.platform.run(1_000)
    expect(link.isEnded).toBe(false)
    scene.transport.setHome(undefined)
    expect(link.closedWith).toBe(1000)
    expect(scene.dials).toHaveLength(1)
  })

  test('a relay that is home no more closes on time, and not while something is being sent there', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.answersPings = true
    await scene.platform.run(10_000)
    scene.sendNow(HOME, 'hi')
    await scene.platform.run(59_000)
    scene.transport.setHome(undefined)
    await scene.platform.run(999)
    expect(link.isEnded).toBe(false)
    await scene.platform.run(1)
    expect(link.closedWith).toBe(1000)
    const other = new Scene()
    const otherLink = await other.home()
    otherLink.answersPings = true
    await other.platform.run(60_000)
    other.send(HOME, 'hi')
    other.transport.setHome(undefined)
    other.transport.flush()
    expect(otherLink.closedWith).toBeUndefined()
    expect(otherLink.ofType(4)).toHaveLength(1)
  })

  test('a relay that becomes home is dialled at once, however long it was to wait', async () => {
    const scene = new Scene()
    scene.platform.web!.onDial = ({ reject }) => reject(new Error('refused'))
    scene.sendNow(AWAY, 'hi')
    await scene.platform.run(50_000)
    const { length } = scene.dials
    scene.transport.setHome(AWAY)
    await scene.platform.run(0)
    expect(scene.dials).toHaveLength(length + 1)
  })

  test('a lost relay that is given up blocks no more', async () => {
    const scene = new Scene()
    const link = await onDemand(scene, AWAY)
    scene.platform.web!.onDial = ({ reject }) => reject(new Error('refused'))
    link.end()
    expect(scene.transport.isBlocked(AWAY)).toBe(true)
    await scene.platform.run(60_000)
    expect(scene.transport.isBlocked(AWAY)).toBe(false)
    expect(scene.blocks).toEqual([
      { url: AWAY, isBlocked: true },
      { url: AWAY, isBlocked: false },
    ])
  })
})

describe('spec/relay.md §5.6: the network changes', () => {
  test('our address is still there: a ping now, with the short time limit', async () => {
    const scene = new Scene()
    const link = await scene.home()
    await scene.platform.run(1_000)
    scene.transport.networkChanged(['2001:db8::1', '192.0.2.7'])
    expect(link.ofType(9)).toHaveLength(2)
    await scene.platform.run(499)
    expect(scene.state()).toBe('connected')
    await scene.platform.run(1)
    expect(link.isTerminated).toBe(true)
    await scene.platform.run(0)
    expect(scene.dials).toHaveLength(2)
  })

  test('a relay that is doubted is pinged at once, once, and lost when it does not answer; one that was heard just now is not', async () => {
    const scene = new Scene()
    const link = await scene.home()
    const asked = link.ofType(9).length
    scene.transport.check(HOME)
    expect(link.ofType(9)).toHaveLength(asked)
    await scene.platform.run(1_000)
    scene.transport.check(HOME)
    scene.transport.check(HOME)
    scene.transport.check('https://unknown.example/')
    expect(link.ofType(9)).toHaveLength(asked + 1)
    await scene.platform.run(600)
    expect(link.isTerminated).toBe(true)
  })

  test.each([
    ['gone', '192.0.2.7', ['192.0.2.8']],
    ['unknown, as in browsers', undefined, ['192.0.2.7']],
  ])('our address is %s: dropped, and dialled again at once', async (_, localAddress, addresses) => {
    const scene = new Scene()
    const link = await scene.home()
    link.localAddress = localAddress
    scene.transport.networkChanged(addresses)
    expect(link).toMatchObject({ isTerminated: true, closedWith: undefined })
    expect(scene.state()).toBe('relay https://home.example/: the network changed')
    await scene.platform.run(0)
    expect(scene.dials).toHaveLength(2)
  })

  test('addresses are compared, not their spelling', async () => {
    for (const [own, listed] of [
      ['::ffff:192.0.2.7', '192.0.2.7'],
      ['fe80::1%eth0', 'FE80::1'],
      ['2001:db8:0:0::1', '2001:db8::1'],
      ['odd', 'odd'],
    ] as const) {
      const scene = new Scene()
      const link = await scene.home()
      link.localAddress = own
      scene.transport.networkChanged([listed])
      expect(scene.state()).toBe('connected')
    }
  })

  test('while dialling it changes nothing; while waiting, the next attempt is made at once', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    scene.transport.networkChanged([])
    await scene.platform.run(9_999)
    expect(scene.dials).toHaveLength(1)
    expect(scene.dials[0]!.options.signal!.aborted).toBe(false)
    await scene.platform.run(1)
    expect(scene.dials[0]!.options.signal!.aborted).toBe(true)
    scene.platform.web!.onDial = ({ reject }) => reject(new Error('refused'))
    await scene.platform.run(100_000)
    const { length } = scene.dials
    scene.transport.networkChanged([])
    await scene.platform.run(1)
    expect(scene.dials).toHaveLength(length + 1)
    await scene.platform.run(100)
    expect(scene.dials.length).toBeGreaterThan(length + 2)
  })
})

describe('close', () => {
  test('ends links with 1000, dials without a trace, and calls back no more', async () => {
    const scene = new Scene()
    const home = await scene.home()
    const away = await onDemand(scene, AWAY)
    scene.sendNow(urlOf(1), 'dialling')
    scene.sendNow(urlOf(2), 'greeting')
    scene.lastDial.accept()
    await scene.platform.rest()
    const greeting = scene.lastDial.link
    scene.sendNow(urlOf(3), 'waiting')
    scene.lastDial.reject(new Error('refused'))
    await scene.platform.rest()
    const before = scene.statuses.length
    expect(await scene.close()).toEqual([])
    expect([home.closedWith, away.closedWith, greeting.closedWith]).toEqual([1000, 1000, 1000])
    expect(scene.dials[2]!.options.signal!.aborted).toBe(true)
    home.onMessage(bytes(6, PEER, 0, 'late'))
    expect([scene.statuses.length, scene.datagrams.length]).toEqual([before, 0])
    expect(scene.transport.status(HOME)).toBeUndefined()
  })

  test('a dial whose WebSocket opens afterwards is dropped', async () => {
    const scene = new Scene({ relays: [relay(HOME, { token: 's3cret' })] })
    scene.transport.setHome(HOME)
    Object.assign(scene.lastDial, { reject: () => {} })
    await scene.transport.close()
    expect(scene.lastDial.options.headers!(undefined)).toEqual({})
    scene.lastDial.accept()
    await scene.platform.rest()
    expect(scene.lastDial.link.isTerminated).toBe(true)
  })

  test('resolves when the links have ended, those that closed before included', async () => {
    const scene = new Scene()
    const home = await scene.home()
    const away = await onDemand(scene, AWAY)
    for (const link of [home, away]) Object.assign(link, { answersClose: false, answersPings: true })
    await scene.platform.run(60_000)
    expect(away.closedWith).toBe(1000)
    let isClosed = false
    const closed = scene.transport.close().then(() => {
      isClosed = true
    })
    home.end(1000)
    await scene.platform.rest()
    expect(isClosed).toBe(false)
    away.end(1006)
    await closed
    expect(scene.platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  })

  test('the last datagrams go out, and twice is once', async () => {
    const scene = new Scene()
    const link = await scene.home()
    scene.send(HOME, 'bye')
    await Promise.all([scene.transport.close(), scene.transport.close()])
    expect(link.ofType(4)).toEqual([bytes(4, PEER, 0, 'bye')])
    expect(link.closedWith).toBe(1000)
  })

  test('afterwards nothing happens any more', async () => {
    const scene = new Scene()
    await scene.close()
    scene.transport.setHome(HOME)
    scene.sendNow(HOME, 'hi')
    scene.transport.networkChanged([])
    scene.transport.configure([relay(HOME, { token: 'x' })])
    expect(scene.dials).toHaveLength(0)
    expect(scene.transport.stats.datagramsDropped).toBe(1)
  })

  test('from inside a callback on the way to a dial, or to close', async () => {
    const scene = new Scene({ limits: { maxOnDemand: 1 } })
    scene.sendNow(urlOf(1), 'hi')
    await scene.platform.run(1)
    Object.assign(scene.statuses, { push: () => void scene.transport.close() })
    scene.sendNow(urlOf(2), 'hi')
    expect(scene.dials).toHaveLength(1)
    expect(await scene.close()).toEqual([])
    for (const call of ['setHome', 'close'] as const) {
      const full = new Scene()
      const link = await full.home()
      link.queuedBytes = 300_000
      full.send(HOME, 'hi')
      const closed: Promise<void>[] = []
      Object.assign(full.blocks, { push: () => closed.push(full.transport.close()) })
      link.answersClose = false
      void full.transport[call](AWAY)
      link.end(1000)
      await Promise.all(closed)
      expect(full.dials).toHaveLength(1)
      expect(await full.close()).toEqual([])
    }
  })

  test('from inside a callback of one relay, while another one is due as well', async () => {
    const scene = new Scene()
    let count = 0
    for (const url of [AWAY, urlOf(1)]) scene.send(url, 'hi')
    scene.transport.flush()
    for (const dial of scene.dials) (await scene.letIn(dial)).answersPings = true
    await scene.platform.run(59_000)
    Object.assign(scene.statuses, {
      push: () => {
        count++
        void scene.transport.close()
      },
    })
    await scene.platform.run(60_000)
    expect(count).toBe(1)
    expect(await scene.close()).toEqual([])
  })

  test('from inside every callback', async () => {
    for (const event of ['connecting', 'connected', 'disconnected'] as const) {
      const scene = new Scene()
      const close = () => void scene.transport.close()
      Object.assign(scene.statuses, {
        push: ({ status }: { status: { state: string } }) => status.state === event && close(),
      })
      scene.transport.setHome(HOME)
      const link = await scene.letIn()
      link.end()
      expect(await scene.close()).toEqual([])
      await scene.platform.run(60_000)
      expect(scene.dials).toHaveLength(1)
      expect(scene.blocks).toEqual([])
    }
    const scene = new Scene()
    Object.assign(scene.blocks, { push: () => void scene.transport.close() })
    const link = await scene.home()
    link.end()
    expect(await scene.close()).toEqual([])
  })
})
