/** Mutated flights: whatever a peer sends, only a TransportError may come out, and a session that failed stays silent. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededKeyExchange } from '../../../src/crypto/index.ts'
import { TransportError } from '../../../src/quic/errors.ts'
import { Level } from '../../../src/quic/level.ts'
import { TlsClient } from '../../../src/quic/tls/client.ts'
import { TlsServer } from '../../../src/quic/tls/server.ts'
import type { TlsSession } from '../../../src/quic/tls/session.ts'
import { clientConfig, concat, messagesOf, nodeCrypto, RecordingHost, seededRandom, serverConfig } from './harness.ts'

const RUNS = 2_500

const CLIENT = clientConfig()
const SERVER = serverConfig()

/** Always the same keys and randoms, so that flights recorded once fit every fresh session. */
function freshClient(): { session: TlsClient; host: RecordingHost } {
  const host = new RecordingHost()
  const crypto = seededKeyExchange(nodeCrypto, seededRandom(3))
  const session = new TlsClient({ ...CLIENT, crypto, random: seededRandom(1) }, host)
  session.start()
  return { session, host }
}

function freshServer(): { session: TlsServer; host: RecordingHost } {
  const host = new RecordingHost()
  const crypto = seededKeyExchange(nodeCrypto, seededRandom(4))
  return { session: new TlsServer({ ...SERVER, crypto, random: seededRandom(2) }, host), host }
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

const flights: Record<string, (mutated: Mutation) => { taken: boolean; session: TlsSession; same: boolean }> = {
  ClientHello: (mutated) => {
    const { session, host } = freshServer()
    const data = mutate(recorded.clientHello, mutated)
    return { taken: feed(session, host, Level.Initial, data, mutated.piece), session, same: false }
  },
  ServerHello: (mutated) => {
    const { session, host } = freshClient()
    const data = mutate(recorded.serverHello, mutated)
    return { taken: feed(session, host, Level.Initial, data, mutated.piece), session, same: false }
  },
  'server flight': (mutated) => {
    const { session, host } = freshClient()
    session.receive(Level.Initial, recorded.serverHello)
    const data = mutate(recorded.serverFlight, mutated)
    const same = Buffer.compare(data, recorded.serverFlight) === 0
    return { taken: feed(session, host, Level.Handshake, data, mutated.piece), session, same }
  },
  'client flight': (mutated) => {
    const { session, host } = freshServer()
    session.receive(Level.Initial, recorded.clientHello)
    const data = mutate(recorded.clientFlight, mutated)
    const same = Buffer.compare(data, recorded.clientFlight) === 0
    return { taken: feed(session, host, Level.Handshake, data, mutated.piece), session, same }
  },
}

describe('RFC 8446 §6.2: a mutated flight', () => {
  test.each(Object.entries(flights))('%s', (name, run) => {
    let refused = 0
    fc.assert(
      fc.property(mutation, (mutated) => {
        const { taken, session, same } = run(mutated)
        if (!taken) refused++
        // RFC 8446 §4.4.4: whatever was changed under the Finished, nobody completes.
        if (name.endsWith('flight')) expect(session.complete).toBe(same)
      }),
      { numRuns: RUNS },
    )
    expect(refused).toBeGreaterThan(RUNS / 4)
  })

  test('the keys of failed sessions are freed', () => {
    const before = nodeCrypto.liveKeys
    freshServer().session.free()
    freshClient().session.free()
    expect(nodeCrypto.liveKeys).toBe(before)
  })
})
