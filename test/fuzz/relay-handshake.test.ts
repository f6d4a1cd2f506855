import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import {
  ClientHandshake,
  clientAuthHeader,
  RelayProtocolError,
  ServerHandshake,
  verifyClientAuthHeader,
} from '../../src/relay/index.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'

const ROUNDS = 1500 * FACTOR
const RUNS = { numRuns: 100 * FACTOR, seed: Number(SEED) }

const crypto = createNodeCrypto()

/** Calls `act`; false when it threw a RelayProtocolError. Anything else thrown fails the test. */
function isTaken(act: () => unknown): boolean {
  try {
    act()
    return true
  } catch (error) {
    if (!(error instanceof RelayProtocolError)) throw error
    return false
  }
}

/** All frames of a genuine handshake, and the machines as they stood before each. */
function genuine(random: SimRandom) {
  const signer = crypto.signer(random.bytes(32))
  const challenge = random.fork('challenge').bytes(16)
  const waiting = () => new ClientHandshake(signer)
  const challenged = () => {
    const machine = new ServerHandshake({ crypto, random: { fill: (out) => out.set(challenge) } })
    machine.start()
    return machine
  }
  const challengeFrame = Uint8Array.from([0, ...challenge])
  const answered = () => {
    const machine = waiting()
    machine.receive(challengeFrame)
    return machine
  }
  const answer = waiting().receive(challengeFrame)!
  const proven = challenged()
  proven.receive(answer)
  const denied = challenged()
  denied.receive(answer)
  const deny = denied.deny('try another relay')
  return { signer, waiting, answered, challenged, answer, frames: [challengeFrame, answer, proven.confirm(), deny] }
}

test(
  'spec/relay.md §2.6: whatever a stranger says, a handshake ends in order, and nobody is let in without a key',
  () => {
    const random = new SimRandom(`relay handshake/${SEED}`)
    let own = genuine(random)
    let other = genuine(random)
    const seen = { clientTook: 0, clientRefused: 0, proven: 0, denied: 0, dropped: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      if (round % 100 === 0) {
        own.signer.free()
        own = other
        other = genuine(random)
      }
      const message = mutate(random, random.pick(own.frames), random.pick(other.frames))
      if (random.chance(0.2)) message[0] = random.int(0, 4)

      for (const client of [own.waiting(), own.answered()]) {
        const wasTaken = isTaken(() => client.receive(message))
        expect(client.state === 'failed').toBe(!wasTaken)
        expect(client.reason.length).toBeLessThanOrEqual(256)
        seen[wasTaken ? 'clientTook' : 'clientRefused']++
        // no second word after the last one
        if (client.state !== 'answered') expect(isTaken(() => client.receive(message))).toBe(false)
      }

      const server = own.challenged()
      const wasTaken = isTaken(() => server.receive(message))
      expect(server.state).toBe(wasTaken ? (server.id === undefined ? 'denied' : 'proven') : 'failed')
      if (server.id !== undefined) {
        expect(server.id.toBytes()).toEqual(own.signer.publicKey)
        expect(message.subarray(0, own.answer.length)).toEqual(own.answer)
        seen.proven++
      } else seen[wasTaken ? 'denied' : 'dropped']++
    }
    own.signer.free()
    other.signer.free()
    expect(crypto.liveKeys).toBe(0)
    for (const [name, count] of Object.entries(seen)) expect([name, count > ROUNDS / 100]).toEqual([name, true])
  },
  TIMEOUT,
)

test(
  'spec/relay.md §2.4: no header but the genuine one of this session proves a key',
  () => {
    const random = new SimRandom(`relay header/${SEED}`)
    const signer = crypto.signer(random.bytes(32))
    const exported = random.bytes(32)
    const exporter = () => exported.slice()
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
    const value = clientAuthHeader(signer, exporter)
    const raw = Uint8Array.from(Buffer.from(value, 'base64url'))
    let good = 0
    for (let round = 0; round < ROUNDS; round++) {
      const changed = random.chance(0.5)
        ? Buffer.from(mutate(random, raw, raw)).toString('base64url')
        : text(mutate(random, Uint8Array.from(Buffer.from(value)), raw))
      const proven = verifyClientAuthHeader(crypto, changed, exporter)
      expect(proven !== undefined).toBe(changed === value)
      if (proven !== undefined) good++
    }
    expect(good).toBeGreaterThan(0)
    signer.free()
  },
  TIMEOUT,
)

test('spec/relay.md §2.2: any key proves itself to any challenge, by either way', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  fc.assert(
    fc.property(
      bytes(32),
      bytes(16),
      bytes(32),
      fc.string({ unit: 'grapheme' }),
      (seed, challenge, exported, reason) => {
        const signer = crypto.signer(seed)
        const exporter = () => exported.slice()
        for (const authHeader of [undefined, clientAuthHeader(signer, exporter)]) {
          const random = { fill: (out: Uint8Array) => out.set(challenge) }
          for (const isWelcome of [true, false]) {
            const server = new ServerHandshake({ crypto, random, authHeader, exporter })
            const client = new ClientHandshake(signer)
            const first = server.start()
            expect(first === undefined).toBe(authHeader !== undefined)
            if (first !== undefined) expect(server.receive(client.receive(first)!)).toBeUndefined()
            expect(server.id?.toBytes()).toEqual(signer.publicKey)
            client.receive(isWelcome ? server.confirm() : server.deny(reason))
            expect(client.state).toBe(isWelcome ? 'done' : 'denied')
          }
        }
        signer.free()
      },
    ),
    RUNS,
  )
})
