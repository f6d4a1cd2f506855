import { expect, test } from 'vitest'
import { EndpointId, SecretKey } from '../../../../src/identity/index.ts'
import type { ExportKeyingMaterial } from '../../../../src/platform/index.ts'
import { ClientHandshake, clientAuthHeader } from '../../../../src/relay/protocol/index.ts'
import type { AccessControl, AccessDecision, AccessRequest } from '../../../../src/relay/server/hub/index.ts'
import { bytes, CRYPTO, type FakeLink, idOf, Lab, leftovers, PING, PONG } from './support.ts'

const SEED = new Uint8Array(32).fill(1)
const ID = SecretKey.fromBytes(SEED).id.toString()
const DENIED = bytes(3, 14, 'not authorized')

/** Answers the challenge on `link` as a client with the key does. */
function answer(link: FakeLink): ClientHandshake {
  const handshake = new ClientHandshake(CRYPTO.signer(SEED))
  const reply = handshake.receive(link.got.shift()!)
  if (reply !== undefined) link.feed(reply)
  return handshake
}

/** An access control that answers when the test says so. */
class SlowAccess implements AccessControl {
  readonly requests: AccessRequest[] = []
  #answers: { resolve: (decision: AccessDecision) => void; reject: (error: Error) => void }[] = []

  allow(request: AccessRequest): Promise<AccessDecision> {
    this.requests.push(request)
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }))
  }

  async settle(decision: AccessDecision | Error): Promise<void> {
    for (const { resolve, reject } of this.#answers.splice(0)) {
      if (decision instanceof Error) reject(decision)
      else resolve(decision)
    }
    for (let i = 0; i < 10; i++) await Promise.resolve()
  }
}

test('spec/relay.md §2.2: challenge, answer, confirm; then frames flow', () => {
  const lab = new Lab({ crypto: CRYPTO })
  const link = lab.accept()
  expect(link.got).toHaveLength(1)
  expect([link.got[0]!.length, link.got[0]![0]]).toEqual([17, 0])
  expect(lab.counters).toMatchObject({ tom_handshakes: 1, accepts: 0 })
  answer(link)
  expect(link.got.splice(0)).toEqual([bytes(2)])
  expect(lab.counters).toMatchObject({ tom_handshakes: 0, accepts: 1, tom_connections: 1, unique_client_keys: 1 })
  expect(lab.log).toMatchObject([{ event: 'connected', endpoint: ID, remoteAddress: '192.0.2.1' }])
  link.feed(PING(7))
  expect(link.got).toEqual([PONG(7)])
})

test('spec/relay.md §2.2: every challenge is fresh', () => {
  const lab = new Lab()
  expect(lab.accept().got[0]).not.toEqual(lab.accept().got[0])
})

test('spec/relay.md §2.4: a good header spares the challenge; one of another session does not', () => {
  const lab = new Lab({ crypto: CRYPTO })
  const exporter: ExportKeyingMaterial = (_label, context, length) =>
    CRYPTO.hmac('sha256', SEED, context).slice(0, length)
  const authHeader = clientAuthHeader(CRYPTO.signer(SEED), exporter)
  expect(lab.accept({ authHeader, exporter }).got).toEqual([bytes(2)])
  expect(lab.hub.clientCount).toBe(1)
  expect(lab.accept({ authHeader, exporter: undefined }).got[0]![0]).toBe(0)
  expect(lab.accept({ authHeader: 'no base64url !', exporter }).got[0]![0]).toBe(0)
})

test('spec/relay.md §2.6: a signature that does not hold is denied in words, and closed with 1008', () => {
  const lab = new Lab({ crypto: CRYPTO })
  const link = lab.accept()
  link.got.length = 0
  link.feed(bytes(1, EndpointId.parse(ID).toBytes(), 64, new Uint8Array(64)))
  expect(link.got).toEqual([bytes(3, 17, 'signature invalid')])
  expect(link.closedWith?.code).toBe(1008)
  expect(lab.counters.tom_signature_errors).toBe(1)
  expect(leftovers(lab)).toEqual({})
})

test.each([
  ['a ping', PING(1)],
  ['an empty message', bytes()],
  ['a short answer', bytes(1, idOf(1), 64)],
  ['a datagram', bytes(4, idOf(1), 0, 'x')],
])('spec/relay.md §2.6: %s instead of the answer is dropped without a frame', (_name, message) => {
  const lab = new Lab()
  const link = lab.accept()
  link.got.length = 0
  link.feed(message)
  expect(link.got).toEqual([])
  expect(link.closedWith?.code).toBe(1002)
  expect(lab.counters.tom_protocol_errors_handshake).toBe(1)
  expect(lab.takeEvents()).toEqual(['protocol-error'])
  expect(leftovers(lab)).toEqual({})
})

test('spec/relay.md §2.6: a handshake has 10 s', () => {
  const lab = new Lab()
  const link = lab.accept()
  lab.advance(9_999)
  expect(link.closedWith).toBeUndefined()
  lab.advance(1)
  expect(link.closedWith).toEqual({ code: 1008, reason: 'handshake timed out' })
  expect(lab.counters.tom_handshake_timeouts).toBe(1)
  expect(leftovers(lab)).toEqual({})
})

test('spec/relay.md §2.6: a thousand that never answer are all gone after 10 s, under one timer', () => {
  const lab = new Lab()
  for (let i = 0; i < 1000; i++) lab.accept()
  expect(lab.hub.linkCount).toBe(1000)
  lab.advance(10_000)
  expect(lab.counters.tom_handshake_timeouts).toBe(1000)
  expect(leftovers(lab)).toEqual({})
})

test('spec/relay.md §2.5: the access rules are asked once, with what is proven and what was sent', () => {
  const asked: AccessRequest[] = []
  const access: AccessControl = {
    allow(request) {
      asked.push(request)
      return { allowed: true }
    },
  }
  const lab = new Lab({ crypto: CRYPTO, access })
  const link = lab.accept({ url: '/relay?token=query', authorization: ['Bearer secret'], remoteAddress: '2001:db8::1' })
  expect(asked).toEqual([])
  answer(link)
  expect(asked.map((request) => ({ ...request, id: request.id.toString() }))).toEqual([
    {
      id: ID,
      protocol: 'iroh-relay-v2',
      url: '/relay?token=query',
      token: 'secret',
      remoteAddress: '2001:db8::1',
    },
  ])
  expect(link.got).toEqual([bytes(2)])
})

test('spec/relay.md §2.6: denied with the rules’ reason, or the default one; then Close 1008', () => {
  const lab = new Lab({ crypto: CRYPTO, access: { allow: () => ({ allowed: false, reason: 'members only' }) } })
  const link = lab.accept()
  const handshake = answer(link)
  handshake.receive(link.got.shift()!)
  expect([handshake.state, handshake.reason]).toEqual(['denied', 'members only'])
  expect(link.closedWith).toEqual({ code: 1008, reason: 'denied' })
  expect(lab.counters).toMatchObject({ tom_denied: 1, accepts: 0 })
  expect(lab.log).toMatchObject([{ event: 'denied', message: 'members only', endpoint: ID }])
  expect(leftovers(lab)).toEqual({})

  const plain = new Lab({ access: { allow: () => ({ allowed: false }) } })
  const other = plain.accept()
  other.feed(bytes(1, idOf(1), 64, new Uint8Array(64)))
  expect(other.got[1]).toEqual(DENIED)
})

test('access rules that throw, or reject, deny; the reason is in the log and not told', async () => {
  const lab = new Lab({
    access: {
      allow() {
        throw new Error('no rules today')
      },
    },
  })
  const link = lab.accept()
  link.feed(bytes(1, idOf(1), 64, new Uint8Array(64)))
  expect(link.got[1]).toEqual(DENIED)
  expect(link.closedWith?.code).toBe(1008)
  expect(lab.log).toMatchObject([{ level: 'error', event: 'access-failed' }])
  expect(lab.log[0]!.message).toContain('no rules today')

  const access = new SlowAccess()
  const slow = new Lab({ access })
  const other = slow.accept()
  other.feed(bytes(1, idOf(1), 64, new Uint8Array(64)))
  await access.settle(new Error('hook is down'))
  expect(other.got[1]).toEqual(DENIED)
  expect(slow.counters).toMatchObject({ tom_access_errors: 1, tom_denied: 0, accepts: 0 })
  expect(leftovers(slow)).toEqual({})
})

test('an access decision may take its time, within the limit of the handshake', async () => {
  const access = new SlowAccess()
  const lab = new Lab({ access })
  const link = lab.accept()
  link.feed(bytes(1, idOf(1), 64, new Uint8Array(64)))
  lab.advance(9_000)
  expect(link.got).toHaveLength(1)
  await access.settle({ allowed: true })
  expect(link.got[1]).toEqual(bytes(2))
  lab.advance(5_000)
  expect(lab.hub.clientCount).toBe(1)

  const late = lab.accept()
  late.feed(bytes(1, idOf(2), 64, new Uint8Array(64)))
  lab.advance(10_000)
  expect(late.closedWith?.code).toBe(1008)
  await access.settle({ allowed: true })
  expect(late.got).toHaveLength(1)
  expect(lab.counters).toMatchObject({ accepts: 1, tom_handshake_timeouts: 1 })
})

test('a client that leaves while the rules decide is forgotten', async () => {
  const access = new SlowAccess()
  const lab = new Lab({ access })
  const link = lab.accept()
  link.feed(bytes(1, idOf(1), 64, new Uint8Array(64)))
  link.end()
  expect(leftovers(lab)).toEqual({})
  await access.settle({ allowed: true })
  expect(leftovers(lab)).toEqual({})
  expect(lab.counters).toMatchObject({ accepts: 0, disconnects: 0, tom_handshakes_abandoned: 1 })
})

test('spec/relay.md §2.2: frames before the confirm are dropped with their sender: nothing of a stranger is kept', async () => {
  const access = new SlowAccess()
  const lab = new Lab({ access })
  const link = lab.accept()
  link.feed(bytes(1, idOf(1), 64, new Uint8Array(64)))
  link.feed(bytes(4, idOf(2), 0, new Uint8Array(60_000)))
  expect(link.closedWith?.code).toBe(1002)
  expect(leftovers(lab)).toEqual({})
  await access.settle({ allowed: true })
  expect(lab.hub.clientCount).toBe(0)
})

test('spec/relay.md §4.8: links are bounded; those beyond are told to try later', () => {
  const lab = new Lab({ limits: { maxConnections: 2 } })
  lab.connect(1)
  const pending = lab.accept()
  const third = lab.accept()
  expect(third.closedWith).toEqual({ code: 1013, reason: 'too many connections' })
  expect(third.got).toEqual([])
  expect(lab.counters.tom_links_refused).toBe(1)
  pending.end()
  lab.connect(3)
  expect(lab.hub.clientCount).toBe(2)
})

test('limits that make no sense are refused', () => {
  expect(() => new Lab({ limits: { writeTimeoutMs: Number.NaN } })).toThrow(RangeError)
  expect(() => new Lab({ limits: { queueDatagrams: -1 } })).toThrow(RangeError)
  expect(() => new Lab({ limits: { pingJitterMinMs: 9000 } })).toThrow('pingJitterMaxMs')
  expect(() => new Lab({ limits: { rateLimit: { bytesPerSecond: 9 } } })).toThrow(RangeError)
  expect(() => new Lab({ limits: JSON.parse('{"queueLength":5}') })).toThrow('queueLength is no limit')
  expect(() => new Lab({ limits: JSON.parse('{"queueBytes":"5"}') })).toThrow('queueBytes must be a number')
})
