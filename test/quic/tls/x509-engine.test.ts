/** X.509 through the engine: whom a client dials, what a server shows to whom, and how a refusal reads on both sides. */
import { describe, expect, expectTypeOf, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { SlotPool } from '../../../src/driver/slot-pool.ts'
import {
  type Connection,
  type ConnectionEvent,
  type ConnectOptions,
  type DialledPeer,
  Engine,
  type ServerCertificate,
  Transmit,
  TrustedRoots,
  type X509Authentication,
} from '../../../src/quic/index.ts'
import { authority, dns, keys, NOW, server, subjectAltName } from './certificates.ts'
import { seededRandom, text } from './harness.ts'

const ROOT = authority('Test Root', keys('p256'))
const ROOTS = new TrustedRoots([ROOT.der])
const LEAF_KEYS = keys('p256')
const LEAF = server(ROOT, LEAF_KEYS, { extensions: [subjectAltName(dns('example.test'))] })
const CERTIFICATE: ServerCertificate = { chain: [LEAF.der], privateKey: LEAF_KEYS.pkcs8 }
const X509: X509Authentication = { kind: 'x509', serverName: 'example.test', roots: ROOTS, nowUnixSeconds: NOW }

/** A client and a server, and a wire on which nothing is lost. */
class Meeting {
  readonly crypto = createNodeCrypto()
  readonly slots = new SlotPool({ count: 32 })
  readonly client: Engine
  readonly server: Engine
  serverSide: Connection | undefined = undefined
  readonly events: Record<'client' | 'server', ConnectionEvent[]> = { client: [], server: [] }
  readonly #out = new Transmit()

  constructor(certificate?: ServerCertificate) {
    this.client = this.#engine(1)
    this.server = this.#engine(2, {
      alpns: () => [text('echo')],
      ...(certificate === undefined ? {} : { certificate }),
    })
  }

  #engine(seed: number, server?: { alpns: () => Uint8Array[]; certificate?: ServerCertificate }): Engine {
    return new Engine({
      crypto: this.crypto,
      random: seededRandom(seed),
      slots: this.slots,
      routes: {
        maxDatagramSize: () => 1200,
        sameHost: () => true,
        address: () => ({ ip: Uint8Array.of(192, 0, 2, 1), port: 1 }),
      },
      secretKey: new Uint8Array(32).fill(seed),
      ...(server === undefined ? {} : { server }),
    })
  }

  /** Dials, and carries datagrams until both sides are silent; `onAccepted` when the server has let the first one in and answered nothing yet. */
  dial(whom: DialledPeer, onAccepted: () => void = () => {}): Connection {
    const connection = this.client.connect({ ...whom, alpns: [text('echo')], route: 1, now: 0 })
    for (let round = 0; round < 50; round++) {
      const fromClient = this.#carry(connection, this.server, 0)
      const incoming = this.server.nextIncoming()
      if (incoming !== undefined) {
        this.serverSide = incoming.accept(0)
        onAccepted()
      }
      const fromServer = this.serverSide === undefined ? 0 : this.#carry(this.serverSide, this.client, 0)
      this.#listen('client', connection)
      if (this.serverSide !== undefined) this.#listen('server', this.serverSide)
      if (fromClient + fromServer === 0) return connection
    }
    throw new Error('the two never fall silent')
  }

  #carry(from: Connection, to: Engine, now: number): number {
    let count = 0
    while (from.poll(now, this.#out)) {
      to.receive(this.#out.slot, this.#out.length, 1, now)
      this.slots.release(this.#out.slot)
      count++
    }
    return count
  }

  #listen(side: 'client' | 'server', connection: Connection): void {
    for (let event = connection.nextEvent(); event !== undefined; event = connection.nextEvent()) {
      this.events[side].push(event)
    }
  }

  closeReason(side: 'client' | 'server') {
    return this.events[side].find((event) => event.type === 'closed')?.reason
  }

  /** Everything of both is given back. */
  end(): void {
    this.client.close()
    this.server.close()
    expect([this.crypto.liveKeys, this.slots.inUse]).toEqual([0, 0])
  }
}

describe('the engine', () => {
  test('RFC 8446 §4.4.2: a server that is dialled by name', () => {
    const meeting = new Meeting(CERTIFICATE)
    const connection = meeting.dial({ authentication: X509 })
    expect([connection.isHandshakeComplete, meeting.serverSide?.isHandshakeComplete]).toEqual([true, true])
    expect(connection.isConfirmed).toBe(true)
    expect([connection.peerKey, meeting.serverSide?.peerKey]).toEqual([undefined, undefined])
    expect(connection.peerCertificates).toEqual([LEAF.der])
    expect(meeting.serverSide?.peerCertificates).toBeUndefined()
    expect([connection.serverName, meeting.serverSide?.serverName]).toEqual(['example.test', 'example.test'])
    meeting.end()
  })

  test('RFC 7250 §4.2: the same server dialled by key', () => {
    const meeting = new Meeting(CERTIFICATE)
    const connection = meeting.dial({ peer: meeting.server.publicKey })
    expect(connection.isConfirmed).toBe(true)
    expect(connection.peerKey).toEqual(meeting.server.publicKey)
    expect(meeting.serverSide?.peerKey).toEqual(meeting.client.publicKey)
    expect([connection.peerCertificates, connection.serverName, meeting.serverSide?.serverName]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
    meeting.end()
  })

  test('RFC 9001 §4.8: a certificate that is refused, as both sides hear of it', () => {
    const meeting = new Meeting(CERTIFICATE)
    meeting.dial({ authentication: { ...X509, serverName: 'other.test' } })
    const reason = 'bad_certificate: the certificate is for example.test, and not for other.test'
    expect(meeting.closeReason('client')).toMatchObject({
      kind: 'local-transport',
      code: 0x12a,
      reason: expect.stringContaining(reason),
    })
    expect(meeting.closeReason('server')).toMatchObject({ kind: 'peer-transport', code: 0x12a, reason })
    meeting.end()
  })

  test('another certificate from now on: the keys of the one before live as long as a handshake may need them', () => {
    const otherKeys = keys('p256')
    const other = server(ROOT, otherKeys, { extensions: [subjectAltName(dns('example.test'))] })
    const meeting = new Meeting(CERTIFICATE)
    const before = meeting.crypto.liveKeys
    expect(() => meeting.server.setCertificate({ chain: [other.der], privateKey: LEAF_KEYS.pkcs8 })).toThrow(RangeError)
    expect(meeting.crypto.liveKeys).toBe(before)
    let added = 0
    const first = meeting.dial({ authentication: X509 }, () => {
      const atOnce = meeting.crypto.liveKeys
      meeting.server.setCertificate({ chain: [other.der], privateKey: otherKeys.pkcs8 })
      added = meeting.crypto.liveKeys - atOnce
    })
    expect([first.isConfirmed, added]).toEqual([true, 1])
    expect(first.peerCertificates).toEqual([LEAF.der])
    const second = meeting.dial({ authentication: X509 })
    expect(second.peerCertificates).toEqual([other.der])
    const withTwo = meeting.crypto.liveKeys
    // Nobody is in the middle of a handshake: the key goes at once.
    meeting.server.setCertificate(CERTIFICATE)
    expect(meeting.crypto.liveKeys).toBe(withTwo)
    meeting.end()
    expect(() => meeting.server.setCertificate(CERTIFICATE)).toThrow('closed')
  })

  test('a server without a certificate', () => {
    const meeting = new Meeting()
    meeting.dial({ authentication: X509 })
    expect(meeting.closeReason('client')).toMatchObject({
      kind: 'peer-transport',
      code: 0x128,
      reason: 'handshake_failure: the client does not offer raw public keys',
    })
    meeting.end()
  })

  test('what cannot be dialled or shown is refused at the call, and nothing is left', () => {
    const meeting = new Meeting(CERTIFICATE)
    expect(() => meeting.dial({ authentication: { ...X509, serverName: 'no name' } })).toThrow(RangeError)
    expect(meeting.client.connections.size).toBe(0)
    meeting.end()
    expect(() => new Meeting({ ...CERTIFICATE, chain: [ROOT.der] })).toThrow(RangeError)
  })

  test('one is dialled by key or by name, and not by both', () => {
    expectTypeOf<{ peer: Uint8Array; authentication: X509Authentication }>().not.toExtend<DialledPeer>()
    expectTypeOf<Omit<ConnectOptions, 'peer' | 'authentication'>>().not.toExtend<DialledPeer>()
    expectTypeOf<{ peer: Uint8Array }>().toExtend<DialledPeer>()
  })
})
