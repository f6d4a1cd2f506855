import { expect, test } from 'vitest'
import { PooledRandom } from '../../src/platform/node/pooled-random.ts'

test('no bytes come twice, whatever sizes are asked for', () => {
  const random = new PooledRandom()
  const seen = new Set<string>()
  // four pools' worth in pieces of 8, with larger ones between that straddle the refills or go past the pool
  for (let index = 0; index < 2000; index++) {
    const piece = new Uint8Array(index % 97 === 0 ? 500 : index % 501 === 0 ? 3000 : 8)
    random.fill(piece)
    seen.add(Buffer.from(piece.subarray(0, 8)).toString('hex'))
    seen.add(Buffer.from(piece.subarray(-8)).toString('hex'))
  }
  const large = Math.ceil(2000 / 97) + Math.floor(2000 / 501) - 0
  expect(seen.size).toBeGreaterThanOrEqual(2000)
  expect(seen.size).toBeLessThanOrEqual(2000 + large)
})

test('a piece is filled to its last byte', () => {
  const random = new PooledRandom()
  const sums = new Uint32Array(32)
  for (let round = 0; round < 200; round++) {
    const piece = new Uint8Array(32)
    random.fill(piece)
    piece.forEach((byte, at) => {
      sums[at]! += byte
    })
  }
  // 200 bytes average 127.5; a place that stays zero or constant would stand out
  for (const sum of sums) expect(Math.abs(sum / 200 - 127.5)).toBeLessThan(40)
})
