/** Envelopes and what is in them, any that the codecs can write, for property tests and fuzzers. Needs no keys: signatures are just bytes. */
import fc from 'fast-check'
import { type Envelope, MAX_HOPS } from '../../../src/envelope/wire/envelope.ts'
import { MESSAGE_TYPES } from '../../../src/envelope/wire/message-type.ts'
import { SecretKey } from '../../../src/identity/index.ts'

/** Points of the curve. */
export const KEYS: readonly string[] = Array.from({ length: 8 }, (_, index) =>
  SecretKey.fromBytes(new Uint8Array(32).fill(index + 1)).id.toString(),
)

export const anyKey = fc.constantFrom(...KEYS)
export const anyTime = fc.nat({ max: Number.MAX_SAFE_INTEGER })
export const anyId = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 64 })
export const anyBytes = (maxLength: number) => fc.uint8Array({ maxLength })

export const anyEnvelope: fc.Arbitrary<Envelope> = fc
  .record({
    people: fc.shuffledSubarray([...KEYS], { minLength: 2, maxLength: 2 + MAX_HOPS }),
    id: anyId,
    type: fc.constantFrom(...MESSAGE_TYPES),
    payload: anyBytes(300),
    timestamp: anyTime,
    signature: fc.oneof(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.constant(new Uint8Array(0))),
    hopsLeft: fc.nat(MAX_HOPS),
    isEncrypted: fc.boolean(),
  })
  .map(({ people: [from, to, ...via], id, type, payload, timestamp, signature, hopsLeft, isEncrypted }) => ({
    id,
    from: from!,
    to: to!,
    via,
    type,
    payload,
    timestamp,
    signature,
    hopsLeft,
    isEncrypted,
  }))
