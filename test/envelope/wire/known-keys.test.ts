import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KnownKeys, PLAIN_TEST } from '../../../src/envelope/wire/known-keys.ts'
import { toHex } from '../../crypto/hex.ts'
import { ALICE, BOB, HOP } from './vectors.ts'

const NO_POINT = `02${'00'.repeat(31)}`

test('spec/envelope.md §1.3: keys are points of the curve in 64 lower-case hex digits', () => {
  for (const keys of [new KnownKeys(), new KnownKeys(0), PLAIN_TEST]) {
    for (let again = 0; again < 3; again++) {
      for (const key of [ALICE, BOB, HOP]) expect(keys.isKey(key)).toBe(true)
      for (const key of [NO_POINT, ALICE.toUpperCase(), ALICE.slice(1), `${ALICE}0`, `${ALICE}\n`, ''])
        expect(keys.isKey(key)).toBe(false)
    }
  }
})

test('spec/envelope.md §5.6: it remembers within bounds, and what is no hex not at all', () => {
  const keys = new KnownKeys(8)
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const key = toHex(bytes)
      expect(keys.isKey(key)).toBe(PLAIN_TEST.isKey(key))
      expect(keys.size).toBeLessThanOrEqual(8)
    }),
    { numRuns: 50 },
  )
  const fresh = new KnownKeys()
  fresh.isKey('no key')
  expect(fresh.size).toBe(0)
})

test('what is asked often is not forgotten for what is asked once', () => {
  const keys = new KnownKeys(8)
  let sizes = 0
  for (let index = 0; index < 40; index++) {
    keys.isKey(index.toString(16).padStart(64, '0'))
    keys.isKey(ALICE)
    const { size } = keys
    // known already: no second entry
    keys.isKey(ALICE)
    sizes += keys.size - size
  }
  expect(sizes).toBe(0)
})
