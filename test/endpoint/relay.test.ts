/** Endpoints that have nothing but relays: real sockets, real TLS, our server in this process. Nodes without a UDP socket cannot go direct. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { SecretKey } from '../../src/identity/index.ts'
import { RelayServer, SharedToken } from '../../src/relay/server/index.ts'
import { Pki } from '../relay/server/pki.ts'
import { start } from '../relay/server/running.ts'
import { ALPN, bind, bytes, closeAfterEach, faults, text } from './pair.ts'

closeAfterEach()

async function echoes(server: Awaited<ReturnType<typeof bind>>): Promise<void> {
  server.router().accept(ALPN, async (connection) => {
    const { send, recv } = await connection.acceptBi()
    await send.write(await recv.readToEnd(1_000_000))
    await send.finish()
    await connection.closed
  })
}

describe('spec/relay.md §5: endpoints at a relay', () => {
  test('without a UDP socket: online, dialled by relay alone, both see the relay as the path', async () => {
    const { server: relay } = await start()
    const options = { bind: [], relays: [relay.url] }
    const [client, server] = [await bind(options), await bind(options)]
    await Promise.all([client.online(), server.online()])
    expect(server.homeRelay).toMatchObject({ isConnected: true })
    expect(server.addr().addrs).toEqual([{ kind: 'relay', url: relay.url }])
    await echoes(server)
    const connection = await client.connect(server.ticket(), ALPN)
    const { send, recv } = await connection.openBi()
    const body = new Uint8Array(200_000).map((_, index) => index & 255)
    const [answer] = await Promise.all([recv.readToEnd(1_000_000), send.write(body).then(() => send.finish())])
    expect(answer).toEqual(body)
    expect(connection.paths()).toMatchObject([{ kind: 'relay', remote: relay.url.href, selected: true }])
    expect(relay.counters.bytes_recv).toBeGreaterThan(400_000)
    expect(faults).toEqual([])
  })

  test('over TLS: header authentication, our own authority, and address discovery tells our address', async () => {
    const pki = new Pki()
    const { server: relay } = await start({
      tls: { certificate: pki.issue() },
      quic: { bind: '127.0.0.1:0' },
      hostname: 'localhost',
    })
    const options = {
      relays: [{ url: relay.url, quicPort: relay.quicAddress!.port }],
      caCertificates: [pki.rootPem],
    }
    const endpoint = await bind(options)
    await endpoint.online()
    await expect.poll(() => endpoint.netReport?.globalV4, { timeout: 5_000 }).toBeDefined()
    const [port] = endpoint.boundAddresses().map((address) => Number(address.split(':').at(-1)))
    expect(endpoint.netReport).toMatchObject({ udpV4: true, globalV4: { ip: new Uint8Array([127, 0, 0, 1]), port } })
    expect(relay.counters.qad_connections).toBeGreaterThan(0)
    expect(faults).toEqual([])
  })

  test('a relay with a certificate nobody vouches for is not used, and `online` says so', async () => {
    const { server: relay } = await start({ tls: { certificate: new Pki().issue() }, hostname: 'localhost' })
    const endpoint = await bind({ relays: [relay.url] })
    await expect(endpoint.online({ timeoutMs: 300 })).rejects.toMatchObject({
      code: 'OFFLINE',
      message: expect.stringContaining('localhost'),
    })
  })

  test('spec/relay.md §2.5: a relay that wants a token lets in who has it, and tells the others why not', async () => {
    const { server: relay } = await start({ access: new SharedToken(['open sesame']) })
    const knows = await bind({ bind: [], relays: [{ url: relay.url, token: 'open sesame' }] })
    await knows.online()
    const guesses = await bind({ bind: [], relays: [{ url: relay.url, token: 'wrong' }] })
    await expect(guesses.online({ timeoutMs: 300 })).rejects.toMatchObject({
      message: expect.stringContaining('not authorized'),
    })
    expect(relay.counters.tom_denied).toBeGreaterThan(0)
  })

  test('a dialler without relays of its own reaches a peer through the relay its ticket names', async () => {
    const { server: relay } = await start()
    const server = await bind({ bind: [], relays: [relay.url] })
    await server.online()
    await echoes(server)
    const client = await bind({ bind: [] })
    const connection = await client.connect(server.ticket().toString(), ALPN)
    const { send, recv } = await connection.openBi()
    await send.write(bytes('hello'))
    await send.finish()
    expect(text(await recv.readToEnd(10))).toBe('hello')
    expect(connection.paths()[0]?.kind).toBe('relay')
  })

  test('spec/endpoint.md §11.4: who comes through a relay can be asked to come again, and be refused; the relay is its address', async () => {
    const { server: relay } = await start()
    const options = { bind: [], relays: [relay.url] }
    const [client, server] = [await bind(options), await bind(options)]
    await Promise.all([client.online(), server.online()])
    const seen: { remoteAddress: string; isValidated: boolean }[] = []
    const guard = async (): Promise<void> => {
      for await (const incoming of server.incoming()) {
        seen.push({ remoteAddress: incoming.remoteAddress, isValidated: incoming.isValidated })
        if (seen.length === 1) incoming.retry()
        else if (seen.length === 2) await incoming.accept()
        else incoming.refuse()
      }
    }
    const guarding = guard()
    const connection = await client.connect(server.addr(), ALPN)
    expect(connection.remoteId.equals(server.id)).toBe(true)
    await expect(client.connect(server.addr(), ALPN)).rejects.toMatchObject({ code: 'REFUSED' })
    const remoteAddress = relay.url.href
    expect(seen).toEqual([
      { remoteAddress, isValidated: false },
      { remoteAddress, isValidated: true },
      { remoteAddress, isValidated: expect.any(Boolean) },
    ])
    await server.close()
    await guarding
  })

  test('spec/relay.md §4.2: a second endpoint with the same key takes over, and the first hears of it', async () => {
    const { server: relay } = await start()
    const secretKey = SecretKey.generate()
    const heard: unknown[] = []
    const options = { secretKey, bind: [], relays: [relay.url], onError: (error: unknown) => heard.push(error) }
    const first = await bind(options)
    await first.online()
    const second = await bind(options)
    await second.online()
    await expect.poll(() => heard.length, { timeout: 3_000 }).toBe(1)
    expect(heard[0]).toMatchObject({
      code: 'RELAY_NOTICE',
      message: expect.stringMatching(/another endpoint|same (?:endpoint )?id/i),
    })
    await second.close()
    await expect.poll(() => heard.length, { timeout: 3_000 }).toBe(2)
    expect(relay.clientCount).toBe(1)
  })

  test('closing an endpoint tells its peer through the relay, and leaves the relay', async () => {
    const { server: relay } = await start()
    const options = { bind: [], relays: [relay.url] }
    const [client, server] = [await bind(options), await bind(options)]
    await Promise.all([client.online(), server.online()])
    const accepted = server.accept()
    const connection = await client.connect(server.addr(), ALPN)
    await accepted
    await server.close()
    expect(await connection.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 0 })
    await expect.poll(() => relay.clientCount, { timeout: 3_000 }).toBe(1)
  })

  test('a relay that is started after the endpoint is found; setRelays changes it', async () => {
    const first = await RelayServer.start({ httpBind: '127.0.0.1:0' })
    const { url } = first
    await first.close()
    const endpoint = await bind({ bind: [], relays: [url] })
    await expect(endpoint.online({ timeoutMs: 300 })).rejects.toMatchObject({ code: 'OFFLINE' })
    const { server: other } = await start()
    onTestFinished(() => endpoint.close())
    endpoint.setRelays([other.url])
    await endpoint.online({ timeoutMs: 5_000 })
    expect(endpoint.homeRelay?.url.href).toBe(other.url.href)
  })
})
