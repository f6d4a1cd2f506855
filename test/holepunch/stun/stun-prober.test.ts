/** The prober over sockets of the loopback, against our STUN server, and over sockets of a platform whose clock the test turns. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { formatSocketAddress, parseIp, parseSocketAddress } from '../../../src/bytes/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { Driver } from '../../../src/driver/index.ts'
import {
  classifyMapping,
  parseStunServer,
  probeFiltering,
  SideSockets,
  StunProber,
  type StunReport,
} from '../../../src/holepunch/index.ts'
import { decodeStun, encodeStun, StunType } from '../../../src/holepunch/stun/message.ts'
import { NodePlatform } from '../../../src/platform/node/index.ts'
import { Engine } from '../../../src/quic/index.ts'
import { VirtualPlatform } from '../../driver/virtual-platform.ts'
import { StunServer, startCompleteServer } from '../../stun-server/stun-server.ts'
import { NetPlatform, pass } from '../net-report/virtual-net.ts'

const text = ({ samples, failures }: StunReport) => ({
  samples: samples.map(({ server, mapped }) => `${formatSocketAddress(server)} sees ${formatSocketAddress(mapped)}`),
  failures: failures.map(({ name, family, reason }) => `${name} ${family ?? '-'} ${reason}`),
})

describe('on the loopback', () => {
  const platform = new NodePlatform({ proxy: null })
  const closers: (() => Promise<unknown>)[] = []
  let driver: Driver
  let prober: StunProber

  const open = async <T extends { close(): Promise<unknown> }>(opening: Promise<T>): Promise<T> => {
    const opened = await opening
    closers.push(() => opened.close())
    return opened
  }

  beforeEach(async () => {
    driver = new Driver({
      platform,
      createEngine: (slots, routes) =>
        new Engine({
          crypto: createNodeCrypto(),
          random: platform.random,
          slots,
          routes,
          secretKey: new Uint8Array(32).fill(1),
        }),
      onIncoming: (incoming) => driver.ignore(incoming),
      onForeign: (packet) => prober.onForeign(packet),
    })
    driver.addSocket(await platform.bindUdp({ host: '127.0.0.1', port: 0 }))
    prober = new StunProber({ platform, driver: () => driver })
  })

  afterEach(async () => {
    prober.close()
    await driver.close()
    for (const close of closers.splice(0)) await close()
  })

  test('RFC 8489 §3: a server tells the address of the very socket that QUIC has', async () => {
    const server = await open(StunServer.start({ bind: ['127.0.0.1:0'] }))
    const [name] = server.addresses
    const own = `127.0.0.1:${driver.sockets[0]!.port}`
    expect(text(await prober.probe([name!]))).toEqual({ samples: [`${name} sees ${own}`], failures: [] })
    expect(driver.stats).toMatchObject({ foreignSent: 1, foreignReceived: 1, datagramsReceived: 0 })
  })

  test('a server without FINGERPRINT, and a name to look up', async () => {
    const server = await open(StunServer.start({ bind: ['127.0.0.1:0'], withFingerprint: false }))
    const port = server.addresses[0]!.split(':')[1]!
    const { samples, failures } = await prober.probe([`localhost:${port}`])
    expect(samples).toMatchObject([{ name: `localhost:${port}`, family: 4 }])
    expect(failures).toEqual([])
  })

  test.skipIf(process.platform !== 'linux')(
    'RFC 5780 §4.3, §4.4: of a server with two addresses one name tells mapping and filtering',
    async () => {
      const server = await open(startCompleteServer())
      const [first, , third, fourth] = server.addresses
      const { samples } = await prober.probe([first!], undefined, { withOtherAddress: true })
      expect(samples.map((sample) => formatSocketAddress(sample.server)).sort()).toEqual([first, third, fourth].sort())
      expect(samples[0]!.otherAddress).toEqual(parseSocketAddress(fourth!))
      const local = [{ ip: parseIp('127.0.0.1'), port: driver.sockets[0]!.port }]
      expect([classifyMapping(samples, local), classifyMapping(samples)]).toEqual(['none', 'endpoint-independent'])
      expect(await probeFiltering(platform, '127.0.0.1', samples[0]!.server)).toBe('endpoint-independent')
    },
  )

  test('RFC 5780 §4.4: an ordinary server cannot tell the filtering', async () => {
    const server = await open(StunServer.start({ bind: ['127.0.0.1:0'], withBehaviourDiscovery: false }))
    expect(await probeFiltering(platform, '127.0.0.1', parseSocketAddress(server.addresses[0]!))).toBe('unknown')
    // It was asked, and asked to answer from elsewhere twice.
    expect(server.requests).toHaveLength(3)
  })

  test('a signal that is aborted ends a probe and a filtering test', async () => {
    const server = await open(StunServer.start({ bind: ['127.0.0.1:0'] }))
    server.isSilent = true
    const controller = new AbortController()
    const probing = prober.probe(server.addresses, controller.signal)
    const filtering = probeFiltering(platform, '127.0.0.1', parseSocketAddress(server.addresses[0]!), controller.signal)
    controller.abort(new Error('enough'))
    await expect(probing).rejects.toThrow('enough')
    expect(await filtering).toBe('unknown')
    await expect(prober.probe(server.addresses, controller.signal)).rejects.toThrow('enough')
  })

  test('the filtering test binds where it is told, or says what the system says', async () => {
    await expect(probeFiltering(platform, '192.0.2.1', parseSocketAddress('127.0.0.1:3478'))).rejects.toMatchObject({
      code: 'EADDRNOTAVAIL',
    })
    await expect(probeFiltering(platform, '127.0.0.1', parseSocketAddress('[::1]:3478'))).rejects.toThrow(RangeError)
  })
})

describe('in virtual time', () => {
  function create() {
    const platform = new NetPlatform()
    const v4 = platform.socket('0.0.0.0')
    const v6 = platform.socket('::')
    const sockets = [v4, v6]
    const driver = {
      socketOf: (family: 4 | 6) => sockets.find((socket) => socket.family === family),
      sendForeign: (socket: typeof v4, bytes: Uint8Array, host: string, port: number) =>
        socket.send(bytes, 0, bytes.length, host, port, () => {}),
    }
    const prober = new StunProber({ platform, driver: () => driver as never })
    const sent = () => [v4, v6].flatMap((socket) => socket.sent.map(({ host, port }) => `${host} ${port}`))
    /** The answer to the newest request to `host`, from there. */
    const answer = (host: string, mapped: string, otherAddress?: string) => {
      const socket = host.includes(':') ? v6 : v4
      const request = socket.sent.findLast((datagram) => datagram.host === host)!
      const data = encodeStun({
        type: StunType.success,
        transactionId: decodeStun(request.data)!.transactionId,
        mapped: parseSocketAddress(mapped),
        ...(otherAddress === undefined ? {} : { otherAddress: parseSocketAddress(otherAddress) }),
      })
      prober.onForeign({ data, host, port: request.port, socket })
    }
    return { platform, prober, sent, answer, v4, v6, unplug: () => sockets.splice(0) }
  }

  test('both families of a name, the first address of each, and each server once', async () => {
    const { platform, prober, sent, answer } = create()
    platform.web.names.set('stun.test', ['192.0.2.1', '192.0.2.9', '2001:db8::1'])
    const probing = prober.probe(['stun.test:3478', '192.0.2.1:3478', 'stun.test:3478', '[2001:db8::1]:19302'])
    await pass(platform, 1)
    expect(sent()).toEqual(['192.0.2.1 3478', '2001:db8::1 19302', '2001:db8::1 3478'])
    answer('192.0.2.1', '203.0.113.5:1')
    answer('2001:db8::1', '[2001:db8::5]:2')
    await pass(platform, 3000)
    expect(text(await probing)).toEqual({
      samples: ['192.0.2.1:3478 sees 203.0.113.5:1', '[2001:db8::1]:3478 sees [2001:db8::5]:2'],
      failures: ['[2001:db8::1]:19302 6 no answer'],
    })
    expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
  })

  test('only families that are wanted, and those of which there is a socket', async () => {
    const { platform, prober, sent, unplug } = create()
    platform.web.names.set('stun.test', ['192.0.2.1', '2001:db8::1'])
    void prober.probe(['stun.test'], undefined, { families: new Set([6]) })
    await pass(platform, 1)
    expect(sent()).toEqual(['2001:db8::1 3478'])
    unplug()
    expect(text(await prober.probe(['192.0.2.1:3478'])).failures).toEqual(['192.0.2.1:3478 - no socket for it'])
    prober.close()
  })

  test('names that cannot be read, are unknown, or are looked up for ever', async () => {
    const { platform, prober } = create()
    platform.web.lookUpMs = 10
    let done: StunReport | undefined
    void prober.probe(['stun test', 'nowhere.test']).then((report) => (done = report))
    await pass(platform, 10)
    expect(text(done!).failures).toEqual([
      'stun test - expected host:port or [ipv6]:port, got "stun test"',
      'nowhere.test - no such name',
    ])
    platform.web.lookUpMs = 1e9
    done = undefined
    void prober.probe(['slow.test']).then((report) => (done = report))
    await pass(platform, 2999)
    expect(done).toBeUndefined()
    await pass(platform, 1)
    expect(text(done!).failures).toEqual(['slow.test - no such name'])
    expect([platform.web.open, platform.nextTimer]).toEqual([0, Number.POSITIVE_INFINITY])
  })

  test('eight servers at most', async () => {
    const { platform, prober, sent } = create()
    void prober.probe(Array.from({ length: 12 }, (_, index) => `192.0.2.${index + 1}:3478`))
    await pass(platform, 1)
    expect(sent()).toHaveLength(8)
    prober.close()
  })

  test.each([
    ['a complete one', '192.0.2.2:3479', ['192.0.2.2 3478', '192.0.2.2 3479']],
    ['its own address', '192.0.2.1:3479', []],
    ['its own port', '192.0.2.2:3478', []],
    ['no port', '192.0.2.2:0', []],
    ['nobody', '0.0.0.0:3479', []],
    ['everybody', '224.0.0.1:3479', []],
    ['ourselves', '127.0.0.1:3479', []],
    ['another family', '[2001:db8::2]:3479', []],
  ])('RFC 5780 §7.4: an OTHER-ADDRESS that is %s', async (_what, other, expected) => {
    const { platform, prober, sent, answer } = create()
    void prober.probe(['192.0.2.1:3478'], undefined, { withOtherAddress: true })
    await pass(platform, 1)
    answer('192.0.2.1', '203.0.113.5:1', other)
    await pass(platform, 1)
    expect(sent().slice(1)).toEqual(expected)
    prober.close()
  })

  test('RFC 5780 §7.4: not asked where nobody wants it, and what the other address tells of is not followed', async () => {
    const { platform, prober, sent, answer } = create()
    void prober.probe(['192.0.2.1:3478'])
    await pass(platform, 1)
    answer('192.0.2.1', '203.0.113.5:1', '192.0.2.2:3479')
    await pass(platform, 1)
    expect(sent()).toHaveLength(1)
    void prober.probe(['192.0.2.1:3478'], undefined, { withOtherAddress: true })
    await pass(platform, 1)
    answer('192.0.2.1', '203.0.113.5:1', '192.0.2.2:3479')
    await pass(platform, 1)
    answer('192.0.2.2', '203.0.113.5:1', '192.0.2.3:3480')
    await pass(platform, 1)
    expect(sent().filter((to) => to.startsWith('192.0.2.3'))).toEqual([])
    prober.close()
  })

  test('two probes at a time do not disturb each other', async () => {
    const { platform, prober, answer } = create()
    const controller = new AbortController()
    const first = prober.probe(['192.0.2.1:3478'], controller.signal)
    const second = prober.probe(['192.0.2.1:3478'])
    await pass(platform, 1)
    controller.abort()
    await expect(first).rejects.toMatchObject({ name: 'AbortError' })
    answer('192.0.2.1', '203.0.113.5:1')
    expect((await second).samples).toHaveLength(1)
  })

  test('closing resolves what is under way, and sends nothing more', async () => {
    const { platform, prober, sent } = create()
    const probing = prober.probe(['192.0.2.1:3478'])
    await pass(platform, 1)
    prober.close()
    expect(text(await probing)).toEqual({ samples: [], failures: [] })
    expect(text(await prober.probe(['192.0.2.1:3478']))).toEqual({ samples: [], failures: [] })
    await pass(platform, 3000)
    expect([sent().length, platform.nextTimer]).toEqual([1, Number.POSITIVE_INFINITY])
  })

  test('a signal that outlives many probes keeps nothing of them', async () => {
    const { platform, prober, answer } = create()
    const controller = new AbortController()
    let listeners = 0
    const { signal } = controller
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--
      removeEventListener.apply(signal, args)
    }
    const probing = prober.probe(['192.0.2.1:3478'], signal)
    await pass(platform, 1)
    expect(listeners).toBe(1)
    answer('192.0.2.1', '203.0.113.5:1')
    await probing
    expect(listeners).toBe(0)
  })
})

describe('filtering in virtual time', () => {
  test('RFC 5780 §4.4: of a server that says nothing at all nothing follows', async () => {
    const platform = new NetPlatform()
    const filtering = probeFiltering(platform, '0.0.0.0', parseSocketAddress('192.0.2.1:3478'))
    await pass(platform, 3000)
    expect(await filtering).toBe('unknown')
    expect(platform.sockets.map(({ sent, isClosed }) => [sent.length, isClosed])).toEqual([[4, true]])
  })

  test('RFC 5780 §4.4: by address, by address and port: what does not come within 3 s was filtered', async () => {
    for (const [sources, expected] of [
      [['192.0.2.1:3478'], 'address-and-port-dependent'],
      [['192.0.2.1:3478', '192.0.2.1:3479'], 'address-dependent'],
      [['192.0.2.1:3478', '192.0.2.1:3479', '192.0.2.2:3479'], 'endpoint-independent'],
    ] as const) {
      const platform = new NetPlatform()
      const { signal } = new AbortController()
      const filtering = probeFiltering(platform, '0.0.0.0', parseSocketAddress('192.0.2.1:3478'), signal)
      let listeners = 0
      const { addEventListener, removeEventListener } = signal
      signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
        listeners++
        addEventListener.apply(signal, args)
      }
      signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
        listeners--
        removeEventListener.apply(signal, args)
      }
      await pass(platform, 1)
      const [socket] = platform.sockets
      const answered = new Set<string>()
      const answer = () => {
        for (const { data } of socket!.sent) {
          const { transactionId, changeRequest } = decodeStun(data)!
          const source = `192.0.2.${changeRequest?.ip === true ? 2 : 1}:${changeRequest?.port === true ? 3479 : 3478}`
          if (answered.has(source) || !(sources as readonly string[]).includes(source)) continue
          answered.add(source)
          const [host, port] = source.split(':') as [string, string]
          const mapped = parseSocketAddress('203.0.113.5:4100')
          socket!.onMessage(encodeStun({ type: StunType.success, transactionId, mapped }), host, Number(port))
        }
      }
      answer()
      await pass(platform, 1)
      answer()
      await pass(platform, 3000)
      expect(await filtering).toBe(expected)
      expect(listeners).toBe(0)
    }
  })
})

describe('side sockets', () => {
  test('one that cannot be had closes the others', async () => {
    const platform = new VirtualPlatform()
    const { bindUdp } = platform
    platform.bindUdp = (options) =>
      options.host === '::' ? Promise.reject(new Error('EAFNOSUPPORT')) : bindUdp.call(platform, options)
    await expect(SideSockets.bind(platform, ['0.0.0.0', '::'])).rejects.toThrow('EAFNOSUPPORT')
    expect(platform.sockets.map(({ isClosed }) => isClosed)).toEqual([true])
  })
})

test.each([
  ['stun.example.org:19302', 'stun.example.org', 19_302],
  ['stun.example.org', 'stun.example.org', 3478],
  ['stun.example.org.:1', 'stun.example.org.', 1],
  ['192.0.2.1:3478', '192.0.2.1', 3478],
  ['[2001:db8::1]:65535', '2001:db8::1', 65_535],
  ['[2001:db8::1]', '2001:db8::1', 3478],
])('RFC 8489 §18.6: the server %s', (name, host, port) => {
  expect(parseStunServer(name)).toEqual({ host, port })
})

test.each(['', ':3478', 'a:0', 'a:65536', 'a:b', 'a b', '2001:db8::1', '[192.0.2.1]:1', '[x]:1', 'stun:a:1', 'a/b:1'])(
  'no server: %j',
  (name) => {
    expect(() => parseStunServer(name)).toThrow(expect.objectContaining({ code: 'INVALID_ENCODING' }))
  },
)
