import { describe, expect, test } from 'vitest'
import { blake3DeriveKey } from '../../src/crypto/index.ts'
import { counting, hex, toHex } from './hex.ts'

describe('BLAKE3 derive_key', () => {
  const OFFICIAL = 'BLAKE3 2019-12-27 16:29:52 test vectors context'

  test('spec/relay.md §8: the official vector for an empty input', () => {
    expect(toHex(blake3DeriveKey(OFFICIAL, new Uint8Array()))).toBe(
      '2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d',
    )
  })

  test('spec/relay.md §8.1: what a client signs', () => {
    expect(toHex(blake3DeriveKey('iroh-relay handshake v1 challenge signature', counting(0, 16)))).toBe(
      'b7b16e505d2cb5dbaf494800092c3b05a6c45d8d3fd4f1b888c6a77240b876c0',
    )
  })

  test('32 bytes that depend on context and material, and leave the material alone', () => {
    const material = hex('0102')
    const key = blake3DeriveKey('a', material)
    expect(key).toHaveLength(32)
    expect(blake3DeriveKey('b', material)).not.toEqual(key)
    expect(blake3DeriveKey('a', hex('0103'))).not.toEqual(key)
    expect(blake3DeriveKey('ä', material)).not.toEqual(key)
    expect(material).toEqual(hex('0102'))
  })
})
