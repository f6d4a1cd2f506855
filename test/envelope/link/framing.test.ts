import { describe, expect, test } from 'vitest'
import { discoveryTopic, ENVELOPE_ALPN, GOSSIP_ALPNS } from '../../../src/envelope/link/alpns.ts'
import { frameHeader, frameKind, frameLength } from '../../../src/envelope/link/framing.ts'

describe('frames', () => {
  test.each([
    [0, '00000000'],
    [1, '00000001'],
    [0x1234, '00001234'],
    [1_048_576, '00100000'],
    [0xffff_ffff, 'ffffffff'],
  ])('spec/envelope.md §3.2: the length %i is four bytes, the highest first', (length, hex) => {
    expect(Buffer.from(frameHeader(length)).toString('hex')).toBe(hex)
    expect(frameLength(Buffer.from(`ee${hex}`, 'hex'), 1)).toBe(length)
  })

  test('TRN-1: the first byte tells the generation, and everything else is refused', () => {
    const kinds = new Map<string, number[]>()
    for (let first = 0; first < 256; first++) {
      const kind = frameKind(first) ?? 'none'
      kinds.set(kind, [...(kinds.get(kind) ?? []), first])
    }
    expect(kinds.get('v1')).toEqual([0x09, 0x0a, 0x0d, 0x20, 0x7b])
    expect(kinds.get('v2')).toEqual([0x8a, 0x9a, 0xdc, 0xdd, 0xde])
    expect(kinds.get('none')).toHaveLength(246)
  })
})

test('spec/envelope.md §3.1: the names', () => {
  expect(ENVELOPE_ALPN).toBe('tom-protocol/transport/0')
  expect(GOSSIP_ALPNS).toEqual(['/iroh-gossip/1', '/tom-gossip/1'])
  expect(discoveryTopic()).toHaveLength(32)
  expect(Buffer.from(discoveryTopic()).toString()).toBe('tom-protocol-gossip-discovery-v1')
})
