/** Peers that name addresses they should not, strangers that forge what they have seen: nobody is probed for it, and no connection moves. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import { encodeUtf8, parseSocketAddress, type SocketAddress } from '../../src/bytes/index.ts'
import { Connection as QuicConnection } from '../../src/quic/index.ts'
import { line } from './support/nat/access-link.ts'
import { type Side, Story } from './support/nat/story.ts'
import { Traces } from './support/nat/traces.ts'
import type { Address } from './support/network.ts'

/** A token bucket of probes: so many at once, and so many more a second (spec/endpoint.md §13). */
const PROBES = 576
const PROBES_A_SECOND = 60

const pair = (seed: string): Promise<Story> =>
  Story.begin(seed, { client: { nat: 'moderate' }, server: { nat: 'moderate' }, options: { birthday: false } })

/** Addresses at which nobody is. */
function nobody(count: number, net = 51): Address[] {
  return Array.from({ length: count }, (_, index) => ({
    host: `198.${net}.100.${(index % 250) + 1}`,
    port: 1000 + index,
  }))
}

/** Of its IPv4 socket. */
const portOf = ({ node }: Side): number => Number(node.endpoint.boundAddresses()[0]!.split(':').at(-1))

const text = ({ host, port }: Address): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)

/** Of the victim: the first address in its household, and the port that it asks for. */
const OWN: Address = { host: '192.168.1.10', port: 4433 }

afterEach(() => vi.restoreAllMocks())

/** From now on one side tells these addresses besides its own, whatever they are. */
function lie(side: 'client' | 'server', lies: () => readonly Address[]): void {
  const all = (addresses: readonly SocketAddress[]): SocketAddress[] => [
    ...lies().map((address) => parseSocketAddress(text(address))),
    ...addresses,
  ]
  const { setLocalCandidates, startRound } = QuicConnection.prototype
  if (side === 'server') {
    vi.spyOn(QuicConnection.prototype, 'setLocalCandidates').mockImplementation(function (this: QuicConnection, own) {
      setLocalCandidates.call(this, all(own))
    })
  } else {
    vi.spyOn(QuicConnection.prototype, 'startRound').mockImplementation(function (this: QuicConnection, own, now) {
      startRound.call(this, all(own), now)
    })
  }
}

describe.each([
  { liar: 'server', victim: 'client' },
  { liar: 'client', victim: 'server' },
] as const)('a $liar that lies', ({ liar, victim }) => {
  test('spec/endpoint.md §13: names loopback, multicast, no address, port 0 and our own: none of them is sent anything', async () => {
    const forbidden: Address[] = [
      { host: '127.0.0.1', port: 9 },
      { host: '127.8.7.6', port: 9 },
      { host: '0.0.0.0', port: 9 },
      { host: '224.0.0.251', port: 5353 },
      { host: '239.255.255.250', port: 1900 },
      { host: '255.255.255.255', port: 9 },
      { host: '198.51.100.1', port: 0 },
      { host: '::1', port: 9 },
      { host: '::', port: 9 },
      { host: 'ff02::fb', port: 5353 },
      { host: '::ffff:127.0.0.1', port: 9 },
      OWN,
    ]
    const decoy = nobody(1)
    lie(liar, () => [...decoy, ...forbidden])
    const sentTo: string[] = []
    const story = await Story.begin(`forbidden ${liar}`, {
      client: { nat: 'moderate' },
      server: { nat: 'moderate' },
      [victim]: { nat: 'moderate', options: { bind: [`0.0.0.0:${OWN.port}`] } },
      options: { birthday: false },
      prepare: (world) =>
        world.internet.egress.push((host, packet) => {
          if (host.name === victim) sentTo.push(text(packet.target))
        }),
    })
    await story.direct()
    await story.world.run(61_000)
    expect(story.isDirect).toBe(true)
    expect(story[victim].host.addresses).toEqual([OWN.host])
    // what may be probed was
    expect(sentTo.filter((target) => target === text(decoy[0]!)).length).toBeGreaterThan(5)
    expect(sentTo.filter((target) => forbidden.map(text).includes(target))).toEqual([])
    await story.end()
  })

  test('names hundreds of addresses, others every second: it costs a bounded number of packets', async () => {
    let second = 0
    lie(liar, () => nobody(31, 51).map(({ host, port }) => ({ host, port: port + 100 * second })))
    const story = await pair(`hundreds ${liar}`)
    const traces = new Traces(story.world, story[victim].host)
    const begun = story.world.now
    for (second = 1; second <= 20; second++) {
      const { endpoint } = story[liar].node
      endpoint.addExternalAddress(`192.0.2.77:${1000 + second}`)
      if (second > 1) endpoint.removeExternalAddress(`192.0.2.77:${999 + second}`)
      await story.world.run(1_000)
    }
    const lied = Array.from({ length: 21 }, (_, index) =>
      nobody(31, 51).map(({ host, port }) => ({ host, port: port + 100 * index })),
    ).flat()
    const sent = traces.to(lied)
    expect(sent).toBeGreaterThan(100)
    expect(sent).toBeLessThanOrEqual(PROBES + (PROBES_A_SECOND * (story.world.now - begun)) / 1000)
    await story.end()
  })
})

describe('a stranger that saw it all', () => {
  test('forged STUN answers, disco, QUIC of any kind and copies of real packets change nothing', async () => {
    const story = await pair('forgery')
    await story.direct()
    await story.world.run(3_000)
    const { world } = story
    const sides = [story.client, story.server]
    const ends = sides.map((side) => ({ host: side.router!.host, port: portOf(side) }))
    const known = () => sides.map(({ node }) => node.endpoint.addr().addrs.length)
    const remotes = () => [story.connection, story.accepted].map((one) => one.paths().map(({ remote }) => remote))
    const before = { known: known(), remotes: remotes() }
    const stranger = world.internet.host('stranger', { v4: '203.0.113.66', line: line({ delayMs: 1 }) })
    const socket = stranger.open('0.0.0.0', 666)
    const answers: Uint8Array[] = []
    socket.onMessage = (data) => answers.push(data.slice())
    const sources: Address[] = [
      { host: '203.0.113.66', port: 666 },
      ...ends,
      ...world.stunServers.map((server) => ({ host: server.split(':')[0]!, port: 3478 })),
    ]
    const copies = sides.map(({ host }) => new Traces(world, host).keep(30))
    await world.run(1_000)
    const random = world.random.fork('forgery')
    const mapped = Uint8Array.of(0, 0x20, 0, 8, 0, 1, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66)
    const forgeries = (): Uint8Array[] => [
      // a STUN answer to nothing that was asked
      Uint8Array.of(1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42, ...random.bytes(12), ...mapped),
      // disco's magic, any key, any box
      Uint8Array.of(0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac, ...random.bytes(118)),
      // short headers with anything behind, and a connection id of nobody
      Uint8Array.of(0x40 | (random.u32() & 0x3f), ...random.bytes(random.int(20, 1200))),
      // Version Negotiation, Retry, Initial
      Uint8Array.of(0xc0, 0, 0, 0, 0, 8, ...random.bytes(8), 8, ...random.bytes(8), 0xff, 0, 0, 29),
      Uint8Array.of(0xf0, 0, 0, 0, 1, 8, ...random.bytes(8), 8, ...random.bytes(80)),
      encodeUtf8('hello'),
      ...copies.flat().map(({ bytes }) => bytes),
      // what was real, with another end
      ...copies.flat().map(({ bytes }) => bytes.map((byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte))),
    ]
    for (let round = 0; round < 5; round++) {
      for (const bytes of forgeries())
        for (const source of sources) for (const target of ends) world.internet.forge({ source, target, bytes })
      await world.run(2_000)
      expect({ known: known(), remotes: remotes() }).toEqual(before)
      expect(story.isDirect).toBe(true)
    }
    expect(story.pinging.longestPause).toBeLessThan(300)
    await story.end()
    expect(answers).toEqual([])
  })
})

describe('a stranger that is believed by the NAT', () => {
  test('behind full cones forged packets come in: they are answered by less than they cost, and change nothing', async () => {
    const story = await Story.begin('forgery at open ports', { client: { nat: 'open' }, server: { nat: 'open' } })
    await story.direct()
    const { world } = story
    const sides = [story.client, story.server]
    const copies = sides.map(({ host }) => new Traces(world, host).keep(40))
    const own = sides.map(({ host }) => new Traces(world, host))
    await world.run(2_000)
    const ends = sides.map((side) => ({ host: side.router!.host, port: portOf(side) }))
    const before = [story.connection, story.accepted].map((one) => one.paths().map(({ remote }) => remote))
    const source = { host: '203.0.113.66', port: 666 }
    let cost = 0
    for (const packet of copies.flat()) {
      for (const target of ends) {
        world.internet.forge({ source, target, bytes: packet.bytes })
        cost += packet.bytes.length
      }
      await world.run(20)
    }
    await world.run(5_000)
    const answered = own.map((traces) => traces.bytesTo([source]))
    // stateless resets (RFC 9000 §10.3): shorter than what they answer
    expect(answered[0]! + answered[1]!).toBeGreaterThan(0)
    expect(answered[0]! + answered[1]!).toBeLessThan(cost)
    expect([story.connection, story.accepted].map((one) => one.paths().map(({ remote }) => remote))).toEqual(before)
    expect(story.pinging.longestPause).toBeLessThan(300)
    await story.end()
  })
})
