/**
 * Envelopes that cross between ours and the Rust libraries, both ways and byte for byte: all types, signatures, encryption, bodies (spec/envelope.md §1, §5.4, §5.5, §6.3,
 * §7.2).
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decodeHex } from '../../src/bytes/index.ts'
import { x25519PublicOf } from '../../src/crypto/index.ts'
import { decryptPayload, encryptPayload } from '../../src/envelope/sealing/payload-box.ts'
import type { Sealer } from '../../src/envelope/sealing/sealer.ts'
import { decodeRoleChange, encodeRoleChange } from '../../src/envelope/wire/body-codec.ts'
import { decodeEnvelope, encodeEnvelope, envelopeSigningBytes } from '../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../src/envelope/wire/known-keys.ts'
import { MESSAGE_TYPES } from '../../src/envelope/wire/message-type.ts'
import { PackReader } from '../../src/envelope/wire/pack-reader.ts'
import { PackWriter } from '../../src/envelope/wire/pack-writer.ts'
import { serdeBody, signingBytesOf } from '../../test/envelope/wire/serde-bodies.ts'
import { hexOf } from './envelope-program.ts'
import {
  ALICE,
  BOB,
  CLEAR_MESSAGE,
  ENCRYPTED_MESSAGE,
  HOP,
  MORE_BODIES,
  person,
  SAMPLES,
  TIMESTAMP,
} from './samples.ts'
import { crypto, type EnvelopeLab, Random, sealerOf } from './setup.ts'

/** Bytes of payloads, around every length at which a header grows. */
const LENGTHS = [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536, 100_000]
/** Of the group of the curve. */
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const VECTORS = new URL('../../test/envelope/wire/vectors.json', import.meta.url)

interface Forged {
  readonly message_utf8: string
  readonly public_key: string
  readonly signature: string
}

const keys = new KnownKeys()
const open = (wire: Uint8Array, sealer: Sealer) => {
  const envelope = decodeEnvelope(wire, keys)
  sealer.verify(envelope)
  return { envelope, ...sealer.open(envelope) }
}

/** The parts of what is in an encrypted envelope. */
function boxOf(payload: Uint8Array): { readonly nonce: Uint8Array; readonly ephemeralKey: Uint8Array } {
  const reader = new PackReader(payload, 'UNREADABLE_BODY')
  reader.fields(3)
  reader.bytes()
  return { nonce: reader.bytes(), ephemeralKey: reader.bytes() }
}

export function wireSuite(labNow: () => EnvelopeLab): void {
  const alice = sealerOf(ALICE, new Random(1))
  const compact = sealerOf(ALICE, new Random(2), true)
  const bob = sealerOf(BOB, new Random(3))

  describe.each(MESSAGE_TYPES)('%s', (type) => {
    const draft = { to: BOB.key, via: [HOP.key], type, timestamp: TIMESTAMP }

    test('spec/envelope.md §1.1: ours is read, verified and written again by Rust', async () => {
      const random = new Random(1 + MESSAGE_TYPES.indexOf(type))
      for (const sealer of [alice, compact])
        for (const isEncrypted of [false, true]) {
          const payload = random.bytes(random.next(300))
          const { envelope, wire } = sealer.seal({ ...draft, payload, isEncrypted })
          const decoded = await labNow().rust.decode(wire)
          expect(decoded.signature).toBe('valid')
          expect(decoded.envelope).toMatchObject({
            id: envelope.id,
            from: ALICE.key,
            to: BOB.key,
            via: [HOP.key],
            type,
          })
          expect(decoded.envelope).toMatchObject({ timestamp: TIMESTAMP, ttl: 4, encrypted: isEncrypted })
          expect(hexOf(decoded.canonical)).toBe(hexOf(encodeEnvelope(envelope)))
          expect(hexOf(decoded.signingBytes)).toBe(hexOf(envelopeSigningBytes(envelope)))
          expect(hexOf(await labNow().rust.open(wire, BOB.seed))).toBe(hexOf(payload))
        }
    })

    test('spec/envelope.md §1.1: that of Rust is read, verified and written again by ours', async () => {
      const random = new Random(101 + MESSAGE_TYPES.indexOf(type))
      for (const isCompact of [false, true])
        for (const isEncrypted of [false, true]) {
          const payload = random.bytes(random.next(300))
          const built = await labNow().rust.build({ ...draft, seed: ALICE.seed, payload, isEncrypted, isCompact })
          const { envelope, plaintext } = open(built.wire, bob)
          expect(hexOf(plaintext)).toBe(hexOf(payload))
          expect(hexOf(envelopeSigningBytes(envelope))).toBe(hexOf(built.signingBytes))
          expect(hexOf(encodeEnvelope(envelope, { isCompact }))).toBe(hexOf(built.wire))
        }
    })

    const sample = SAMPLES.find((each) => each.type === type)?.body
    if (sample !== undefined)
      test('spec/envelope.md §1.8: its body, both ways', async () => {
        const bytes = await labNow().rust.encodeBody(sample.name, sample.value)
        expect(hexOf(serdeBody(sample.name).encode(sample.value))).toBe(hexOf(bytes))
        const { value, canonical } = await labNow().rust.decodeBody(sample.name, bytes)
        expect([value, hexOf(canonical)]).toEqual([sample.value, hexOf(bytes)])
        const { encryption_key: _, ...read } = sample.value as object as Record<string, unknown>
        expect(serdeBody(sample.name).decode(bytes)).toEqual(type === 'PeerAnnounce' ? read : sample.value)
      })
  })

  test.each(LENGTHS)('spec/envelope.md §1.2: a payload of %i bytes, the same bytes by both', async (length) => {
    const payload = new Random(length + 1).bytes(length)
    const { envelope, wire } = alice.seal({ to: BOB.key, type: 'Chat', payload, timestamp: TIMESTAMP })
    const built = await labNow().rust.build({
      ...{ seed: ALICE.seed, to: BOB.key, type: 'Chat', payload, timestamp: TIMESTAMP, id: envelope.id },
    })
    expect(hexOf(built.wire)).toBe(hexOf(wire))
  })

  test.each([0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER])(
    'spec/envelope.md §1.2: a timestamp of %i, the same bytes by both',
    async (timestamp) => {
      const payload = new Uint8Array(1)
      const { envelope, wire } = alice.seal({ to: BOB.key, type: 'Heartbeat', payload, timestamp })
      const options = { seed: ALICE.seed, to: BOB.key, type: 'Heartbeat', payload, timestamp, id: envelope.id } as const
      expect(hexOf((await labNow().rust.build(options)).wire)).toBe(hexOf(wire))
    },
  )

  describe('spec/envelope.md §1.6', () => {
    test('what ours encrypts, Rust encrypts to the same bytes, given the same ephemeral key and nonce', async () => {
      for (let round = 1; round <= 20; round++) {
        const random = new Random(round)
        const [ephemeral, nonce, plaintext] = [random.bytes(32), random.bytes(24), random.bytes(random.next(200))]
        const recipient = person(round)
        const image = x25519PublicOf(decodeHex(recipient.key))!
        const pair = crypto.keyExchange('x25519', ephemeral)
        const payload = encryptPayload(crypto, pair, image, nonce, plaintext, new PackWriter(64), false)
        const options = { seed: ALICE.seed, to: recipient.key, type: 'Chat', timestamp: TIMESTAMP } as const
        const built = await labNow().rust.build({ ...options, payload: plaintext, isEncrypted: true, ephemeral, nonce })
        expect(hexOf(built.envelope.payload)).toBe(hexOf(payload))
      }
    })

    test('W6: nonces bound to the author open in Rust; those of Rust are known as unbound', async () => {
      const payload = new TextEncoder().encode('hello')
      const draft = { to: BOB.key, type: 'Chat', payload, timestamp: TIMESTAMP, isEncrypted: true } as const
      const { envelope, wire } = alice.seal(draft)
      expect(bob.open(envelope).isAuthorBound).toBe(true)
      expect(hexOf(await labNow().rust.open(wire, BOB.seed))).toBe(hexOf(payload))
      const built = await labNow().rust.build({ ...draft, seed: ALICE.seed })
      expect(open(built.wire, bob).isAuthorBound).toBe(false)
    })

    test('W6: ciphertext of Alice that another signs opens everywhere, and only ours sees that it is stolen', async () => {
      const payload = new TextEncoder().encode('I am Alice')
      const draft = { to: BOB.key, type: 'Chat', payload, timestamp: TIMESTAMP, isEncrypted: true } as const
      const { envelope } = alice.seal(draft)
      const options = { seed: HOP.seed, to: BOB.key, type: 'Chat', timestamp: TIMESTAMP, id: envelope.id } as const
      const resealed = await labNow().rust.build({ ...options, payload: envelope.payload })
      const signed = decodeEnvelope(resealed.wire, keys)
      const stolen = { ...signed, isEncrypted: true }
      const own = crypto.signer(HOP.seed)
      const wire = encodeEnvelope({ ...stolen, signature: own.sign(envelopeSigningBytes(stolen)) })
      expect(hexOf(await labNow().rust.open(wire, BOB.seed))).toBe(hexOf(payload))
      expect(open(wire, bob)).toMatchObject({ plaintext: payload, isAuthorBound: false })
    })

    test('what is meant for another opens nowhere, nor what was changed', async () => {
      const payload = new Uint8Array(40)
      const built = await labNow().rust.build({
        ...{ seed: ALICE.seed, to: HOP.key, type: 'Chat', payload, timestamp: TIMESTAMP, isEncrypted: true },
      })
      await expect(labNow().rust.open(built.wire, BOB.seed)).rejects.toThrow('open')
      expect(() => open(built.wire, bob)).toThrow(expect.objectContaining({ code: 'DECRYPT_FAILED' }))
      const exchange = crypto.keyExchange('x25519', new Uint8Array(32).fill(9))
      const sealed = built.envelope.payload.slice()
      sealed[4] = sealed[4]! ^ 1
      expect(() => decryptPayload(crypto, exchange, sealed)).toThrow(
        expect.objectContaining({ code: 'DECRYPT_FAILED' }),
      )
      const { nonce, ephemeralKey } = boxOf(built.envelope.payload)
      expect([nonce.length, ephemeralKey.length]).toEqual([24, 32])
    })
  })

  describe('SIG-1: verdicts on signatures', () => {
    const message = new TextEncoder().encode('any message at all')
    const honest = crypto.signer(ALICE.seed).sign(message)
    const key = decodeHex(ALICE.key)
    const vectors = JSON.parse(readFileSync(VECTORS, 'utf8')) as Record<string, Forged>
    const small = decodeHex(`01${'00'.repeat(31)}`)
    const cases = [
      { what: 'an honest one', key, signature: honest, isValid: true },
      ...['N1_small_order_key_must_be_rejected', 'N2_mixed_order_key_must_be_rejected'].map((name) => {
        const { public_key, signature } = vectors[name]!
        return { what: name.slice(0, 2), key: decodeHex(public_key), signature: decodeHex(signature), isValid: false }
      }),
      { what: 'S plus the order', key, signature: withS(honest, (scalar) => scalar + ORDER), isValid: false },
      { what: 'another S', key, signature: withS(honest, (scalar) => scalar + 1n), isValid: false },
      { what: 'R of small order', key, signature: Uint8Array.of(...small, ...honest.subarray(32)), isValid: false },
      { what: 'R that is no point', key, signature: Uint8Array.of(2, ...honest.subarray(1)), isValid: false },
      { what: '63 bytes', key, signature: honest.subarray(1), isValid: false },
      { what: 'none', key, signature: new Uint8Array(0), isValid: false },
    ]
    test.for(cases)('$what', async ({ key, signature, isValid }, { task }) => {
      const rust = await labNow().rust.verifyBytes(key, message, signature)
      task.meta.note = `strict: ${rust.strict}, ordinary: ${rust.loose}`
      expect([rust.strict, crypto.verify(key, message, signature)]).toEqual([isValid, isValid])
    })

    test('an envelope from a key of small order, unsigned, or signed by another', async () => {
      const { rust } = labNow()
      const draft = { to: BOB.key, type: 'Chat', payload: message, timestamp: TIMESTAMP } as const
      const unsigned = await rust.build({ ...draft, seed: ALICE.seed, isUnsigned: true })
      expect((await rust.decode(unsigned.wire)).signature).toBe('absent')
      expect(() => open(unsigned.wire, bob)).toThrow(expect.objectContaining({ code: 'UNSIGNED' }))
      const { envelope } = alice.seal(draft)
      for (const from of [HOP.key, `01${'00'.repeat(31)}`]) {
        const wire = encodeEnvelope({ ...envelope, from })
        expect((await rust.decode(wire)).signature).toBe('invalid')
        expect(() => open(wire, bob)).toThrow(expect.objectContaining({ code: 'BAD_SIGNATURE' }))
      }
    })
  })

  test.each(MORE_BODIES.map((body, index) => ({ number: index + 1, ...body })))(
    'spec/envelope.md §1.8: $name, one more ($number)',
    async ({ name, value }) => {
      const bytes = await labNow().rust.encodeBody(name, value)
      const { encryption_key: key, ...rest } = value as object as Record<string, unknown>
      expect(serdeBody(name).decode(bytes)).toEqual(name === 'PeerAnnounce' ? rest : value)
      if (key !== null) expect(hexOf(serdeBody(name).encode(value))).toBe(hexOf(bytes))
    },
  )

  test('spec/envelope.md §5.5: role changes, both ways', async () => {
    for (const [role, score] of [
      ['Relay', 15.5],
      ['Peer', 0],
      ['Relay', 1e300],
      ['Peer', -2.25],
    ] as const) {
      const signed = await labNow().rust.signRole(ALICE.seed, role, score, TIMESTAMP)
      expect(bob.verifyRoleChange(decodeRoleChange(signed))).toBe(true)
      const own = encodeRoleChange(alice.signRoleChange({ role, score, timestamp: TIMESTAMP }))
      expect(hexOf(own)).toBe(hexOf(signed))
      expect(await labNow().rust.verifyRole(own)).toBe(true)
    }
  })

  test('spec/envelope.md §7.2: signatures of group messages, both ways', async () => {
    for (const message of [CLEAR_MESSAGE, ENCRYPTED_MESSAGE]) {
      const signed = await labNow().rust.signGroupMessage(ALICE.seed, message)
      expect(hexOf(signingBytesOf(message))).toBe(hexOf(signed.signingBytes))
      const signature = [...crypto.signer(ALICE.seed).sign(signingBytesOf(message))]
      expect(await labNow().rust.verifyGroupMessage({ ...message, sender_signature: signature })).toBe(true)
      expect(await labNow().rust.verifyGroupMessage({ ...message, sender_signature: signature, sent_at: 1 })).toBe(
        false,
      )
    }
  })
}

/** The signature with another scalar. */
function withS(signature: Uint8Array, change: (scalar: bigint) => bigint): Uint8Array {
  let scalar = 0n
  for (let at = 63; at >= 32; at--) scalar = scalar * 256n + BigInt(signature[at]!)
  scalar = change(scalar)
  const out = signature.slice()
  for (let at = 32; at < 64; at++, scalar >>= 8n) out[at] = Number(scalar & 0xffn)
  return out
}
