/** Keys of spec/relay.md §8, and what the tests of the protocol share. */
import { expect } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import type { RandomSource } from '../../../src/platform/index.ts'
import { RelayProtocolError } from '../../../src/relay/index.ts'
import { hex } from '../../crypto/hex.ts'

export const PROVIDERS = [createNodeCrypto(), createPortableCrypto()]

export const CLIENT_SEED = new Uint8Array(32).fill(1)
export const CLIENT_ID = '8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c'
export const PEER_ID = '8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394'
export const ID_2A = '197f6b23e16c8532c6abc838facd5ea789be0c76b2920334039bfa8b3d368d61'
/** 32 × 02 is no point of the curve. */
export const NO_POINT = '02'.repeat(32)

/** Not random at all: gives out `bytes`, again and again. */
export function fixedRandom(bytes: Uint8Array): RandomSource {
  return {
    fill(out) {
      for (let i = 0; i < out.length; i++) out[i] = bytes[i % bytes.length]!
    },
  }
}

/** The reason of the RelayProtocolError that `action` must throw. */
export function reasonOf(action: () => unknown): string {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(RelayProtocolError)
    const { code, reason, message } = error as RelayProtocolError
    expect(code).toBe('RELAY_PROTOCOL')
    expect(message).toContain(reason)
    expect(message).not.toContain('\n')
    return reason
  }
  return 'no error'
}

/** A binary WebSocket message below 64 KiB as bytes on the wire (RFC 6455 §5.2), masked when there is a mask. */
export function onTheWire(message: Uint8Array, mask?: Uint8Array): Uint8Array {
  const { length } = message
  const size = length < 126 ? [length] : [126, length >>> 8, length & 0xff]
  size[0]! |= mask === undefined ? 0 : 0x80
  const payload = message.map((byte, i) => byte ^ (mask?.[i % 4] ?? 0))
  return Uint8Array.from([0x82, ...size, ...(mask ?? []), ...payload])
}

export const MASK = hex('37fa213d')
