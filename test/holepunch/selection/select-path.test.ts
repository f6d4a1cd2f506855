import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type PathCandidate, selectPath } from '../../../src/holepunch/index.ts'

type Row = readonly [key: string, kind: PathCandidate<string>['kind'], rttMs: number, isCurrent?: 'current']

const paths = (...rows: readonly Row[]): PathCandidate<string>[] =>
  rows.map(([key, kind, rttMs, current]) => ({ key, kind, rttMs, isCurrent: current === 'current' }))

const TABLE: readonly [string, string | undefined, readonly Row[]][] = [
  ['nothing to choose from', undefined, []],
  ['one', 'a', [['a', 'relay', 100]]],
  [
    'without a current one the best',
    'b',
    [
      ['a', 'ipv4', 10],
      ['b', 'ipv4', 9.9],
    ],
  ],
  [
    'of equals the first',
    'a',
    [
      ['a', 'ipv4', 10],
      ['b', 'ipv4', 10],
    ],
  ],
  [
    '3 ms for IPv6: just enough',
    'six',
    [
      ['four', 'ipv4', 10],
      ['six', 'ipv6', 12.9],
    ],
  ],
  [
    '3 ms for IPv6: a tie goes to the first',
    'four',
    [
      ['four', 'ipv4', 10],
      ['six', 'ipv6', 13],
    ],
  ],
  [
    '3 ms for IPv6: not enough',
    'four',
    [
      ['six', 'ipv6', 13.1],
      ['four', 'ipv4', 10],
    ],
  ],
  [
    'any direct path beats any relay',
    'a',
    [
      ['relay', 'relay', 1, 'current'],
      ['a', 'ipv4', 5000],
    ],
  ],
  [
    'a relay never beats a direct path',
    'a',
    [
      ['relay', 'relay', 1],
      ['a', 'ipv4', 5000, 'current'],
    ],
  ],
  [
    '5 ms better: move',
    'b',
    [
      ['a', 'ipv4', 25, 'current'],
      ['b', 'ipv4', 20],
    ],
  ],
  [
    'less than 5 ms better: stay',
    'a',
    [
      ['a', 'ipv4', 24.9, 'current'],
      ['b', 'ipv4', 20],
    ],
  ],
  [
    'biased values are compared, to IPv6',
    'six',
    [
      ['four', 'ipv4', 22, 'current'],
      ['six', 'ipv6', 20],
    ],
  ],
  [
    'biased values are compared, from IPv6',
    'six',
    [
      ['six', 'ipv6', 22, 'current'],
      ['four', 'ipv4', 15],
    ],
  ],
  [
    'from IPv6, 8 ms better',
    'four',
    [
      ['six', 'ipv6', 23, 'current'],
      ['four', 'ipv4', 15],
    ],
  ],
  [
    'relays among themselves: stay',
    'r',
    [
      ['r', 'relay', 24, 'current'],
      ['s', 'relay', 20],
    ],
  ],
  [
    'relays among themselves: move',
    's',
    [
      ['r', 'relay', 25, 'current'],
      ['s', 'relay', 20],
    ],
  ],
  [
    'the current one is not open any more',
    'b',
    [
      ['b', 'ipv4', 20],
      ['c', 'relay', 1],
    ],
  ],
  [
    'the same path on two connections: the lower RTT counts, for the current one too',
    'a',
    [
      ['a', 'ipv4', 50, 'current'],
      ['b', 'ipv4', 20],
      ['a', 'ipv4', 24],
    ],
  ],
]

test.each(TABLE)('spec/endpoint.md §4.1: %s', (_what, expected, rows) => {
  expect(selectPath(paths(...rows))).toBe(expected)
})

const kind = fc.constantFrom<PathCandidate<string>['kind']>('ipv4', 'ipv6', 'relay')
const rttMs = fc.double({ min: 0, max: 1000, noNaN: true })
const candidates = fc
  .array(fc.record({ kind, rttMs }), { minLength: 1, maxLength: 8 })
  .map((list) => list.map((each, index) => ({ ...each, key: index, isCurrent: false })))

test('spec/endpoint.md §4.1: a direct path is chosen whenever there is one', () => {
  fc.assert(
    fc.property(candidates, fc.nat(7), (list, current) => {
      const marked = list.map((each) => ({ ...each, isCurrent: each.key === current }))
      const chosen = list[selectPath(marked)!]!
      expect(chosen.kind === 'relay').toBe(list.every((each) => each.kind === 'relay'))
    }),
  )
})

test('spec/endpoint.md §4.1: what was chosen is chosen again, in any order', () => {
  fc.assert(
    fc.property(candidates, fc.boolean(), (list, isReversed) => {
      const chosen = selectPath(list)
      const again = list.map((each) => ({ ...each, isCurrent: each.key === chosen }))
      expect(selectPath(isReversed ? again.reverse() : again)).toBe(chosen)
    }),
  )
})

test('spec/endpoint.md §4.1: two paths within 5 ms of each other, whatever their RTTs do there, never take turns', () => {
  const base = fc.double({ min: 10, max: 500, noNaN: true })
  const wobble = fc.double({ min: 0, max: 4.999, noNaN: true })
  const readings = fc.array(fc.tuple(wobble, wobble), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(base, readings, kind, (lowMs, list, both) => {
      let current: string | undefined
      let moves = -1
      for (const [a, b] of list) {
        const chosen = selectPath([
          { key: 'a', kind: both, rttMs: lowMs + a, isCurrent: current === 'a' },
          { key: 'b', kind: both, rttMs: lowMs + b, isCurrent: current === 'b' },
        ])
        if (chosen !== current) moves++
        current = chosen
      }
      expect(moves).toBe(0)
    }),
  )
})

test('spec/endpoint.md §4.1: what is left for is at least 5 ms better, or direct where the other is a relay', () => {
  const biased = (each: { kind: string; rttMs: number }) => each.rttMs - (each.kind === 'ipv6' ? 3 : 0)
  fc.assert(
    fc.property(candidates, fc.nat(7), (list, at) => {
      const marked = list.map((each) => ({ ...each, isCurrent: each.key === at }))
      const current = marked[at]
      const chosen = marked[selectPath(marked)!]!
      if (current === undefined || chosen === current || (chosen.kind === 'relay') !== (current.kind === 'relay'))
        return
      expect(biased(chosen) + 5).toBeLessThanOrEqual(biased(current))
    }),
  )
})
