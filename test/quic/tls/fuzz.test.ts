/** Mutated flights: whatever a peer sends, only a TransportError may come out, and a session that failed stays silent. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeHex } from '../../../src/bytes/index.ts'
import type { CryptoProvider, KeyExchange, Signer } from '../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { TransportError } from '../../../src/quic/errors.ts'
import { Level } from '../../../src/quic/level.ts'
import { TlsClient } from '../../../src/quic/tls/client.ts'
import { rawPublicKeyCredential } from '../../../src/quic/tls/credentials.ts'
import { TlsServer } from '../../../src/quic/tls/server.ts'
import type { TlsSession } from '../../../src/quic/tls/session.ts'
import {
  CLIENT_SEED,
  clientConfig,
  concat,
  messagesOf,
  nodeCrypto,
  publicKeyOf,
  RecordingHost,
  SERVER_SEED,
  seededRandom,
  serverConfig,
} from './harness.ts'

/** Most of a mutated handshake is the same as ever: what was computed once is not computed again. */
function remembered<A extends readonly unknown[], R extends Uint8Array | boolean>(
  compute: (...args: A) => R,
): (...args: A) => R {
  const known = new Map<string, R>()
  return (...args) => {
    const key = args.map(String).join(';')
    const result = known.get(key) ?? compute(...args)
    if (known.size < 1_000) known.set(key, result)
    // A copy: secrets are zeroed by whoever gets them.
    return (result instanceof Uint8Array ? result.slice() : result) as R
  }
}

/** A provider whose every key exchange is the same pair, so that flights recorded once fit every fresh session. */
function fixedExchange(): CryptoProvider {
  const crypto: CryptoProvider = createNodeCrypto()
  const pair = crypto.keyExchange('x25519')
  const fixed: KeyExchange = {
    group: 'x25519',
    publicKey: pair.publicKey,
    agree: remembered((peer: Uint8Array) => pair.agree(peer)),
    free: () => {},
  }
  crypto.keyExchange = () => fixed
  crypto.hkdfExtract = remembered(crypto.hkdfExtract.bind(crypto))
  crypto.hkdfExpand = remembered(crypto.hkdfExpand.bind(crypto))
  crypto.verify = remembered(crypto.verify.bind(crypto))
  return crypto
}

function signerWithMemory(seed: Uint8Array): Signer {
  const signer = nodeCrypto.signer(seed)
  const sign = remembered((message: Uint8Array) => signer.sign(message))
  return { publicKey: signer.publicKey, sign, free: () => signer.free() }
}

const CLIENT = clientConfig({
  authentication: {
    kind: 'raw-public-key',
    signer: signerWithMemory(CLIENT_SEED),
    expectedPeer: publicKeyOf(SERVER_SEED),
  },
})
const SERVER = serverConfig({
  authentication: { rawPublicKey: rawPublicKeyCredential(signerWithMemory(SERVER_SEED)) },
})
const CLIENT_CRYPTO = fixedExchange()
const SERVER_CRYPTO = fixedExchange()

function freshClient(crypto: CryptoProvider = CLIENT_CRYPTO): { session: TlsClient; host: RecordingHost } {
  const host = new RecordingHost()
  const session = new TlsClient({ ...CLIENT, crypto, random: seededRandom(1), groups: ['x25519'] }, host)
  session.start()
  return { session, host }
}

function freshServer(crypto: CryptoProvider = SERVER_CRYPTO): { session: TlsServer; host: RecordingHost } {
  const host = new RecordingHost()
  return { session: new TlsServer({ ...SERVER, crypto, random: seededRandom(2), groups: ['x25519'] }, host), host }
}

const recorded = (() => {
  const client = freshClient()
  const server = freshServer()
  const clientHello = client.host.outbox.shift()!.data
  server.session.receive(Level.Initial, clientHello)
  const serverHello = server.host.outbox.shift()!.data
  const serverFlight = server.host.outbox.shift()!.data
  client.session.receive(Level.Initial, serverHello)
  client.session.receive(Level.Handshake, serverFlight)
  const clientFlight = client.host.outbox.shift()!.data
  server.session.receive(Level.Handshake, clientFlight)
  expect([client.session.complete, server.session.complete]).toEqual([true, true])
  return { clientHello, serverHello, serverFlight, clientFlight }
})()

interface Change {
  readonly kind: 'flip' | 'set' | 'cut' | 'insert' | 'double' | 'end'
  /** Where, as a part of the length. */
  readonly at: number
  readonly size: number
  readonly bytes: Uint8Array
}

const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('flip', 'set', 'cut', 'insert', 'double', 'end'),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  size: fc.integer({ min: 1, max: 40 }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
})

function apply(data: Uint8Array, { kind, at, size, bytes }: Change): Uint8Array {
  const start = Math.floor(at * data.length)
  const head = data.subarray(0, start)
  switch (kind) {
    case 'flip': {
      const copy = data.slice()
      if (copy.length > 0) copy[start]! ^= 1 << (size & 7)
      return copy
    }
    case 'set':
      return concat(head, bytes.subarray(0, data.length - start), data.subarray(start + bytes.length))
    case 'cut':
      return concat(head, data.subarray(start + size))
    case 'insert':
      return concat(head, bytes, data.subarray(start))
    case 'double':
      return concat(data.subarray(0, start + size), data.subarray(start))
    case 'end':
      return head.slice()
  }
}

const mutation = fc.record({
  changes: fc.array(change, { minLength: 1, maxLength: 3 }),
  /** The message to change; and its length is corrected then, so that the mutation gets deeper than the framing. */
  message: fc.option(fc.integer({ min: 0, max: 4 }), { freq: 4 }),
  piece: fc.constantFrom(1, 7, 64, 100_000),
})

type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never

function mutate(flight: Uint8Array, { changes, message }: Mutation): Uint8Array {
  if (message === null) return changes.reduce(apply, flight)
  const messages = messagesOf(flight)
  const index = message % messages.length
  const body = changes.reduce(apply, messages[index]!.subarray(4))
  const header = Uint8Array.of(messages[index]![0]!, body.length >> 16, (body.length >> 8) & 0xff, body.length & 0xff)
  return concat(...messages.slice(0, index), header, body, ...messages.slice(index + 1))
}

/** True when the session took it all. */
function feed(session: TlsSession, host: RecordingHost, level: Level, data: Uint8Array, piece: number): boolean {
  try {
    for (let at = 0; at < data.length; at += piece) session.receive(level, data.subarray(at, at + piece))
    return true
  } catch (error) {
    if (!(error instanceof TransportError)) throw error
    const events = host.events.length
    session.receive(level, data)
    expect(host.events.length).toBe(events)
    return false
  } finally {
    session.free()
  }
}

interface Outcome {
  readonly taken: boolean
  readonly complete: boolean
  readonly same: boolean
}

function outcome(
  session: TlsSession,
  host: RecordingHost,
  level: Level,
  flight: Uint8Array,
  mutated: Mutation,
): Outcome {
  const data = mutate(flight, mutated)
  const taken = feed(session, host, level, data, mutated.piece)
  const [sent, original] = [encodeHex(data), encodeHex(flight)]
  // bytes after a whole flight come too late to keep the handshake from completing, and are refused then (seed 135498991)
  const isLonger = sent !== original && sent.startsWith(original)
  if (isLonger && session.complete) expect(taken).toBe(false)
  return { taken, complete: session.complete && !isLonger, same: sent === original }
}

const flights: readonly (readonly [name: string, runs: number, run: (mutated: Mutation) => Outcome])[] = [
  [
    'ClientHello',
    4_000,
    (mutated) => {
      const { session, host } = freshServer()
      return outcome(session, host, Level.Initial, recorded.clientHello, mutated)
    },
  ],
  [
    'ServerHello',
    3_000,
    (mutated) => {
      const { session, host } = freshClient()
      return outcome(session, host, Level.Initial, recorded.serverHello, mutated)
    },
  ],
  [
    'server flight',
    1_500,
    (mutated) => {
      const { session, host } = freshClient()
      session.receive(Level.Initial, recorded.serverHello)
      return outcome(session, host, Level.Handshake, recorded.serverFlight, mutated)
    },
  ],
  [
    'client flight',
    1_500,
    (mutated) => {
      const { session, host } = freshServer()
      session.receive(Level.Initial, recorded.clientHello)
      return outcome(session, host, Level.Handshake, recorded.clientFlight, mutated)
    },
  ],
]

describe('RFC 8446 §6.2: a mutated flight', () => {
  test.each(flights)('%s, %i times', (name, numRuns, run) => {
    let refused = 0
    fc.assert(
      fc.property(mutation, (mutated) => {
        const { taken, complete, same } = run(mutated)
        if (!taken) refused++
        // RFC 8446 §4.4.4: whatever was changed under the Finished, nobody completes.
        if (name.endsWith('flight')) expect(complete).toBe(same)
      }),
      { numRuns },
    )
    expect(refused).toBeGreaterThan(numRuns / 4)
  })

  test('a session that fails or is freed keeps no ephemeral key', () => {
    const crypto = createNodeCrypto()
    const client = freshClient(crypto)
    expect(crypto.liveKeys).toBe(1)
    const failure = () => client.session.receive(Level.Initial, Uint8Array.of(99))
    expect(failure).toThrow(TransportError)
    expect(crypto.liveKeys).toBe(0)
    freshClient(crypto).session.free()
    const server = freshServer(crypto)
    server.session.receive(Level.Initial, recorded.clientHello)
    expect(crypto.liveKeys).toBe(0)
  })
})
