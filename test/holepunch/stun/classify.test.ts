import { describe, expect, test } from 'vitest'
import { parseSocketAddress } from '../../../src/bytes/index.ts'
import {
  classifyFiltering,
  classifyMapping,
  type MappingSample,
  variesByDestination,
} from '../../../src/holepunch/stun/classify.ts'

const LOCAL = parseSocketAddress('10.1.0.2:4000')
const SERVERS = { S1p: '192.0.2.1:3478', S2p: '192.0.2.2:3478', S2q: '192.0.2.2:3479', S1q: '192.0.2.1:3479' } as const
const MAPPED = { L: '10.1.0.2:4000', A: '203.0.113.5:4000', B: '203.0.113.5:4001', C: '203.0.113.5:4002' } as const

/** `S1p A`: the first server's first port saw the first mapping. */
const samples = (text: string): MappingSample[] =>
  text === ''
    ? []
    : text.split(', ').map((each) => {
        const [server, mapped] = each.split(' ') as [keyof typeof SERVERS, keyof typeof MAPPED]
        return { server: parseSocketAddress(SERVERS[server]), mapped: parseSocketAddress(MAPPED[mapped]) }
      })

describe('mapping', () => {
  test.each([
    ['', 'unknown'],
    ['S1p A', 'unknown'],
    ['S1p A, S1p A', 'unknown'],
    // two ports of one host: a mapping for each address looks like this, too
    ['S1p A, S1q A', 'unknown'],
    ['S1p A, S1q B', 'address-and-port-dependent'],
    ['S1p A, S2p A', 'endpoint-independent'],
    ['S1p A, S2q A', 'endpoint-independent'],
    ['S1p A, S2p B', 'varies'],
    ['S1p A, S2p A, S2q A', 'endpoint-independent'],
    ['S1p A, S2p B, S2q B', 'address-dependent'],
    ['S1p A, S2p B, S2q C', 'address-and-port-dependent'],
    ['S1p A, S2p A, S2q B', 'address-and-port-dependent'],
    ['S1p A, S1q A, S2p B, S2q B', 'address-dependent'],
    ['S1p L', 'none'],
    ['S1p L, S2p L, S2q L', 'none'],
    // seen as it is by one, and translated for another
    ['S1p L, S2p A', 'varies'],
    ['S1p A, S2p A, S1p A', 'endpoint-independent'],
  ])('RFC 5780 §4.3: %s → %s', (text, expected) => {
    const all = samples(text)
    expect(classifyMapping(all, [LOCAL])).toBe(expected)
    expect(classifyMapping(all.reverse(), [LOCAL])).toBe(expected)
  })

  test('the local address is compared with its port', () => {
    expect(classifyMapping(samples('S1p L, S2p L'), [parseSocketAddress('10.1.0.2:4001')])).toBe('endpoint-independent')
    expect(classifyMapping(samples('S1p L, S2p L'))).toBe('endpoint-independent')
  })

  test.each([
    ['S1p A', undefined],
    ['S1p A, S1q A', undefined],
    ['S1p A, S1q B', true],
    ['S1p A, S2p A', false],
    ['S1p A, S2p A, S1q B', true],
  ])('spec/disco-stun-nat.md §6.4: %s varies: %s', (text, expected) => {
    expect(variesByDestination(samples(text))).toBe(expected)
  })
})

test('RFC 5780 §4.4: filtering', () => {
  const answers = ['answered', 'silent', 'refused', undefined] as const
  const table = answers.map((otherAddress) =>
    answers.map((otherPort) => classifyFiltering({ otherAddress, otherPort })),
  )
  const open = 'endpoint-independent'
  expect(table).toEqual([
    [open, open, open, open],
    ['address-dependent', 'address-and-port-dependent', 'unknown', 'unknown'],
    ['unknown', 'unknown', 'unknown', 'unknown'],
    ['unknown', 'unknown', 'unknown', 'unknown'],
  ])
})
