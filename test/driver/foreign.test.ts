import { expect, test } from 'vitest'
import { foreignKind } from '../../src/driver/foreign.ts'
import { hex } from '../crypto/hex.ts'

const MAGIC = '5453f09f92ac'
const COOKIE = '2112a442'
const zeros = (bytes: number): string => '00'.repeat(bytes)

/** D3, spec/disco-stun-nat.md §9. */
test.each([
  ['nothing at all', '', undefined],
  ['STUN, 20 bytes', `00010000${COOKIE}${zeros(12)}`, 'stun'],
  ['STUN, 19 bytes', `00010000${COOKIE}${zeros(11)}`, undefined],
  ['the cookie with the top bit set: a long header', `80010000${COOKIE}${zeros(12)}`, undefined],
  ['the cookie with the fixed bit set: a short header', `40010000${COOKIE}${zeros(12)}`, undefined],
  ['both top bits', `c0010000${COOKIE}${zeros(12)}`, undefined],
  ['another cookie', `000100002112a443${zeros(12)}`, undefined],
  ['the cookie elsewhere', `0001000000${COOKIE}${zeros(12)}`, undefined],
  ['disco, 38 bytes', `${MAGIC}${zeros(32)}`, 'disco'],
  ['disco, 37 bytes', `${MAGIC}${zeros(31)}`, undefined],
  ['disco, only the magic', MAGIC, undefined],
  ['a short header that begins with 0x54', `5453f09f92ad${zeros(40)}`, undefined],
  ['the magic behind another first byte', `4453f09f92ac${zeros(40)}`, undefined],
  ['a short header', `40${zeros(60)}`, undefined],
  ['an Initial', `c00000000108${zeros(1194)}`, undefined],
  ['without the fixed bit', `00${zeros(60)}`, undefined],
])('spec/disco-stun-nat.md §2.1: %s', (_, text, kind) => {
  expect(foreignKind(hex(text))).toBe(kind)
})
