import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { RelayError } from '../../../src/relay/client/errors.ts'
import { challengeMessage, verifyClientAuthHeader } from '../../../src/relay/protocol/index.ts'
import { AWAY, bytes, CLIENT, HOME, PEER, relay, Scene, u32 } from './support.ts'

const crypto = createNodeCrypto()
const CHALLENGE = Uint8Array.from({ length: 16 }, (_, index) => index)

/** Attempt times since the scene began, and the end of it without a trace. */
async function attempts(scene: Scene, ms: number, onDial: (scene: Scene) => void): Promise<number[]> {
  const start = scene.platform.time
  scene.platform.web!.onDial = () => onDial(scene)
  scene.transport.setHome(HOME)
  await scene.platform.run(ms)
  const times = scene.dials.map((dial) => dial.at - start)
  expect(await scene.close()).toEqual([])
  return times
}

function expectBackoff(times: readonly number[]): void {
  let base = 10
  for (let index = 1; index < times.length; index++) {
    const wait = times[index]! - times[index - 1]!
    expect(wait).toBeGreaterThanOrEqual(base)
    expect(wait).toBeLessThan(2 * base)
    base = Math.min(2 * base, 16_000)
  }
}

describe('the upgrade request', () => {
  test('spec/relay.md §1.1, §1.4, §1.5: path replaced, query kept, both versions with the newest first, messages up to 1 MiB', () => {
    const scene = new Scene()
    scene.transport.setHome('https://home.example/x?a=b')
    expect(scene.lastDial.options).toMatchObject({
      url: 'wss://home.example/relay?a=b',
      protocols: ['iroh-relay-v2', 'iroh-relay-v1'],
      maxMessageSize: 1_048_576,
    })
    scene.transport.setHome('http://[::1]:3340')
    expect(scene.lastDial.options.url).toBe('ws://[::1]:3340/relay')
  })

  test('spec/relay.md §2.4, §2.5: over TLS with the key proven in a header, and the token', () => {
    const scene = new Scene({ relays: [relay(HOME, { token: 's3cret' })] })
    scene.transport.setHome(HOME)
    const exporter = (label: string, context: Uint8Array, length: number) =>
      crypto.hash('sha256', bytes(label, context)).subarray(0, length)
    expect(scene.lastDial.options.url).toBe('wss://home.example/relay')
    const headers = scene.lastDial.options.headers!(exporter)
    expect(headers.authorization).toBe('Bearer s3cret')
    const value = headers['x-iroh-relay-client-auth-v1']!
    expect(value).toHaveLength(151)
    expect(verifyClientAuthHeader(crypto, value, exporter)).toEqual(CLIENT.id.toBytes())
  })

  test('spec/relay.md §1.6: without TLS of our own no key in a header; without a token no Authorization', () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    expect(scene.lastDial.options.headers!(undefined)).toEqual({})
    const broken = () => {
      throw new Error('nothing to export')
    }
    expect(scene.lastDial.options.headers!(broken)).toEqual({})
  })

  test('spec/relay.md §1.7: where headers cannot be set the token goes into the query', () => {
    const scene = new Scene({ relays: [relay('https://home.example/?a=b', { token: 'x y&z' })] })
    scene.platform.web!.canSetHeaders = false
    scene.transport.setHome('https://home.example/?a=b')
    expect(scene.lastDial.options.url).toBe('wss://home.example/relay?a=b&token=x+y%26z')
    expect(scene.lastDial.options.headers).toBeUndefined()
  })

  test('spec/relay.md §5.1: a token is used only for the relay that it is configured for', () => {
    const scene = new Scene({ relays: [relay(HOME, { token: 's3cret' })] })
    scene.sendNow(AWAY, 'hi')
    expect(scene.lastDial.options.headers!(undefined)).toEqual({})
  })

  test('a changed token is used by the next attempt, which does not wait', async () => {
    const scene = new Scene({ relays: [relay(HOME, { token: 'old' }), relay(AWAY)] })
    const tokens: unknown[] = []
    scene.platform.web!.onDial = ({ options, reject }) => {
      tokens.push(options.headers!(undefined).authorization)
      reject(new Error('401'))
    }
    scene.transport.setHome(HOME)
    await scene.platform.run(60_000)
    expect(new Set(tokens.splice(0))).toEqual(new Set(['Bearer old']))
    for (let count = 0; count < 2; count++) {
      scene.transport.configure([relay(HOME, { token: 'new' })])
      await scene.platform.run(0)
    }
    expect(tokens).toEqual(['Bearer new'])
  })
})

describe('the handshake', () => {
  test('spec/relay.md §2.2, §2.3: answers the challenge, and is connected when the relay confirms', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    scene.lastDial.accept()
    await scene.platform.rest()
    const { link } = scene.lastDial
    link.receive(0, CHALLENGE)
    expect(link.sent).toHaveLength(1)
    expect(link.flushes).toBe(1)
    const answer = link.sent[0]!
    expect(answer).toHaveLength(98)
    expect(answer.subarray(0, 34)).toEqual(bytes(1, CLIENT.id.toBytes(), 0x40))
    expect(crypto.verify(CLIENT.id.toBytes(), challengeMessage(CHALLENGE), answer.subarray(34))).toBe(true)
    expect(scene.state()).toBe('connecting')
    link.receive(2)
    expect(scene.statuses.map(({ status }) => status.state)).toEqual(['connecting', 'connected'])
  })

  test('spec/relay.md §2.2: a confirmation may come first, after authentication by header', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    await scene.letIn()
    expect(scene.state()).toBe('connected')
  })

  test.each([
    ['at once', []],
    ['after the challenge', [bytes(0, CHALLENGE)]],
  ])(
    'spec/relay.md §2.6: a denial %s becomes an error with its reason, the socket is dropped without a Close',
    async (_, before) => {
      const scene = new Scene()
      scene.transport.setHome(HOME)
      scene.lastDial.accept()
      await scene.platform.rest()
      const { link } = scene.lastDial
      for (const message of before) link.receive(message)
      link.receive(3, 14, 'not authorized')
      expect(scene.transport.status(HOME)).toMatchObject({ state: 'disconnected', error: { code: 'RELAY_DENIED' } })
      expect(scene.state()).toBe('relay https://home.example/: denied: not authorized')
      expect(link.isTerminated).toBe(true)
      expect(link.closedWith).toBeUndefined()
    },
  )

  test.each([
    ['a datagram first', [bytes(6, PEER, 0, 'hi')]],
    ['a ping first', [bytes(9, '01234567')]],
    ['an empty message', [bytes()]],
    ['a short challenge', [bytes(0, 1, 2, 3)]],
    ['two challenges', [bytes(0, CHALLENGE), bytes(0, CHALLENGE)]],
    ['our own frame', [bytes(1, CLIENT.id.toBytes(), 0x40, new Uint8Array(64))]],
    ['a denial that is not text', [bytes(3, 2, 0xff, 0xff)]],
    ['an unknown frame', [bytes(14)]],
  ])('spec/relay.md §2.2: %s fails the attempt', async (_, messages) => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    scene.lastDial.accept()
    await scene.platform.rest()
    const { link } = scene.lastDial
    for (const message of messages) link.receive(message)
    expect(scene.transport.status(HOME)).toMatchObject({ state: 'disconnected', error: { code: 'RELAY_PROTOCOL' } })
    expect(link.isTerminated).toBe(true)
    expect(scene.transport.isBlocked(HOME)).toBe(false)
  })

  test('spec/relay.md §2.2: the end of the stream fails the attempt', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    scene.lastDial.accept()
    await scene.platform.rest()
    scene.lastDial.link.end(1008, 'go\naway')
    expect(scene.state()).toBe('relay https://home.example/: the connection ended (1008: go away) during the handshake')
  })

  test.each(['', 'chat', 'iroh-relay-v3'])('spec/relay.md §1.3: the version "%s" is none', async (protocol) => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    await scene.letIn(scene.lastDial, protocol)
    expect(scene.transport.status(HOME)).toMatchObject({ state: 'disconnected', error: { code: 'RELAY_PROTOCOL' } })
    expect(scene.lastDial.link.isTerminated).toBe(true)
  })
})

describe('time limits and attempts', () => {
  test('spec/relay.md §2.2: a relay that never answers the dial is given up after 10 s, and dialled again', async () => {
    const scene = new Scene()
    const times = await attempts(scene, 21_000, () => {})
    expect(times).toHaveLength(3)
    expect(times[1]).toBeGreaterThanOrEqual(10_010)
    expect(times[1]).toBeLessThan(10_020)
    expect(scene.dials[0]!.options.signal!.aborted).toBe(true)
    expect(scene.statuses[1]).toMatchObject({
      status: {
        error: { code: 'RELAY_TIMEOUT', message: 'relay https://home.example/: not connected within 10000 ms' },
      },
    })
  })

  test('spec/relay.md §2.2: the 10 s hold for dial and handshake together', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    await scene.platform.run(9_000)
    scene.lastDial.accept()
    await scene.platform.rest()
    const { link } = scene.lastDial
    link.receive(0, CHALLENGE)
    await scene.platform.run(999)
    expect(scene.state()).toBe('connecting')
    await scene.platform.run(1)
    expect(scene.transport.status(HOME)).toMatchObject({ error: { code: 'RELAY_TIMEOUT' } })
    expect(link.isTerminated).toBe(true)
  })

  test('a WebSocket that opens after it was given up is dropped', async () => {
    const scene = new Scene()
    scene.transport.setHome(HOME)
    const [first] = scene.dials
    // a client that does not heed its signal
    Object.assign(first!, { reject: () => {} })
    await scene.platform.run(10_000)
    first!.accept()
    await scene.platform.rest()
    expect(first!.link.isTerminated).toBe(true)
    expect(scene.state()).toContain('not connected within')
  })

  test('spec/relay.md §5.3: dials that fail are repeated for ever, after 10 ms doubled up to 16 s, each plus up to as much again', async () => {
    const scene = new Scene()
    const times = await attempts(scene, 200_000, ({ lastDial }) => lastDial.reject(new Error('refused')))
    expect(times.length).toBeGreaterThan(14)
    expectBackoff(times)
    const waits = times.slice(1).map((time, index) => (time - times[index]!) / Math.min(10 * 2 ** index, 16_000))
    expect(new Set(waits.map((wait) => wait.toFixed(6))).size).toBe(waits.length)
  })

  test('spec/relay.md §2.6, §5.3: denials and HTTP errors are repeated in the same way', async () => {
    const scene = new Scene()
    const times = await attempts(scene, 20_000, async ({ platform, lastDial }) => {
      lastDial.accept()
      await platform.rest()
      lastDial.link.receive(3, 2, 'no')
    })
    expect(times.length).toBeGreaterThan(9)
    expectBackoff(times)
  })

  test('spec/relay.md §5.3: lost before the first pong, the connection was not established: back-off goes on', async () => {
    const scene = new Scene()
    const times = await attempts(scene, 3_000, (scene) => {
      void scene.letIn().then((link) => link.end())
    })
    expect(times.length).toBeGreaterThan(6)
    expectBackoff(times)
  })

  test('spec/relay.md §5.3: lost after a pong, it is dialled again at once and from a short back-off', async () => {
    const scene = new Scene()
    scene.platform.web!.onDial = ({ reject }) => reject(new Error('refused'))
    scene.transport.setHome(HOME)
    await scene.platform.run(2_000)
    scene.platform.web!.onDial = () => {}
    await scene.platform.run(5_000)
    const link = await scene.letIn()
    link.pong()
    await scene.platform.run(5_000)
    const before = scene.dials.length
    const lostAt = scene.platform.time
    scene.platform.web!.onDial = ({ reject }) => reject(new Error('refused'))
    link.end()
    await scene.platform.run(1_000)
    const times = scene.dials.slice(before).map((dial) => dial.at - lostAt)
    expect(times[0]).toBe(0)
    expect(times.length).toBeGreaterThan(4)
    expectBackoff(times)
  })

  test('a relay that lets us in, answers a ping and hangs up is not dialled in a tight loop', async () => {
    const scene = new Scene()
    const times = await attempts(scene, 10_000, (scene) => {
      void scene.letIn().then((link) => {
        link.pong()
        link.end()
      })
    })
    expect(times[1]).toBe(0)
    for (let index = 2; index < times.length; index++) {
      const isAtOnce = times[index] === times[index - 1]
      // at once only when the attempt before that was 1 s ago
      if (isAtOnce) expect(times[index - 1]! - times[index - 2]!).toBeGreaterThan(300)
    }
    expect(times.length).toBeLessThan(100)
  })

  test('spec/relay.md §3.4: a relay that says that it restarts is dialled again when it asked for it, at most 60 s later', async () => {
    for (const [asked, expected] of [
      [500, 500],
      [4_000_000_000, 60_000],
    ] as const) {
      const scene = new Scene()
      const link = await scene.home()
      link.receive(12, u32(asked), u32(1))
      expect(scene.state()).toBe('connected')
      const saidAt = scene.platform.time
      await scene.platform.run(20)
      link.pong()
      link.end(1012)
      for (let count = 0; count < 8 && scene.dials.length === 1; count++) await scene.platform.run(10_000)
      expect(scene.dials[1]!.at - saidAt).toBe(expected)
    }
  })

  test('a restart that was announced and did not come is forgotten', async () => {
    const scene = new Scene()
    const link = await scene.home()
    link.receive(12, u32(500), u32(1))
    await scene.platform.run(1_000)
    link.end()
    await scene.platform.run(0)
    expect(scene.dials).toHaveLength(2)
  })
})

describe('what cannot be', () => {
  test('a platform without WebSockets: disconnected, said once, no attempts', async () => {
    const scene = new Scene({ hasWeb: false })
    scene.transport.setHome(HOME)
    scene.sendNow(HOME, 'hi')
    await scene.platform.run(600_000)
    expect(scene.statuses).toHaveLength(1)
    expect(scene.transport.status(HOME)).toMatchObject({ state: 'disconnected', error: { code: 'RELAY_UNSUPPORTED' } })
    expect(scene.state()).toBe('relay https://home.example/: out of reach: this runtime has no WebSocket client')
    expect(scene.transport.stats.datagramsDropped).toBe(1)
    scene.sendNow(AWAY, 'hi')
    await scene.platform.run(60_000)
    expect(scene.transport.status(AWAY)).toBeUndefined()
    await scene.transport.close()
    expect(scene.platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  })

  test('a URL without a host: disconnected, no attempts', async () => {
    const scene = new Scene()
    scene.transport.setHome('mailto:someone?token=s3cret')
    await scene.platform.run(60_000)
    expect(scene.dials).toHaveLength(0)
    expect(scene.transport.status('mailto:someone?token=s3cret')).toMatchObject({
      error: { code: 'RELAY_INVALID_URL' },
    })
    expect(scene.state('mailto:someone?token=s3cret')).not.toContain('s3cret')
    expect(() => scene.transport.setHome('no url')).toThrow('expected a URL')
  })

  test('errors name the relay without its query and credentials, and tell no token', async () => {
    const url = 'https://user:passw0rd@home.example/?token=in%20url'
    const scene = new Scene({ relays: [relay(url, { token: 'in url&k' })] })
    for (const canSetHeaders of [true, false]) {
      scene.platform.web!.canSetHeaders = canSetHeaders
      scene.platform.web!.onDial = ({ options, reject }) =>
        reject(
          new Error(`${options.url} as user:passw0rd with in url&k, in%20url%26k, in url:\n401 ${'x'.repeat(1000)}`),
        )
      const { length } = scene.dials
      scene.transport.setHome(url)
      await scene.platform.run(0)
      expect(scene.dials).toHaveLength(length + 1)
      const { status } = scene.statuses.at(-1)!
      const error = status.state === 'disconnected' ? status.error : undefined
      expect(error).toBeInstanceOf(RelayError)
      expect(error).toMatchObject({ code: 'RELAY_UNREACHABLE', relay: 'https://home.example/' })
      const text = `${error!.message}${JSON.stringify(error)}${error!.stack}`
      for (const secret of ['passw0rd', 'user', '&k', '%26k', 'in url', 'in%20url']) expect(text).not.toContain(secret)
      expect(error!.message).toMatch(/^relay https:\/\/home\.example\/: wss:.*401 x+…$/)
      expect(error!.message.length).toBeLessThan(350)
      scene.transport.setHome(undefined)
    }
  })

  test('a web client that throws instead of rejecting is a failed dial', async () => {
    const scene = new Scene()
    scene.platform.web!.openWebSocket = () => {
      throw new TypeError('broken')
    }
    scene.transport.setHome(HOME)
    await scene.platform.rest()
    expect(scene.state()).toBe('relay https://home.example/: broken')
  })
})
