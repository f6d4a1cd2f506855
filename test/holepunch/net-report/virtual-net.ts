/** UDP in virtual time: hosts with sockets, a delay to each address, NATs in front. Real drivers run on it. */
import { parseIp } from '../../../src/bytes/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { Driver, type ForeignPacket } from '../../../src/driver/index.ts'
import { Alarms } from '../../../src/holepunch/net-report/alarms.ts'
import { decodeStun, encodeStun, StunType } from '../../../src/holepunch/stun/message.ts'
import type { UdpSocket } from '../../../src/platform/index.ts'
import {
  type CloseReason,
  type Connection,
  Engine,
  type QuicSettings,
  type ServerCertificate,
  TrustedRoots,
} from '../../../src/quic/index.ts'
import { VirtualPlatform } from '../../driver/virtual-platform.ts'
import { authority, dns, ip, keys, NOW, server, subjectAltName } from '../../quic/tls/certificates.ts'
import { FakeWeb } from './fake-web.ts'

const ROOT = authority('Test Root', keys('p256'))
const LEAF_KEYS = keys('p256')
const LEAF = server(ROOT, LEAF_KEYS, {
  extensions: [
    subjectAltName(
      dns('*.relay.test'),
      ip(192, 0, 2, 9),
      ip(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9),
    ),
  ],
})
const CERTIFICATE: ServerCertificate = { chain: [LEAF.der], privateKey: LEAF_KEYS.pkcs8 }
export const ROOTS = new TrustedRoots([ROOT.der])
const text = (value: string) => new TextEncoder().encode(value)

/** A platform with HTTP, whose clock says what the certificates expect. */
export class NetPlatform extends VirtualPlatform {
  readonly web = new FakeWeb(this)

  override wallClock(): number {
    return NOW * 1000 + this.time
  }
}

/** Lets `ms` pass, each timer exactly at its time, and lets promises run in between. */
export async function pass(platform: VirtualPlatform, ms: number): Promise<void> {
  const end = platform.time + ms
  for (let step = 0; step < 20_000; step++) {
    for (let turn = 0; turn < 3; turn++) {
      for (let index = 0; index < 8; index++) await Promise.resolve()
      platform.settle()
    }
    if (platform.time >= end && platform.nextTimer > end) return
    platform.advance(Math.min(platform.nextTimer, end) - platform.time)
  }
  throw new Error('time does not get on')
}

class NetSocket implements UdpSocket {
  readonly family: 4 | 6
  readonly host: string
  readonly port: number
  readonly receiveBufferSize = 0
  readonly sendBufferSize = 0
  readonly queued = 0
  onMessage: (data: Uint8Array, host: string, port: number) => void = () => {}
  onError: (error: Error) => void = () => {}
  readonly #net: VirtualNet

  constructor(net: VirtualNet, host: string, port: number) {
    this.#net = net
    this.family = host.includes(':') ? 6 : 4
    this.host = host
    this.port = port
  }

  send(data: Uint8Array, start: number, length: number, host: string, port: number, done: () => void): void {
    this.#net.carry(this, data.slice(start, start + length), host, port)
    done()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

export class VirtualNet {
  readonly platform = new NetPlatform()
  readonly crypto = createNodeCrypto()
  /** One way, by the address of the server, ms; absent: datagrams vanish. */
  readonly delays = new Map<string, number>()
  /** How the world sees a socket, by the address it sends to; default: as it is. */
  nat: (socket: UdpSocket, to: string) => { host: string; port: number } = ({ host, port }) => ({ host, port })
  /** Hears of STUN packets to a host's driver. */
  onForeign: (packet: ForeignPacket) => void = () => {}
  /** Datagrams sent to each `host port`. */
  readonly sent = new Map<string, number>()
  readonly #alarms = new Alarms(this.platform)
  readonly #byPublic = new Map<string, NetSocket>()
  readonly #servers = new Set<string>()

  driver(
    hosts: readonly string[],
    seed: number,
    server?: Partial<QuicSettings>,
    onConnection?: (connection: QadSeen) => void,
  ): Driver {
    const { platform, crypto } = this
    const driver: Driver = new Driver({
      platform,
      slots: { count: 64, size: 2048 },
      createEngine: (slots, routes) =>
        new Engine({
          crypto,
          random: platform.random,
          slots,
          routes,
          secretKey: new Uint8Array(32).fill(seed),
          ...(server === undefined
            ? {}
            : { settings: server, server: { alpns: () => [text('/iroh-qad/0')], certificate: CERTIFICATE } }),
        }),
      onIncoming: (incoming) => {
        const seen: QadSeen = { connection: undefined, end: undefined }
        seen.connection = driver.accept(incoming, {
          onEvent: (event) => {
            if (event.type === 'closed') seen.end = event.reason
          },
        })
        onConnection?.(seen)
      },
      ...(server === undefined ? { onForeign: (packet: ForeignPacket) => this.onForeign(packet) } : {}),
      onFault: (error) => {
        throw error
      },
    })
    for (const host of hosts) {
      const socket = new NetSocket(this, host, server === undefined ? 4000 : 7842)
      if (server !== undefined) this.#servers.add(`${host} 7842`)
      this.#byPublic.set(`${host} ${socket.port}`, socket)
      driver.addSocket(socket)
    }
    return driver
  }

  /** A STUN server, which answers where `delays` has its address. */
  stunServer(host: string, port = 3478): void {
    const socket = new NetSocket(this, host, port)
    this.#servers.add(`${host} ${port}`)
    this.#byPublic.set(`${host} ${port}`, socket)
    socket.onMessage = (data, from, fromPort) => {
      const message = decodeStun(data)
      if (message === undefined) return
      const mapped = { ip: parseIp(from), port: fromPort }
      const answer = encodeStun({ type: StunType.success, transactionId: message.transactionId, mapped })
      this.carry(socket, answer, from, fromPort)
    }
  }

  carry(from: NetSocket, data: Uint8Array, host: string, port: number): void {
    const to = `${host} ${port}`
    this.sent.set(to, (this.sent.get(to) ?? 0) + 1)
    const isServer = this.#servers.has(`${from.host} ${from.port}`)
    const source = isServer ? from : this.nat(from, host)
    this.#byPublic.set(`${source.host} ${source.port}`, from)
    const delayMs = this.delays.get(isServer ? from.host : host)
    if (delayMs === undefined) return
    this.#alarms.after(delayMs, () => this.#byPublic.get(to)?.onMessage(data, source.host, source.port))
  }
}

/** A connection as the server sees it. */
export interface QadSeen {
  connection: Connection | undefined
  end: CloseReason | undefined
}

/** A relay's side of address discovery. */
export class QadServer {
  readonly seen: QadSeen[] = []
  readonly driver: Driver

  constructor(net: VirtualNet, hosts: readonly string[], settings: Partial<QuicSettings> = {}) {
    this.driver = net.driver(
      hosts,
      100 + net.delays.size,
      { observedAddressRole: 0, maxStreamsBidi: 0, maxStreamsUni: 0, maxPathId: undefined, ...settings },
      (seen) => this.seen.push(seen),
    )
  }

  get live(): number {
    return this.seen.filter(({ end }) => end === undefined).length
  }

  get ends(): string[] {
    return this.seen.flatMap(({ end }) =>
      end?.kind === 'peer-application' ? [`${end.code} ${end.reason}`] : end === undefined ? [] : [end.kind],
    )
  }
}
