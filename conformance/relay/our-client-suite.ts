/** Our relay client at the real server, protocol and all, without an endpoint. */
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { SecretKey } from '../../src/identity/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { FrameType, type RelayProtocol } from '../../src/relay/index.ts'
import { pattern, patternHash } from '../../test/interop/pattern.ts'
import type { RealRelay } from '../relay-server.ts'
import { OurClient, type OurClientOptions } from './our-client.ts'
import { type RelayLab, until } from './setup.ts'

/** Contents of the longest frame that may be sent, spec/relay.md §3.1. */
const LONGEST = 65_502

const WAYS: readonly { readonly name: string; readonly protocol: RelayProtocol; readonly isSecure: boolean }[] = [
  { name: 'protocol v2', protocol: 'iroh-relay-v2', isSecure: false },
  { name: 'protocol v1', protocol: 'iroh-relay-v1', isSecure: false },
  { name: 'protocol v2 over TLS', protocol: 'iroh-relay-v2', isSecure: true },
  { name: 'protocol v1 over TLS', protocol: 'iroh-relay-v1', isSecure: true },
]

export function ourClientSuite(labNow: () => RelayLab): void {
  const fresh = (): SecretKey => SecretKey.generate(new NodePlatform().random)

  describe.each(WAYS.map((way) => [way.name, way] as const))('%s', (_, { protocol, isSecure }) => {
    const start = async (config: readonly string[] = []): Promise<{ relay: RealRelay; client: ClientOf }> => {
      const relay = await (isSecure ? labNow().realSecure({ config }) : labNow().real({ config }))
      const client = (more = {}): Promise<OurClient> =>
        OurClient.connect({ url: relay.url, protocol, ca: labNow().ca, ...more })
      return { relay, client }
    }
    type ClientOf = (more?: Partial<OurClientOptions>) => Promise<OurClient>

    test('relay.md §2: the handshake, by header over TLS, by challenge without', async () => {
      const { relay, client } = await start()
      const { links } = await client()
      expect(links).toEqual([
        { protocol, firstFrame: isSecure ? FrameType.ServerConfirmsAuth : FrameType.ServerChallenge },
      ])
      expect((await relay.counters()).get('accepts')).toBe(1)
    })

    test('relay.md §3: datagrams and batches both ways, the longest datagram, and back', async () => {
      const { relay, client } = await start()
      const ours = await client()
      const theirs = await labNow().peer({ url: relay.url, echo: true })
      ours.send(theirs.id, pattern(1))
      ours.send(theirs.id, pattern(1200), pattern(1200), pattern(700))
      ours.send(theirs.id, pattern(LONGEST))
      // a batch comes back as one, and is taken apart
      await ours.heard(5)
      expect(ours.received.map(({ peer, data }) => [peer, data.length])).toEqual(
        [1, 1200, 1200, 700, LONGEST].map((length) => [theirs.id, length]),
      )
      for (const { data } of ours.received) expect(digest(data)).toBe(digest(pattern(data.length)))
      expect(theirs.events).toMatchObject([
        { event: 'datagrams', peer: ours.id, bytes: 1, segment: null },
        { event: 'datagrams', peer: ours.id, bytes: 3100, segment: 1200 },
        { event: 'datagrams', peer: ours.id, bytes: LONGEST, segment: null, fnv: patternHash(LONGEST) },
      ])
    })

    test('relay.md §3.3, §3.5: it answers our pings, and says when a peer has gone', async () => {
      const { relay, client } = await start()
      const ours = await client()
      const theirs = await labNow().peer({ url: relay.url })
      await theirs.send({ peer: ours.id, size: 10 })
      await ours.heard(1)
      await until('a pong', async () => (await relay.counters()).get('sent_pong') === 1)
      await theirs.stop()
      await until('gone', () => ours.gone.length > 0)
      expect(ours.gone).toEqual([theirs.id])
      expect(ours.state).toBe('connected')
    })

    test('relay.md §3.4, §4.2: the same id twice: the first is told, and again when it is alone', async () => {
      const { client } = await start()
      const secretKey = fresh()
      const first = await client({ secretKey })
      const second = await client({ secretKey })
      await until('a notice', () => first.notices.length === 1)
      // what comes goes to the newest; both may send
      const third = await client()
      third.send(first.id, pattern(100))
      await second.heard(1)
      first.send(third.id, pattern(50))
      await third.heard(1)
      expect(first.received).toEqual([])
      await second.transport.close()
      await until('another notice', () => first.notices.length === 2)
      third.send(first.id, pattern(200))
      await first.heard(1)
      expect(first.received[0]!.data.length).toBe(200)
    })
  })

  test('relay.md §2.4: a signature in the header that does not hold: the challenge follows', async () => {
    const relay = await labNow().realSecure()
    const client = await OurClient.connect({ url: relay.url, ca: labNow().ca, hasSpoiledHeader: true })
    expect(client.links[0]!.firstFrame).toBe(FrameType.ServerChallenge)
  })

  test('relay.md §1.6: a certificate that nobody vouches for', async () => {
    const relay = await labNow().realSecure()
    const client = OurClient.open({ url: relay.url })
    await until('an error', () => client.error !== undefined)
    expect(client.error).toMatch(/certificate/)
  })

  test('relay.md §1.3: it chooses v2 when both are offered', async () => {
    const relay = await labNow().real()
    const client = await OurClient.connect({ url: relay.url })
    expect(client.links[0]!.protocol).toBe('iroh-relay-v2')
  })

  test('relay.md §2.5: a token in the header, or in the query; without it the reason of the denial', async () => {
    const relay = await labNow().real({ config: ['access.shared_token = ["open sesame"]'] })
    await OurClient.connect({ url: relay.url, token: 'open sesame' })
    await OurClient.connect({ url: `${relay.url}?token=open%20sesame` })
    const stranger = OurClient.open({ url: relay.url, token: 'shut sesame' })
    await until('denied', () => stranger.error !== undefined)
    expect(stranger.error).toMatch(/not authorized/)
  })

  test('relay.md §4.4: a list of ids', async () => {
    const secretKey = fresh()
    const relay = await labNow().real({ config: [`access.allowlist = ["${String(secretKey.id)}"]`] })
    await OurClient.connect({ url: relay.url, secretKey })
    const stranger = OurClient.open({ url: relay.url })
    await until('denied', () => stranger.error !== undefined)
    expect(stranger.error).toMatch(/not authorized/)
  })

  test('relay.md §4.3: a rate limit holds us back, and loses nothing that was sent', async () => {
    const relay = await labNow().real({ config: ['limits.client.rx.bytes_per_second = 400000'] })
    const ours = await OurClient.connect({ url: relay.url })
    const theirs = await OurClient.connect({ url: relay.url })
    for (let round = 0; round < 10; round++) ours.send(theirs.id, ...Array.from({ length: 10 }, () => pattern(1200)))
    await theirs.heard(100)
    expect(theirs.received.length).toBe(100)
    expect((await relay.counters()).get('conns_rx_ratelimited')).toBe(1)
    await until('a notice', () => ours.notices.length > 0)
  })

  test('relay.md §5.3: the relay dies and comes back: so do we', async () => {
    const relay = await labNow().real()
    const ours = await OurClient.connect({ url: relay.url })
    await relay.stop(true)
    await until('lost', () => ours.state !== 'connected')
    const again = await labNow().real({ httpPort: Number(relay.address.split(':')[1]) })
    await ours.connected()
    const theirs = await labNow().peer({ url: again.url, echo: true })
    ours.send(theirs.id, pattern(100))
    await ours.heard(1)
  })
}

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}
