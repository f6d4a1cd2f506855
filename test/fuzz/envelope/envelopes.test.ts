/** Envelopes gone wrong: no crash, no other error, no memory for what is not there; and what is read is what an obvious reader reads (spec/envelope.md §1.3, ENV-4 to ENV-6). */
import { expect, test } from 'vitest'
import { decodeBase32, encodeBase32, encodeHex, sameBytes } from '../../../src/bytes/index.ts'
import { seededKeyExchange } from '../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import { Sealer } from '../../../src/envelope/sealing/sealer.ts'
import { type Envelope, MAX_ENVELOPE_LENGTH } from '../../../src/envelope/wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope, envelopeSigningBytes } from '../../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { MESSAGE_TYPES } from '../../../src/envelope/wire/message-type.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { KEYS } from '../../envelope/wire/arbitrary.ts'
import { secretOf } from '../../envelope/wire/vectors.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from '../support/budget.ts'
import { AnyForm, broken, parse, type Value } from './support.ts'

const ROUNDS = 4_000 * FACTOR
const SIGNED = 800 * FACTOR
const MEASURED = 600 * FACTOR
const keys = new KnownKeys()

function keyOf(value: Value | undefined): string {
  if (value?.kind !== 'string') throw new Error('no key')
  const key = value.value.length === 52 ? encodeHex(decodeBase32(value.value)) : value.value
  if (!keys.isKey(key)) throw new Error('no key')
  return key
}

function intOf(value: Value | undefined, most: bigint): number {
  if (value?.kind !== 'int' || value.value < 0n || value.value > most) throw new Error('no integer')
  return Number(value.value)
}

function bytesOf(value: Value | undefined): Uint8Array {
  if (value?.kind === 'bin') return value.value.slice()
  if (value?.kind !== 'array') throw new Error('no bytes')
  return Uint8Array.from(value.value, (each) => intOf(each, 255n))
}

/** The obvious twin of `decodeEnvelope`, after the tables of spec/envelope.md §1.1, §1.3 and ENV-6. */
function readPlainly(bytes: Uint8Array): Envelope | undefined {
  const all = bytes.length > MAX_ENVELOPE_LENGTH ? undefined : parse(bytes)
  if (all?.kind !== 'array' || all.value.length !== 10) return undefined
  const [id, from, to, via, type, payload, timestamp, signature, ttl, flag] = all.value
  try {
    if (id?.kind !== 'string' || !/^[ -~]{1,64}$/.test(id.value) || id.value.includes('\n')) return undefined
    if (via?.kind !== 'array' || via.value.length > 4 || flag?.kind !== 'bool') return undefined
    const name = MESSAGE_TYPES.find((each) => type?.kind === 'string' && each === type.value)
    const people = [keyOf(from), keyOf(to)]
    const hops = via.value.map(keyOf)
    if (name === undefined || hops.some((hop, index) => people.includes(hop) || hops.indexOf(hop) !== index))
      return undefined
    const signed = bytesOf(signature)
    if (signed.length !== 64 && signed.length !== 0) return undefined
    return {
      id: id.value,
      from: people[0]!,
      to: people[1]!,
      via: hops,
      type: name,
      payload: bytesOf(payload),
      timestamp: intOf(timestamp, (1n << 53n) - 1n),
      signature: signed,
      hopsLeft: Math.min(4, intOf(ttl, (1n << 32n) - 1n)),
      isEncrypted: flag.value,
    }
  } catch {
    return undefined
  }
}

function read(bytes: Uint8Array): Envelope | undefined {
  try {
    return decodeEnvelope(bytes, keys)
  } catch (error) {
    if (error instanceof EnvelopeError) return undefined
    throw error
  }
}

function same(one: Envelope | undefined, other: Envelope | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  const { payload, signature, ...rest } = one
  const { payload: otherPayload, signature: otherSignature, ...others } = other
  return (
    sameBytes(payload, otherPayload) &&
    sameBytes(signature, otherSignature) &&
    JSON.stringify(rest) === JSON.stringify(others)
  )
}

function anyEnvelope(random: SimRandom): Envelope {
  const people = [...KEYS].sort(() => random.unit() - 0.5)
  return {
    id: String.fromCharCode(...Array.from({ length: random.int(1, 64) }, () => random.int(0x20, 0x7e))),
    from: people[0]!,
    to: people[1]!,
    via: people.slice(2, 2 + random.int(0, 4)),
    type: random.pick(MESSAGE_TYPES),
    payload: random.bytes(random.pick([0, 1, 5, 15, 16, 60, 200])),
    timestamp: random.pick([0, 127, 128, 1_708_000_000_000, Number.MAX_SAFE_INTEGER]),
    signature: random.bytes(random.pick([0, 64, 64, 64])),
    hopsLeft: random.int(0, 4),
    isEncrypted: random.chance(0.5),
  }
}

/** As another implementation might write it. */
function inAnyForm(random: SimRandom, envelope: Envelope): Uint8Array {
  const form = new AnyForm(random)
  const key = (text: string) => {
    const base32 = encodeBase32(hex(text))
    return form.string(random.pick([text, text, base32, base32.toUpperCase()]))
  }
  return Uint8Array.from([
    ...form.array(10),
    ...form.string(envelope.id),
    ...key(envelope.from),
    ...key(envelope.to),
    ...form.array(envelope.via.length),
    ...envelope.via.flatMap(key),
    ...form.string(envelope.type),
    ...form.bytes(envelope.payload),
    ...form.int(envelope.timestamp),
    ...form.bytes(envelope.signature),
    ...form.int(envelope.hopsLeft),
    envelope.isEncrypted ? 0xc3 : 0xc2,
  ])
}

test(
  'spec/envelope.md §1.3: read as the obvious twin reads, or refused as it refuses; written again in one form',
  () => {
    const random = new SimRandom(`envelopes ${SEED}`)
    const counts = { read: 0, refused: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const envelope = anyEnvelope(random)
      const genuine = random.chance(0.5) ? encodeEnvelope(envelope) : inAnyForm(random, envelope)
      const isGenuine = random.chance(0.2)
      const bytes = isGenuine ? genuine : broken(random, genuine, inAnyForm(random, anyEnvelope(random)))
      const decoded = read(bytes)
      // the message of an expectation that holds would take longer than all the rest
      const check = (isRight: boolean, what: string) => {
        if (!isRight) expect.fail(`${what}; seed ${SEED}, round ${round}: ${toHex(bytes)}`)
      }
      check(same(decoded, readPlainly(bytes)), 'not what the twin reads')
      if (isGenuine) check(same(decoded, envelope), 'not what was written')
      counts[decoded === undefined ? 'refused' : 'read']++
      if (decoded === undefined) continue
      // ENV-4: one form for what came in many
      const canonical = encodeEnvelope(decoded)
      const again = read(canonical)
      check(same(again, decoded), 'another one in its canonical form')
      check(sameBytes(encodeEnvelope(again!), canonical), 'two canonical forms')
      check(same(read(encodeEnvelope(decoded, { isCompact: true })), decoded), 'another one in its compact form')
    }
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(ROUNDS / 5)
  },
  TIMEOUT,
)

test(
  'SIG-2: what is verified is what its author signed, however its bytes were changed; what opens was meant for us',
  () => {
    const random = new SimRandom(`signed ${SEED}`)
    // also the keys that are made for one message: what is broken, and where, follows from the lengths of what they sealed
    const crypto = seededKeyExchange(createNodeCrypto(), random)
    const [alice, bob] = (['alice', 'bob'] as const).map(
      (who) => new Sealer({ secretKey: secretOf(who), crypto, random }),
    )
    const genuine = Array.from({ length: 20 }, (_, index) =>
      alice!.seal({
        to: bob!.key,
        type: 'Chat',
        payload: random.bytes(index),
        timestamp: index,
        isEncrypted: index % 2 === 0,
        isCompact: index % 3 === 0,
        via: index % 5 === 0 ? [KEYS[2]!] : [],
      }),
    )
    const signed = new Set(genuine.map(({ envelope }) => toHex(envelopeSigningBytes(envelope))))
    const counts = { verified: 0, refused: 0 }
    for (let round = 0; round < SIGNED; round++) {
      // what is not signed may be anything: the form, and the hops that are left
      const { envelope: one } = random.pick(genuine)
      const reformed = inAnyForm(random, { ...one, hopsLeft: random.int(0, 4) })
      // what breaks at random is unreadable more often than forged
      const forged = encodeEnvelope({ ...one, timestamp: one.timestamp + random.int(1, 1_000) })
      const draw = random.unit()
      const bytes = draw < 0.1 ? reformed : draw < 0.2 ? forged : broken(random, random.pick(genuine).wire, reformed)
      const envelope = read(bytes)
      if (envelope === undefined) continue
      try {
        bob!.verify(envelope)
        counts.verified++
      } catch (error) {
        if (!(error instanceof EnvelopeError)) throw error
        counts.refused++
        continue
      }
      expect(signed.has(toHex(envelopeSigningBytes(envelope))), `seed ${SEED}, round ${round}`).toBe(true)
      bob!.open(envelope)
    }
    expect(Math.min(counts.verified, counts.refused)).toBeGreaterThan(SIGNED / 25)
    // and payloads gone wrong under a good signature
    for (let round = 0; round < SIGNED / 5; round++) {
      const { envelope } = random.pick(genuine.filter((each) => each.envelope.isEncrypted))
      const payload = broken(random, envelope.payload, random.bytes(60))
      try {
        bob!.open({ ...envelope, payload })
      } catch (error) {
        expect(error instanceof EnvelopeError && error.code, `seed ${SEED}, round ${round}`).toBe('DECRYPT_FAILED')
      }
    }
  },
  TIMEOUT,
)

test(
  'no memory is taken for what is not there, whatever a length says',
  () => {
    const random = new SimRandom(`lengths ${SEED}`)
    let most = 0
    for (let round = 0; round < MEASURED; round++) {
      const bytes = broken(random, inAnyForm(random, anyEnvelope(random)), random.bytes(20))
      const before = process.memoryUsage().arrayBuffers
      read(bytes)
      // the collector may only make it less
      most = Math.max(most, process.memoryUsage().arrayBuffers - before - bytes.length)
    }
    expect(most).toBeLessThan(16_384)
  },
  TIMEOUT,
)

test('as deep as it likes: nothing recurses', () => {
  for (const head of [0x91, 0x81, 0x9a, 0xdc, 0xdd]) {
    const bytes = new Uint8Array(MAX_ENVELOPE_LENGTH).fill(head)
    expect(read(bytes)).toBeUndefined()
    expect(read(Uint8Array.of(0x9a, ...bytes.subarray(0, 100_000)))).toBeUndefined()
  }
})
