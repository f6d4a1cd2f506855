import { blake3 } from '@noble/hashes/blake3.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blake3DeriveKey, blake3Hash } from '../../src/crypto/index.ts'
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

describe('BLAKE3 hash', () => {
  test('spec/gossip.md §15: published vectors', () => {
    expect(toHex(blake3Hash(new Uint8Array()))).toBe('af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262')
    expect(toHex(blake3Hash(new TextEncoder().encode('hello')))).toBe(
      'ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f',
    )
  })

  test('is what noble computes, about every boundary of words, blocks, chunks and subtrees', () => {
    const near = (length: number): number[] => [-5, -4, -1, 0, 1, 3].map((step) => length + step)
    const lengths = [1, 2, 3, 4, ...[64, 128, 960, 1024, 2048, 3072, 4096, 5120, 8192, 16_384].flatMap(near), 100_000]
    const data = Uint8Array.from({ length: 100_001 }, (_, index) => (index * 167 + (index >> 8)) & 0xff)
    for (const length of lengths) {
      // an unaligned view
      const input = data.subarray(1, 1 + length)
      expect(toHex(blake3Hash(input)), `${length} bytes`).toBe(toHex(blake3(input)))
    }
  })

  test('random inputs', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (input) => {
        expect(toHex(blake3Hash(input))).toBe(toHex(blake3(input)))
      }),
    )
  })
})
