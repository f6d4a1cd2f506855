/** Envelopes signed, verified, opened (spec/envelope.md §1.4 to §1.6), on both providers and from one to the other. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { sha512 } from '@noble/hashes/sha2.js'
import { describe, expect, test } from 'vitest'
import { seededKeyExchange } from '../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import { type Draft, Sealer } from '../../../src/envelope/sealing/sealer.ts'
import { decodeRoleChange, encodeBackupReplica, encodeRoleChange } from '../../../src/envelope/wire/body-codec.ts'
import { type Envelope, MAX_ENVELOPE_LENGTH } from '../../../src/envelope/wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope, envelopeSigningBytes } from '../../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { KEYS } from '../wire/arbitrary.ts'
import { ALICE, BOB, HELLO, HOP, idOf, secretOf, TIMESTAMP, VECTORS } from '../wire/vectors.ts'

const { A_clear_direct: A, B_clear_one_hop: B, C_encrypted: C, E_gossip: E } = VECTORS
const PROVIDERS = [
  ['node', createNodeCrypto()],
  ['portable', createPortableCrypto()],
] as const
const keys = new KnownKeys()
const chat: Draft = { to: BOB, type: 'Chat', payload: HELLO, timestamp: TIMESTAMP }
const secret: Draft = { ...chat, isEncrypted: true }

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
  const random = new SimRandom(`sealer ${name}`)
  const sealer = (person: 'alice' | 'bob' | 'hop') => new Sealer({ secretKey: secretOf(person), crypto, random })
  const [alice, bob, hop] = [sealer('alice'), sealer('bob'), sealer('hop')]

  test('spec/envelope.md §1.5 vectors A and B: signed, both ways', () => {
    expect([alice.key, bob.key, hop.key]).toEqual([ALICE, BOB, HOP])
    const a = alice.seal({ ...chat, id: idOf(1) })
    expect(toHex(a.wire)).toBe(A.wire)
    expect(a.envelope).toEqual(decodeEnvelope(a.wire, keys))
    const b = alice.seal({ ...chat, id: idOf(2), via: [HOP] })
    expect(toHex(b.wire)).toBe(B.wire_ttl4)
    for (const wire of [a.wire, b.wire, hex(A.same_message_compact_bin_form_accepted_by_rust_decoder)])
      bob.verify(decodeEnvelope(wire, keys))
  })

  test('spec/envelope.md §1.6 vector C: verified and opened; its nonce binds nobody', () => {
    const c = decodeEnvelope(hex(C.wire), keys)
    bob.verify(c)
    expect(bob.open(c)).toEqual({ plaintext: HELLO, isAuthorBound: false })
    expect(toHex(crypto.hash('sha256', envelopeSigningBytes(c)))).toBe(C.signing_bytes_sha256)
    expect(toHex(crypto.hash('sha256', encodeEnvelope(c)))).toBe(C.wire_sha256)
    // signing the same payload gives the same envelope
    const again = alice.seal({ ...chat, id: idOf(3), payload: hex(C.payload) }).envelope
    expect(toHex(alice.redirect({ ...again, isEncrypted: true }, []).wire)).toBe(C.wire)
  })

  test('RTR-8: a hop lowers ttl and nothing else, and the signature holds', () => {
    const { envelope } = alice.seal({ ...chat, id: idOf(2), via: [HOP] })
    const passedOn = { ...envelope, hopsLeft: 3 }
    expect(toHex(encodeEnvelope(passedOn))).toBe(`${B.wire_ttl4.slice(0, -4)}03c2`)
    bob.verify(passedOn)
  })

  test('spec/envelope.md §1.6: encrypted for one, opened by nobody else', () => {
    const { envelope, wire } = alice.seal(secret)
    expect([envelope.isEncrypted, envelope.hopsLeft, toHex(wire).includes(toHex(HELLO))]).toEqual([true, 4, false])
    const received = decodeEnvelope(wire, keys)
    bob.verify(received)
    expect(bob.open(received)).toEqual({ plaintext: HELLO, isAuthorBound: true })
    hop.verify(received)
    expect(codeOf(() => hop.open(received))).toBe('DECRYPT_FAILED')
    expect(codeOf(() => alice.open(received))).toBe('DECRYPT_FAILED')
  })

  test('in clear the payload is there for all, and bound to nobody', () => {
    expect(hop.open(alice.seal(chat).envelope)).toEqual({ plaintext: HELLO, isAuthorBound: false })
  })

  test('W6: another author over the same ciphertext is told', () => {
    const { payload, id } = alice.seal(secret).envelope
    const stolen = hop.seal({ ...chat, id, payload }).envelope
    const claimed = hop.redirect({ ...stolen, isEncrypted: true }, []).envelope
    bob.verify(claimed)
    expect(bob.open(claimed)).toEqual({ plaintext: HELLO, isAuthorBound: false })
    // the author again, but under another id
    const renamed = alice.redirect({ ...claimed, id: 'other' }, []).envelope
    bob.verify(renamed)
    expect(bob.open(renamed).isAuthorBound).toBe(false)
  })

  test('each message has an id and a key of its own', () => {
    const [one, two] = [alice.seal(secret).envelope, alice.seal(secret).envelope]
    expect(one.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(one.id).not.toBe(two.id)
    expect(toHex(one.payload.subarray(-32))).not.toBe(toHex(two.payload.subarray(-32)))
  })

  test('a redirected message has another way and another signature; what is inside stays, and stays bound', () => {
    const { envelope } = alice.seal(secret)
    const { envelope: other, wire } = alice.redirect({ ...envelope, hopsLeft: 1 }, [HOP])
    expect({ ...other, signature: 0 }).toEqual({ ...envelope, via: [HOP], signature: 0 })
    expect(decodeEnvelope(wire, keys)).toEqual(other)
    bob.verify(other)
    expect(bob.open(other)).toEqual({ plaintext: HELLO, isAuthorBound: true })
    expect(codeOf(() => bob.verify({ ...envelope, via: [HOP] }))).toBe('BAD_SIGNATURE')
  })

  test('spec/envelope.md §1.3: the compact form is shorter, verifies, and becomes the canonical one at a hop', () => {
    const payload = random.bytes(1_000)
    const [long, short] = [alice.seal({ ...secret, payload }), alice.seal({ ...secret, payload, isCompact: true })]
    expect(long.wire.length).toBeGreaterThan(2_400)
    expect(short.wire.length).toBeLessThan(1_500)
    const received = decodeEnvelope(short.wire, keys)
    expect(received).toEqual(short.envelope)
    bob.verify(received)
    bob.verify(decodeEnvelope(encodeEnvelope(received), keys))
    expect(bob.open(received)).toEqual({ plaintext: payload, isAuthorBound: true })
    const always = new Sealer({ secretKey: secretOf('alice'), crypto, random, isCompact: true })
    expect(always.seal({ ...secret, payload }).wire.length).toBe(short.wire.length)
    expect(always.seal({ ...secret, payload, isCompact: false }).wire.length).toBeGreaterThan(2_400)
    always.free()
  })

  test('BAK-7: an envelope of 200 kB fits into another one in the compact form', () => {
    const inner = alice.seal({ ...chat, payload: new Uint8Array(200_000) })
    const replica = {
      id: inner.envelope.id,
      wire: inner.wire,
      to: BOB,
      from: ALICE,
      expiresAt: 1,
      viability: 100,
      holders: [],
    }
    const payload = encodeBackupReplica(replica, { isCompact: true })
    const { wire } = hop.seal({ to: BOB, type: 'BackupReplicate', payload, timestamp: TIMESTAMP, isCompact: true })
    const outer = decodeEnvelope(wire, keys)
    bob.verify(outer)
    expect(outer.payload.length).toBe(payload.length)
  })

  test('ENV-5: what does not fit is not built', () => {
    const sealed = (length: number, isEncrypted = false) =>
      codeOf(() => alice.seal({ ...chat, isEncrypted, payload: new Uint8Array(length).fill(0xff) }))
    expect([sealed(130_000), sealed(131_000), sealed(300_000)]).toEqual(['none', 'TOO_LARGE', 'TOO_LARGE'])
    expect([sealed(100_000, true), sealed(107_000, true)]).toEqual(['none', 'TOO_LARGE'])
    // and nothing of it stays behind
    expect(toHex(alice.seal({ ...chat, id: idOf(1) }).wire)).toBe(A.wire)
  })

  test.each<[string, Partial<Draft>, string]>([
    ['an empty id', { id: '' }, 'INVALID_FIELD'],
    ['an id of 65 characters', { id: 'a'.repeat(65) }, 'INVALID_FIELD'],
    ['an id beyond ASCII', { id: 'é' }, 'INVALID_FIELD'],
    ['five hops', { via: [HOP, ...KEYS.slice(3, 7)] }, 'INVALID_FIELD'],
    ['a hop twice', { via: [HOP, HOP] }, 'INVALID_FIELD'],
    ['itself as a hop', { via: [ALICE] }, 'INVALID_FIELD'],
    ['the recipient as a hop', { via: [BOB] }, 'INVALID_FIELD'],
    ['a recipient that is no point', { to: `02${'00'.repeat(31)}`, isEncrypted: true }, 'INVALID_KEY'],
    ['a recipient of small order', { to: `${'00'.repeat(32)}`, isEncrypted: true }, 'INVALID_KEY'],
    ['the neutral point as recipient', { to: `01${'00'.repeat(31)}`, isEncrypted: true }, 'INVALID_KEY'],
  ])('not sealed: %s', (_what, changes, code) => {
    expect(codeOf(() => alice.seal({ ...chat, ...changes }))).toBe(code)
  })

  test('a time with a fraction is signed as it is written', () => {
    const { envelope, wire } = alice.seal({ ...chat, timestamp: TIMESTAMP + 0.75 })
    expect(envelope.timestamp).toBe(TIMESTAMP)
    bob.verify(decodeEnvelope(wire, keys))
  })

  // SIG-1, SIG-2

  test.each<[keyof Envelope, Partial<Envelope>]>([
    ['id', { id: idOf(9) }],
    ['from', { from: HOP }],
    ['to', { to: HOP }],
    ['via', { via: [HOP] }],
    ['type', { type: 'Heartbeat' }],
    ['payload', { payload: hex('68656c6c6e') }],
    ['timestamp', { timestamp: TIMESTAMP + 1 }],
    ['isEncrypted', { isEncrypted: true }],
  ])('SIG-2: %s is signed', (_field, change) => {
    const { envelope } = alice.seal(chat)
    expect(codeOf(() => bob.verify({ ...envelope, ...change }))).toBe('BAD_SIGNATURE')
    expect(codeOf(() => bob.verify(envelope))).toBe('none')
  })

  test('spec/envelope.md §1.4: hops are signed in their order', () => {
    const via = [HOP, KEYS[3]!]
    const { envelope } = alice.seal({ ...chat, via })
    for (const other of [[...via].reverse(), [HOP], [], [...via, KEYS[4]!]])
      expect(codeOf(() => bob.verify({ ...envelope, via: other }))).toBe('BAD_SIGNATURE')
  })

  test('SIG-2: each byte of a signature counts, and there must be one', () => {
    const { envelope } = alice.seal(chat)
    for (let at = 0; at < 64; at += 7) {
      const signature = envelope.signature.slice()
      signature[at]! ^= 0x80
      expect(codeOf(() => bob.verify({ ...envelope, signature }))).toBe('BAD_SIGNATURE')
    }
    expect(codeOf(() => bob.verify(decodeEnvelope(hex(A.unsigned_wire), keys)))).toBe('UNSIGNED')
    for (const signature of [envelope.signature.slice(1), new Uint8Array(64), Uint8Array.of(...envelope.signature, 0)])
      expect(codeOf(() => bob.verify({ ...envelope, signature }))).toBe('BAD_SIGNATURE')
  })

  test('SIG-1: a scalar that is not below the order', () => {
    const { envelope } = alice.seal(chat)
    const signature = envelope.signature.slice()
    let scalar = 0n
    for (let index = 31; index >= 0; index--) scalar = (scalar << 8n) | BigInt(signature[32 + index]!)
    scalar += ed25519.Point.Fn.ORDER
    for (let index = 0; index < 32; index++) signature[32 + index] = Number((scalar >> BigInt(8 * index)) & 0xffn)
    expect(codeOf(() => bob.verify({ ...envelope, signature }))).toBe('BAD_SIGNATURE')
  })

  test('SIG-1 vector N1: a key of small order signs nothing', () => {
    const { public_key, signature } = VECTORS.N1_small_order_key_must_be_rejected
    const forged = { ...alice.seal(chat).envelope, from: public_key, signature: hex(signature) }
    // a point of the curve, so it comes this far
    expect(decodeEnvelope(encodeEnvelope(forged), keys)).toEqual(forged)
    expect(codeOf(() => bob.verify(forged))).toBe('BAD_SIGNATURE')
  })

  test('SIG-1: a commitment of small order', () => {
    // with R neutral and a scalar of k·a any key holder could sign so; the strict check takes R for what it is
    const { envelope } = alice.seal(chat)
    const { scalar } = ed25519.utils.getExtendedPublicKey(secretOf('alice').toBytes())
    const neutral = hex(`01${'00'.repeat(31)}`)
    const challenge = challengeOf(neutral, hex(ALICE), envelopeSigningBytes(envelope))
    const signature = Uint8Array.of(...neutral, ...ed25519.Point.Fn.toBytes(ed25519.Point.Fn.mul(challenge, scalar)))
    expect(ed25519.verify(signature, envelopeSigningBytes(envelope), hex(ALICE))).toBe(true)
    expect(codeOf(() => bob.verify({ ...envelope, signature }))).toBe('BAD_SIGNATURE')
  })

  test('SIG-1 vector N2: a key of mixed order', () => {
    const { public_key, signature, message_utf8 } = VECTORS.N2_mixed_order_key_must_be_rejected
    expect(crypto.verify(hex(public_key), new TextEncoder().encode(message_utf8), hex(signature))).toBe(false)
  })

  test('SIG-1: with a key of mixed order exactly the signatures of the equation without the cofactor hold', () => {
    const { Point } = ed25519
    const { Fn } = Point
    const torsion = Point.fromBytes(hex('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'))
    const from = toHex(Point.BASE.multiply(5n).add(torsion).toBytes())
    const { envelope } = alice.seal(chat)
    const outcomes = { held: 0, refused: 0 }
    for (let nonce = 1n; outcomes.held === 0 || outcomes.refused === 0; nonce++) {
      const message = envelopeSigningBytes({ ...envelope, from })
      const commitment = Point.BASE.multiply(nonce).toBytes()
      const challenge = challengeOf(commitment, hex(from), message)
      const signature = Uint8Array.of(...commitment, ...Fn.toBytes(Fn.create(nonce + challenge * 5n)))
      // what noble and others with the cofactor accept in any case
      expect(ed25519.verify(signature, message, hex(from))).toBe(true)
      const holds = challenge % 8n === 0n
      expect(codeOf(() => bob.verify({ ...envelope, from, signature }))).toBe(holds ? 'none' : 'BAD_SIGNATURE')
      outcomes[holds ? 'held' : 'refused']++
    }
  })

  test('an author that is no hex', () => {
    expect(codeOf(() => bob.verify({ ...alice.seal(chat).envelope, from: 'x'.repeat(64) }))).toBe('BAD_SIGNATURE')
  })

  // role changes

  test('spec/envelope.md §5.5 vector E: a role change, signed and verified', () => {
    const { wire } = E.role_change_alice_Relay_15_5
    const change = alice.signRoleChange({ role: 'Relay', score: 15.5, timestamp: TIMESTAMP + 0.5 })
    expect(toHex(encodeRoleChange(change))).toBe(wire)
    expect(bob.verifyRoleChange(decodeRoleChange(hex(wire)))).toBe(true)
    for (const other of [
      { peer: BOB },
      { role: 'Peer' as const },
      { score: 15.25 },
      { timestamp: TIMESTAMP + 1 },
      { signature: new Uint8Array(64) },
      { signature: change.signature.slice(1) },
    ])
      expect(bob.verifyRoleChange({ ...change, ...other })).toBe(false)
  })

  test('W27: role changes are verified as strictly', () => {
    const { public_key, signature } = VECTORS.N1_small_order_key_must_be_rejected
    const change = { peer: public_key, role: 'Relay', score: 1, timestamp: 1, signature: hex(signature) } as const
    expect(bob.verifyRoleChange(change)).toBe(false)
  })
})

describe('both providers', () => {
  test('from one to the other, and the same bytes from the same randomness', () => {
    const sealed = PROVIDERS.map(([, crypto]) => {
      const random = new SimRandom('same')
      const seeded = seededKeyExchange(crypto, random)
      const [alice, bob] = ['alice', 'bob'].map(
        (person) => new Sealer({ secretKey: secretOf(person as 'alice'), crypto: seeded, random }),
      )
      const wires = [secret, chat, { ...secret, payload: new Uint8Array(3_000), via: [HOP] }].map(
        (draft) => alice!.seal(draft).wire,
      )
      return { bob: bob!, wires }
    })
    const [node, portable] = sealed
    expect(node!.wires.map(toHex)).toEqual(portable!.wires.map(toHex))
    for (const [{ bob }, { wires }] of [
      [node!, portable!],
      [portable!, node!],
    ] as const) {
      for (const wire of wires) {
        const envelope = decodeEnvelope(wire, keys)
        bob.verify(envelope)
        expect(bob.open(envelope).isAuthorBound).toBe(envelope.isEncrypted)
      }
    }
  })

  test('all key handles go with free, and none is left by what fails', () => {
    for (const crypto of [createNodeCrypto(), createPortableCrypto()]) {
      const sealer = new Sealer({
        secretKey: SecretKey.fromBytes(new Uint8Array(32)),
        crypto,
        random: new SimRandom('free'),
      })
      const { envelope } = sealer.seal({ ...secret, to: sealer.key })
      sealer.open(envelope)
      expect(codeOf(() => sealer.open({ ...envelope, payload: envelope.payload.slice(1) }))).toBe('DECRYPT_FAILED')
      expect(codeOf(() => sealer.seal({ ...secret, to: '00'.repeat(32) }))).toBe('INVALID_KEY')
      expect(codeOf(() => sealer.seal({ ...secret, payload: new Uint8Array(200_000) }))).toBe('TOO_LARGE')
      expect(crypto.liveKeys).toBe(2)
      sealer.free()
      expect(crypto.liveKeys).toBe(0)
      expect(() => sealer.seal(chat)).toThrow('freed')
    }
  })

  test('spec/envelope.md §1.9: an encrypted text of 104,000 bytes fits in practice', () => {
    const random = new SimRandom('large')
    const sealer = new Sealer({ secretKey: secretOf('alice'), crypto: createNodeCrypto(), random })
    const { wire } = sealer.seal({ ...secret, payload: random.bytes(104_000) })
    expect(wire.length).toBeLessThanOrEqual(MAX_ENVELOPE_LENGTH)
    sealer.free()
  })
})

/** k of RFC 8032 §5.1.7. */
function challengeOf(commitment: Uint8Array, key: Uint8Array, message: Uint8Array): bigint {
  const digest = sha512(Uint8Array.of(...commitment, ...key, ...message))
  return ed25519.Point.Fn.create(BigInt(`0x${toHex(digest.reverse())}`))
}
