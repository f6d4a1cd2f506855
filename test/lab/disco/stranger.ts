/**
 * Somebody whom an iroh 0.35 node does not know: raw disco packets and QUIC headers from sockets of its own, as a child in a network namespace. Says in one JSON line what came back
 * for each step. A packet that should be ignored is followed by one that is answered: so nothing is waited for in vain.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { encodeHex, formatSocketAddress, parseIp } from '../../../src/bytes/index.ts'
import { boxKey, sealBox, x25519PublicOf, x25519SecretOf } from '../../../src/crypto/index.ts'
import { DiscoBox, discoSender } from '../../../src/holepunch/disco/box.ts'
import { type DiscoMessage, encodeDiscoMessage } from '../../../src/holepunch/disco/message.ts'
import { EndpointId, SecretKey } from '../../../src/identity/index.ts'
import { NodePlatform } from '../../../src/platform/node/index.ts'

const [host = '', port = '', id = '', local = ''] = process.argv.slice(2)
const systemRandom = new NodePlatform().random
const PEER = EndpointId.parse(id).toBytes()
const KEY = SecretKey.generate(systemRandom)
const MAGIC = [0x54, 0x53, 0xf0, 0x9f, 0x92, 0xac]
/** Long enough for anything that is alive, ms. */
const LIMIT_MS = 10_000

interface Got {
  readonly message?: DiscoMessage
  readonly quic?: Uint8Array
}

class Stranger {
  readonly box = new DiscoBox(KEY, systemRandom)
  readonly socket: Socket
  readonly got: Got[] = []
  answers = true

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('message', (data) => {
      if (discoSender(data) === undefined) {
        this.got.push({ quic: data })
        return
      }
      const message = this.box.open(data, host, performance.now())?.message
      if (message === undefined) return
      this.got.push({ message })
      if (message.type === 'ping' && this.answers) {
        const observed = { kind: 'udp', ip: parseIp(host), port: Number(port) } as const
        this.say({ type: 'pong', transactionId: message.transactionId, observed })
      }
    })
  }

  static async open(): Promise<Stranger> {
    const socket = createSocket('udp4')
    socket.bind(0, local)
    await once(socket, 'listening')
    return new Stranger(socket)
  }

  send(packet: Uint8Array): void {
    this.socket.send(packet, Number(port), host)
  }

  say(message: DiscoMessage): void {
    this.send(this.box.seal(PEER, message)!)
  }

  /** Any plaintext, sealed as it should be. */
  saySealed(plain: Uint8Array): void {
    const key = boxKey(x25519SecretOf(KEY.toBytes()), x25519PublicOf(PEER)!)!
    const nonce = random(24)
    this.send(Uint8Array.from([...MAGIC, ...KEY.id.toBytes(), ...sealBox(key, nonce, plain), ...nonce]))
  }

  async until<T>(what: string, find: (got: readonly Got[]) => T | undefined): Promise<T> {
    for (const end = performance.now() + LIMIT_MS; performance.now() < end; await wait(5)) {
      const found = find(this.got)
      if (found !== undefined) return found
    }
    throw new Error(`nothing came: ${what}`)
  }

  /** Pings, and waits for the Pong. */
  async ping(transactionId = random(12)): Promise<DiscoMessage & { type: 'pong' }> {
    this.say({ type: 'ping', transactionId, key: KEY.id.toBytes() })
    return this.pongFor(transactionId)
  }

  pongFor(transactionId: Uint8Array): Promise<DiscoMessage & { type: 'pong' }> {
    return this.until('pong', () => this.pongs(transactionId)[0])
  }

  pongs(transactionId: Uint8Array): (DiscoMessage & { type: 'pong' })[] {
    const name = encodeHex(transactionId)
    return this.got.flatMap(({ message }) =>
      message?.type === 'pong' && encodeHex(message.transactionId) === name ? [message] : [],
    )
  }

  get pings(): number {
    return this.got.filter(({ message }) => message?.type === 'ping').length
  }
}

function random(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  systemRandom.fill(bytes)
  return bytes
}

/** A datagram with an unknown version, which a server answers with Version Negotiation (RFC 9000 §6.1), and its source id. */
function probe(): { packet: Uint8Array; source: string } {
  const source = random(8)
  const packet = new Uint8Array(1_200)
  packet.set([0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, ...random(8), 8, ...source])
  return { packet, source: encodeHex(source) }
}

/** Whose probe a Version Negotiation packet answers: its destination id; and the versions. */
function negotiation(quic: Uint8Array | undefined): { to: string; versions: string[] } | undefined {
  if (quic === undefined || (quic[0]! & 0x80) === 0 || quic.subarray(1, 5).some((byte) => byte !== 0)) return undefined
  const length = quic[5]!
  const versionsAt = 6 + length + 1 + quic[6 + length]!
  const versions: string[] = []
  for (let at = versionsAt; at + 4 <= quic.length; at += 4) versions.push(encodeHex(quic.subarray(at, at + 4)))
  return { to: encodeHex(quic.subarray(6, 6 + length)), versions }
}

async function run(): Promise<Record<string, unknown>> {
  const result: Record<string, unknown> = {}
  const first = await Stranger.open()

  const early = probe()
  first.send(early.packet)
  const pong = await first.ping()
  const { observed } = pong
  result.observed = observed.kind === 'udp' ? formatSocketAddress(observed) : observed.url
  result.own = `${local}:${first.socket.address().port}`
  await first.until('ping back', () => (first.pings > 0 ? true : undefined))

  const late = probe()
  first.send(late.packet)
  const { to, versions } = await first.until('Version Negotiation', (got) =>
    got.map(({ quic }) => negotiation(quic)).find((one) => one !== undefined),
  )
  result.gate = to === late.source ? 'opened by the ping' : 'open before'
  result.versions = versions

  const other = await Stranger.open()
  other.send(probe().packet)

  const longer = random(12)
  const plain = encodeDiscoMessage({ type: 'ping', transactionId: longer, key: KEY.id.toBytes() })
  first.saySealed(Uint8Array.from([...plain, 1, 2, 3, 4, 5]))
  result.longer = (await first.pongFor(longer)).type
  const innerKey = random(12)
  first.say({ type: 'ping', transactionId: innerKey, key: SecretKey.generate(systemRandom).id.toBytes() })
  result.innerKey = (await first.pongFor(innerKey)).type

  const version1 = random(12)
  const changed = encodeDiscoMessage({ type: 'ping', transactionId: version1, key: KEY.id.toBytes() })
  changed[1] = 1
  first.saySealed(changed)
  const twice = random(12)
  await first.ping(twice)
  first.say({ type: 'ping', transactionId: twice, key: KEY.id.toBytes() })
  const called = await Stranger.open()
  first.say({ type: 'call-me-maybe', addresses: [{ ip: parseIp(local), port: called.socket.address().port }] })
  await first.ping()
  result.version1 = first.pongs(version1).length
  result.twice = first.pongs(twice).length

  // heartbeats, while we answer
  const before = first.pings
  await first.until('two heartbeats', () => (first.pings >= before + 2 ? true : undefined)).catch(() => {})
  await first.until('two heartbeats', () => (first.pings >= before + 2 ? true : undefined))
  result.heartbeats = 'come'
  result.otherPort = other.got.length
  result.called = called.got.length
  return result
}

const result = await run().catch((error: unknown) => ({ error: String(error) }))
process.stdout.write(`${JSON.stringify(result)}\n`)
process.exit(0)
