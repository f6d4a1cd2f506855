/** Encryption of payloads (spec/envelope.md §1.6), vectors C and F, and W6. */
import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import { boundNonce, decryptPayload, encryptPayload, isBoundTo } from '../../../src/envelope/sealing/payload-box.ts'
import { RecipientKeys } from '../../../src/envelope/sealing/recipient-keys.ts'
import { decodeGroupPayload } from '../../../src/envelope/wire/group-payload.ts'
import { PackWriter } from '../../../src/envelope/wire/pack-writer.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { KEYS } from '../wire/arbitrary.ts'
import { ALICE, BOB, HELLO, HOP, idOf, VECTORS } from '../wire/vectors.ts'

const { C_encrypted: C, F_groups: F } = VECTORS
const PROVIDERS = [
  ['node', createNodeCrypto()],
  ['portable', createPortableCrypto()],
] as const
const recipients = new RecipientKeys()

function codeOf(use: () => unknown): string {
  try {
    use()
  } catch (error) {
    if (error instanceof EnvelopeError) return error.code
    throw error
  }
  return 'none'
}

describe.each(PROVIDERS)('on %s', (name, crypto) => {
  const pairOf = (secret: string) => crypto.keyExchange('x25519', hex(secret))
  const bob = pairOf(VECTORS.keys.bob.x25519_sk_clamped)
  const toBob = recipients.keyOf(BOB)!
  const encrypt = (secret: string, nonce: string, plaintext: Uint8Array, isCompact = false) =>
    encryptPayload(crypto, pairOf(secret), toBob, hex(nonce), plaintext, new PackWriter(1), isCompact)

  test('spec/envelope.md §1.6 vector C, both ways', () => {
    const pair = pairOf(C.ephemeral_secret)
    expect(toHex(pair.publicKey)).toBe(C.ephemeral_public)
    expect(toHex(pair.agree(toBob))).toBe(C.shared_secret)
    expect(toHex(encrypt(C.ephemeral_secret, C.nonce, HELLO))).toBe(C.payload)
    const opened = decryptPayload(crypto, bob, hex(C.payload))
    expect(opened).toEqual({ plaintext: HELLO, nonce: hex(C.nonce), ephemeralKey: hex(C.ephemeral_public) })
  })

  test('spec/envelope.md §7.2 vector F: a sender key for a member', () => {
    const { ephemeral_secret, nonce, payload } = F.sender_key_distribution_to_bob
    const distribution = decodeGroupPayload(hex(payload))
    if (distribution.kind !== 'SenderKeyDistribution') throw new Error('another payload')
    const box = encrypt(ephemeral_secret, nonce, hex(F.encrypted_message.sender_key))
    expect(payload).toContain(toHex(box))
    expect(toHex(decryptPayload(crypto, bob, box).plaintext)).toBe(F.encrypted_message.sender_key)
  })

  test('spec/envelope.md §1.3: the compact form opens as well', () => {
    const compact = encrypt(C.ephemeral_secret, C.nonce, HELLO, true)
    expect(toHex(compact)).toBe(`93c415${C.ciphertext_and_tag}c418${C.nonce}c420${C.ephemeral_public}`)
    expect(decryptPayload(crypto, bob, compact).plaintext).toEqual(HELLO)
  })

  test('ENC-2: a key whose exchange gives zeros is refused on both sides', () => {
    for (const point of ['00'.repeat(32), `01${'00'.repeat(31)}`, `ecff${'ff'.repeat(29)}7f`]) {
      const box = `93c415${C.ciphertext_and_tag}c418${C.nonce}c420${point}`
      expect(codeOf(() => decryptPayload(crypto, bob, hex(box)))).toBe('DECRYPT_FAILED')
      const seal = () => encryptPayload(crypto, bob, hex(point), hex(C.nonce), HELLO, new PackWriter(), false)
      expect(codeOf(seal)).toBe('INVALID_KEY')
    }
  })

  test('another recipient, and any changed byte: it does not open', () => {
    const hop = pairOf(VECTORS.keys.hop.x25519_sk_clamped)
    expect(codeOf(() => decryptPayload(crypto, hop, hex(C.payload)))).toBe('DECRYPT_FAILED')
    // the compact form, so that each byte is one of the three parts or a head
    const compact = encrypt(C.ephemeral_secret, C.nonce, HELLO, true)
    for (let at = 0; at < compact.length; at += name === 'node' ? 1 : 5) {
      const changed = compact.slice()
      changed[at]! ^= 1
      expect(
        codeOf(() => decryptPayload(crypto, bob, changed)),
        `byte ${at}`,
      ).toBe('DECRYPT_FAILED')
    }
    for (let length = 0; length < compact.length; length++)
      expect(codeOf(() => decryptPayload(crypto, bob, compact.subarray(0, length)))).toBe('DECRYPT_FAILED')
  })

  test.each([
    ['two parts', `92c415${C.ciphertext_and_tag}c418${C.nonce}`],
    ['four', `94c415${C.ciphertext_and_tag}c418${C.nonce}c420${C.ephemeral_public}c0`],
    ['a byte behind', `93c415${C.ciphertext_and_tag}c418${C.nonce}c420${C.ephemeral_public}c0`],
    ['a shorter nonce', `93c415${C.ciphertext_and_tag}c417${C.nonce.slice(2)}c420${C.ephemeral_public}`],
    ['a longer nonce', `93c415${C.ciphertext_and_tag}c419${C.nonce}05c420${C.ephemeral_public}`],
    ['a shorter key', `93c415${C.ciphertext_and_tag}c418${C.nonce}c41f${C.ephemeral_public.slice(2)}`],
    ['a longer key', `93c415${C.ciphertext_and_tag}c418${C.nonce}c421${C.ephemeral_public}00`],
    ['less than a tag', `93c40f${C.ciphertext_and_tag.slice(0, 30)}c418${C.nonce}c420${C.ephemeral_public}`],
    ['text', '68656c6c6f'],
  ])('%s: it does not open', (_what, payload) => {
    expect(codeOf(() => decryptPayload(crypto, bob, hex(payload)))).toBe('DECRYPT_FAILED')
  })

  test('nothing but a tag is an empty text', () => {
    const empty = encrypt(C.ephemeral_secret, C.nonce, new Uint8Array(0))
    expect(decryptPayload(crypto, bob, empty).plaintext).toEqual(new Uint8Array(0))
  })

  test('W6: the nonce of an author is the first 24 bytes of a hash over the parts', () => {
    const key = hex(C.ephemeral_public)
    const parts = Uint8Array.of(
      ...new TextEncoder().encode('tom-bind-v1'),
      ...key,
      ...hex(ALICE),
      ...hex(BOB),
      0x69,
      0x64,
    )
    const nonce = boundNonce(crypto, key, ALICE, BOB, 'id')
    expect(toHex(nonce)).toBe(toHex(crypto.hash('sha256', parts)).slice(0, 48))
    const opened = { plaintext: HELLO, nonce, ephemeralKey: key }
    expect(isBoundTo(crypto, opened, ALICE, BOB, 'id')).toBe(true)
    expect(isBoundTo(crypto, opened, HOP, BOB, 'id')).toBe(false)
    expect(isBoundTo(crypto, opened, ALICE, HOP, 'id')).toBe(false)
    expect(isBoundTo(crypto, opened, ALICE, BOB, 'ie')).toBe(false)
    expect(isBoundTo(crypto, { ...opened, ephemeralKey: hex(C.hkdf_key) }, ALICE, BOB, 'id')).toBe(false)
    expect(isBoundTo(crypto, { ...opened, nonce: hex(C.nonce) }, ALICE, BOB, 'id')).toBe(false)
  })

  test('W6: the nonce for the ephemeral key, people and id of vector C, computed elsewhere', () => {
    expect(toHex(boundNonce(crypto, hex(C.ephemeral_public), ALICE, BOB, idOf(3)))).toBe(
      'fbbda9d111c88cd0ae7c2510d7bd641cbcae1085d73970bc',
    )
  })
})

describe('spec/envelope.md §1.6: the X25519 keys of recipients', () => {
  test.each(['alice', 'bob', 'hop'] as const)('%s', (person) => {
    const keys = VECTORS.keys[person]
    expect(toHex(recipients.keyOf(keys.ed25519_pk)!)).toBe(keys.x25519_pk)
  })

  test('none for what is no key, or has no image', () => {
    for (const key of [`02${'00'.repeat(31)}`, `01${'00'.repeat(31)}`, ALICE.toUpperCase(), ALICE.slice(2), ''])
      expect(recipients.keyOf(key)).toBeUndefined()
  })

  test('remembered within bounds, the same array as long as it is', () => {
    const few = new RecipientKeys(4)
    const first = few.keyOf(ALICE)
    for (let round = 0; round < 3; round++) {
      for (const key of KEYS) {
        few.keyOf(key)
        expect(few.size).toBeLessThanOrEqual(4)
        // asked again and again, it stays
        expect(few.keyOf(ALICE)).toBe(first)
      }
    }
  })
})
