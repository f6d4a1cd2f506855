/** The client over real sockets: Node's WebSocket client against Node's HTTP server, our WebSocket and our hub. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { afterEach, describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { RelayUrl, SecretKey } from '../../../src/identity/index.ts'
import { NodePlatform, NodeWebSocket, webSocketAccept } from '../../../src/platform/node/index.ts'
import { RelayTransport } from '../../../src/relay/client/relay-transport.ts'
import { CLIENT_AUTH_HEADER, checkUpgrade } from '../../../src/relay/protocol/index.ts'
import { RelayHub } from '../../../src/relay/server/hub/index.ts'
import { Pki } from '../server/pki.ts'
import { bytes } from './support.ts'

const crypto = createNodeCrypto()
const KEYS = [1, 2].map((number) => SecretKey.fromBytes(new Uint8Array(32).fill(number)))
const [ID0, ID1] = KEYS.map((key) => key.id.toBytes()) as [Uint8Array, Uint8Array]

class Relay {
  hub = this.#open()
  readonly authHeaders: (string | undefined)[] = []
  readonly firstFrames: number[] = []
  readonly links: NodeWebSocket[] = []
  readonly sockets: Socket[] = []
  readonly #server: Server
  readonly #scheme: string

  constructor(tls?: { readonly cert: string; readonly key: string }) {
    this.#scheme = tls === undefined ? 'http' : 'https'
    this.#server = tls === undefined ? createServer() : createTlsServer(tls)
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket as Socket, head))
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
  }

  get url(): string {
    return `${this.#scheme}://localhost:${(this.#server.address() as AddressInfo).port}/`
  }

  #open(): RelayHub {
    return new RelayHub({ platform: new NodePlatform({ proxy: null }), crypto })
  }

  reopen(): void {
    this.hub = this.#open()
  }

  #upgrade(request: IncomingMessage, socket: Socket, head: Uint8Array): void {
    const check = checkUpgrade(request.method!, request.headersDistinct)
    if (!check.ok) {
      socket.destroy()
      return
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${webSocketAccept(check.key)}\r\nSec-WebSocket-Protocol: ${check.protocol}\r\n\r\n`,
    )
    const link = new NodeWebSocket(socket, {
      role: 'server',
      protocol: check.protocol,
      head,
      maxMessageSize: 1_048_576,
    })
    const authHeader = request.headersDistinct[CLIENT_AUTH_HEADER]?.[0]
    this.authHeaders.push(authHeader)
    this.links.push(link)
    this.sockets.push(socket)
    const { hub } = this
    hub.accept(link, {
      protocol: check.protocol,
      url: request.url!,
      authorization: request.headersDistinct.authorization ?? [],
      authHeader,
      exporter:
        socket instanceof TLSSocket
          ? (label, context, length) => socket.exportKeyingMaterial(length, label, Buffer.from(context))
          : undefined,
      remoteAddress: socket.remoteAddress!,
    })
    // after authentication by header nothing comes before the first frame; after a challenge its answer
    const { onMessage } = link
    link.onMessage = (message) => {
      this.firstFrames.push(message[0]!)
      link.onMessage = onMessage
      onMessage(message)
    }
  }

  async close(): Promise<void> {
    await this.hub.close({ reconnectInMs: 0, tryForMs: 0 })
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

class Client {
  readonly transport: RelayTransport
  readonly url: string
  readonly got: { peer: Uint8Array; data: Uint8Array }[] = []
  readonly notices: string[] = []
  #waiting: (() => void)[] = []

  constructor(relay: Relay, secretKey: SecretKey, ca: readonly string[] = []) {
    const { url } = relay
    this.url = url
    const changed = () => {
      for (const check of this.#waiting) check()
    }
    this.transport = new RelayTransport({
      platform: new NodePlatform({ proxy: null, ...(ca.length > 0 && { ca }) }),
      crypto,
      secretKey,
      relays: [{ url: RelayUrl.parse(url) }],
      handler: {
        onDatagram: (_, peer, data) => {
          this.got.push({ peer: peer.slice(), data: data.slice() })
          changed()
        },
        onPeerGone: changed,
        onStatus: changed,
        onBlockedChange: changed,
        onNotice: (_, notice) => {
          this.notices.push(notice)
          changed()
        },
      },
    })
    this.transport.setHome(url)
  }

  /** Looks again at whatever the transport reports. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return
        this.#waiting = this.#waiting.filter((other) => other !== check)
        resolve()
      }
      this.#waiting.push(check)
      check()
    })
  }

  connected(): Promise<void> {
    return this.until(() => this.transport.status(this.url)?.state === 'connected')
  }

  send(peer: Uint8Array, ...datagrams: Uint8Array[]): void {
    for (const data of datagrams) this.transport.send(this.url, peer, data)
    this.transport.flush()
  }
}

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function relayOf(tls?: { readonly cert: string; readonly key: string }): Promise<Relay> {
  const relay = new Relay(tls)
  open.push(relay)
  await relay.listen()
  return relay
}

function clientOf(relay: Relay, secretKey: SecretKey, ca?: readonly string[]): Client {
  const client = new Client(relay, secretKey, ca)
  open.push(client.transport)
  return client
}

const pattern = (length: number, first: number) => Uint8Array.from({ length }, (_, index) => first + index * 7)

describe('over loopback', () => {
  test('datagrams both ways, batches and bulk', async () => {
    const relay = await relayOf()
    const [near, far] = [clientOf(relay, KEYS[0]!), clientOf(relay, KEYS[1]!)]
    await Promise.all([near.connected(), far.connected()])
    const sent = [pattern(65_502, 1), pattern(1, 2), ...[3, 4, 5].map((first) => pattern(1_200, first)), pattern(9, 8)]
    near.send(ID1, ...sent)
    await far.until(() => far.got.length === sent.length)
    expect(far.got.every(({ data }, index) => Buffer.from(data).equals(sent[index]!))).toBe(true)
    expect(far.got.every(({ peer }) => Buffer.from(peer).equals(ID0))).toBe(true)
    expect(relay.hub.counters.send_packets_recv).toBe(3)
    far.send(ID0, bytes('answer'))
    await near.until(() => near.got.length === 1)
    expect(near.got).toEqual([{ peer: ID1, data: bytes('answer') }])
    // more than a burst, as fast as the other side takes it
    for (let round = 0; round < 50; round++) {
      near.send(ID1, ...Array.from({ length: 32 }, () => sent[3]!))
      await far.until(() => far.got.length === sent.length + 32 * (round + 1))
    }
    expect(near.transport.stats.datagramsDropped).toBe(0)
    expect(relay.authHeaders).toEqual([undefined, undefined])
  })

  test('reconnects when the hub is closed and opened again', async () => {
    const relay = await relayOf()
    const [near, far] = [clientOf(relay, KEYS[0]!), clientOf(relay, KEYS[1]!)]
    await Promise.all([near.connected(), far.connected()])
    const closed = relay.hub.close({ reconnectInMs: 0, tryForMs: 0 })
    relay.reopen()
    await Promise.all([near, far].map((client) => client.until(() => client.transport.isBlocked(relay.url))))
    await Promise.all([near.connected(), far.connected(), closed])
    expect(near.transport.isBlocked(relay.url)).toBe(false)
    near.send(ID1, bytes('again'))
    await far.until(() => far.got.length === 1)
    expect(relay.hub.clientCount).toBe(2)
  })

  test('the same id twice', async () => {
    const relay = await relayOf()
    const older = clientOf(relay, KEYS[0]!)
    await older.connected()
    const newer = clientOf(relay, KEYS[0]!)
    await Promise.all([newer.connected(), older.until(() => older.notices.length === 1)])
    expect([relay.hub.clientCount, relay.hub.connectionCount]).toEqual([1, 2])
    await newer.transport.close()
    await older.until(() => older.notices.length === 2)
    expect(older.notices).toEqual([
      'another endpoint connected with the same id: this one receives nothing any more',
      'this connection is healthy again',
    ])
  })

  test('spec/relay.md §2.4: over TLS the header proves the key, and there is no challenge', async () => {
    const pki = new Pki()
    const relay = await relayOf(pki.issue())
    const client = clientOf(relay, KEYS[0]!, [pki.rootPem])
    await client.connected()
    expect(relay.authHeaders[0]).toHaveLength(151)
    client.send(ID0, bytes('to myself'))
    await client.until(() => client.got.length === 1)
    expect(relay.firstFrames).toEqual([9])
    const stranger = clientOf(relay, KEYS[1]!)
    await stranger.until(() => stranger.transport.status(relay.url)?.state === 'disconnected')
    expect(stranger.transport.status(relay.url)).toMatchObject({ error: { code: 'RELAY_UNREACHABLE' } })
  })

  test('spec/relay.md §8.4: text and a ping of the WebSocket are kept, a message of more than 1 MiB is dropped', async () => {
    const relay = await relayOf()
    const client = clientOf(relay, KEYS[0]!)
    await client.connected()
    relay.sockets[0]!.write(bytes(0x81, 2, 'hi', 0x89, 0))
    client.send(ID0, bytes('to myself'))
    await client.until(() => client.got.length === 1)
    expect(client.transport.status(relay.url)).toEqual({ state: 'connected' })
    relay.links[0]!.send(new Uint8Array(1_048_577))
    await client.until(() => client.transport.status(relay.url)?.state === 'disconnected')
    await client.connected()
    expect(relay.links).toHaveLength(2)
  })

  test('spec/relay.md §2.3: without TLS the challenge', async () => {
    const relay = await relayOf()
    await clientOf(relay, KEYS[0]!).connected()
    expect(relay.firstFrames).toEqual([1])
  })
})
