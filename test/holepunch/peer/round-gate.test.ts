import { describe, expect, it } from 'vitest'
import { RoundGate } from '../../../src/holepunch/peer/round-gate.ts'

/** When rounds begin, ms, if each begins as soon as it may, up to `until`. */
function rounds(
  gate: RoundGate,
  from: number,
  until: number,
  addresses: readonly string[],
  isDirect = false,
): number[] {
  const at: number[] = []
  let now = from
  for (;;) {
    now = gate.next(now, addresses, isDirect)
    if (now > until) return at
    gate.begin(now, addresses)
    at.push(now)
  }
}

describe('spec/endpoint.md §3.3: the gate of punching rounds', () => {
  it('begins the first round at once', () => {
    expect(new RoundGate().next(1000, ['a'], false)).toBe(1000)
  })

  it('waits 5 s without new addresses, and less and less often', () => {
    expect(rounds(new RoundGate(), 0, 200_000, ['a'])).toEqual([
      0, 5_000, 10_000, 15_000, 25_000, 45_000, 85_000, 145_000,
    ])
  })

  it('takes a new address as a reason for a round now, and counts anew', () => {
    const gate = new RoundGate()
    rounds(gate, 0, 30_000, ['a'])
    expect(gate.next(31_000, ['a', 'b'], false)).toBe(31_000)
    gate.begin(31_000, ['a', 'b'])
    expect(gate.next(31_000, ['a', 'b'], false)).toBe(36_000)
  })

  it('does not take an address that went as news', () => {
    const gate = new RoundGate()
    gate.begin(0, ['a', 'b'])
    expect(gate.next(10, ['a'], false)).toBe(5_000)
  })

  it('lets four rounds begin within a second, whatever addresses a peer invents', () => {
    const gate = new RoundGate()
    const begun: number[] = []
    let now = 0
    for (let name = 0; name < 10; name++) {
      now = gate.next(now, [`${name}`], false)
      gate.begin(now, [`${name}`])
      begun.push(now)
      now += 10
    }
    expect(begun).toEqual([0, 10, 20, 30, 1_000, 1_010, 1_020, 1_030, 2_000, 2_010])
  })

  it('looks for a better direct path every 60 s', () => {
    expect(rounds(new RoundGate(), 0, 130_000, ['a'], true)).toEqual([0, 60_000, 120_000])
  })

  it('begins anew at once when a path was lost', () => {
    const gate = new RoundGate()
    rounds(gate, 0, 200_000, ['a'])
    gate.reset()
    expect(gate.next(201_000, ['a'], false)).toBe(201_000)
    gate.begin(201_000, ['a'])
    expect(gate.next(201_000, ['a'], false)).toBe(206_000)
  })
})
