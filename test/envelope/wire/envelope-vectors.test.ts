/** Envelopes of spec/envelope.md appendix B, byte for byte in both directions, without any key. */
import { describe, expect, test } from 'vitest'
import type { Envelope } from '../../../src/envelope/wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope, envelopeSigningBytes } from '../../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { ALICE, BOB, HELLO, HOP, idOf, TIMESTAMP, VECTORS } from './vectors.ts'

const { A_clear_direct: A, B_clear_one_hop: B, C_encrypted: C, D_acks_for_A: D } = VECTORS
const keys = new KnownKeys()

const a: Envelope = {
  id: idOf(1),
  from: ALICE,
  to: BOB,
  via: [],
  type: 'Chat',
  payload: HELLO,
  timestamp: TIMESTAMP,
  signature: hex(A.signature),
  hopsLeft: 4,
  isEncrypted: false,
}
const b: Envelope = { ...a, id: idOf(2), via: [HOP], signature: hex(B.signature) }
const c: Envelope = {
  ...a,
  id: idOf(3),
  payload: hex(C.payload),
  signature: hex(C.signature),
  isEncrypted: true,
}
const ack: Envelope = {
  ...a,
  id: idOf(4),
  from: BOB,
  to: ALICE,
  type: 'Ack',
  payload: hex(D.ack_recipient_payload),
  timestamp: TIMESTAMP + 500,
  signature: hex(D.delivery_ack_envelope.signature),
}

describe('spec/envelope.md appendix B', () => {
  test.each([
    ['A: clear, direct', A.wire, a],
    ['A without its signature', A.unsigned_wire, { ...a, signature: hex('') }],
    ['B: clear, over a hop', B.wire_ttl4, b],
    ['B after the hop', `${B.wire_ttl4.slice(0, -4)}03c2`, { ...b, hopsLeft: 3 }],
    ['C: encrypted', C.wire, c],
    ['D: the delivery ack for A', D.delivery_ack_envelope.wire, ack],
  ])('§1.1 vector %s, both ways', (_name, wire, envelope) => {
    expect(decodeEnvelope(hex(wire), keys)).toEqual(envelope)
    expect(toHex(encodeEnvelope(envelope))).toBe(wire)
  })

  test('§1.4: signing bytes of A and B', () => {
    expect(toHex(envelopeSigningBytes(a))).toBe(A.signing_bytes)
    expect(toHex(envelopeSigningBytes(b))).toBe(B.signing_bytes)
    expect(envelopeSigningBytes(c).length).toBe(356)
  })

  test('§1.4: neither ttl nor signature change the signing bytes', () => {
    const later = { ...b, hopsLeft: 1, signature: hex('') }
    expect(toHex(envelopeSigningBytes(later))).toBe(B.signing_bytes)
  })

  test('§1.3: the compact form of A, both ways', () => {
    const wire = A.same_message_compact_bin_form_accepted_by_rust_decoder
    expect(decodeEnvelope(hex(wire), keys)).toEqual(a)
    expect(toHex(encodeEnvelope(a, { isCompact: true }))).toBe(wire)
    // ENV-4: what is signed is the canonical form in any case
    expect(toHex(envelopeSigningBytes(decodeEnvelope(hex(wire), keys)))).toBe(A.signing_bytes)
  })
})
