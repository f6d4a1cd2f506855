import { expect, test } from 'vitest'
import { KeyCheck } from '../../../src/gossip/wire/key-check.ts'
import { isCurvePoint } from '../../../src/identity/index.ts'
import { hex } from '../../crypto/hex.ts'
import { A } from './vectors.ts'

test('another length is no key', () => {
  const keys = new KeyCheck()
  for (const length of [0, 31, 33]) expect(keys.isKey(new Uint8Array(length))).toBe(false)
  expect(keys.size).toBe(0)
})

test('spec/gossip.md §4.2: verdicts are remembered within the bound, and right when they are forgotten', () => {
  const keys = new KeyCheck(64)
  const names = Array.from({ length: 500 }, (_, index) => {
    const bytes = new Uint8Array(32)
    bytes[0] = index
    bytes[1] = index >> 8
    return bytes
  })
  const expected = names.map(isCurvePoint)
  for (let round = 0; round < 2; round++) {
    for (const [index, name] of names.entries()) {
      expect(keys.isKey(name)).toBe(expected[index])
      expect(keys.isKey(name)).toBe(expected[index])
      expect(keys.size).toBeLessThanOrEqual(64)
    }
  }
})

test('spec/gossip.md §4.2: whoever watches the size sees what costs something: known keys do not change it', () => {
  const keys = new KeyCheck(100)
  const names = Array.from({ length: 60 }, (_, index) => new Uint8Array(32).fill(index + 1))
  for (const [index, name] of names.entries()) {
    keys.isKey(name)
    expect(keys.size).toBe(index + 1)
  }
  // the first fifty are the older generation now
  for (const name of names.slice(0, 30)) keys.isKey(name)
  expect(keys.size).toBe(60)
})

test('the caller may change the bytes afterwards', () => {
  const keys = new KeyCheck()
  const bytes = hex(A)
  expect(keys.isKey(bytes)).toBe(true)
  bytes.fill(0).set([2])
  expect(keys.isKey(bytes)).toBe(false)
  expect(keys.isKey(hex(A))).toBe(true)
})
