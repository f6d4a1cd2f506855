import { describe, expect, it } from 'vitest'
import { formatSocketAddress, parseSocketAddress } from '../../../src/bytes/index.ts'
import { MAX_CANDIDATES, ownCandidates } from '../../../src/holepunch/candidates/own-candidates.ts'
import type { NetReport } from '../../../src/holepunch/net-report/report.ts'

const at = parseSocketAddress

function report(parts: Partial<NetReport>): NetReport {
  return {
    udpV4: true,
    udpV6: true,
    relayLatencies: new Map(),
    preferredRelay: undefined,
    isFull: true,
    durationMs: 1,
    ...parts,
  }
}

function texts(inputs: Parameters<typeof ownCandidates>[0]): string[] {
  return ownCandidates(inputs).map(({ address, source }) => `${source} ${formatSocketAddress(address)}`)
}

describe('spec/endpoint.md §3.2: our own candidates', () => {
  it('come in the order of the table, each with its first source', () => {
    expect(
      texts({
        portMapping: at('198.51.100.9:41641'),
        report: report({
          globalV4: at('198.51.100.9:5000'),
          globalV6: at('[2001:db8::9]:7'),
          mappingVariesByDestV4: true,
        }),
        configuredPortV4: 4433,
        local: [at('192.168.1.5:4433'), at('[2001:db8::9]:7')],
        external: [at('203.0.113.1:1'), at('192.168.1.5:4433')],
      }),
    ).toEqual([
      'portmap 198.51.100.9:41641',
      'qad 198.51.100.9:5000',
      'qad4localport 198.51.100.9:4433',
      'qad [2001:db8::9]:7',
      'local 192.168.1.5:4433',
      'config 203.0.113.1:1',
    ])
  })

  it('hold loopback addresses only where nothing else is known', () => {
    const local = [at('127.0.0.1:9'), at('[::1]:9')]
    expect(texts({ local, external: [] })).toEqual(['local 127.0.0.1:9', 'local [::1]:9'])
    expect(texts({ local, external: [], report: report({ globalV4: at('198.51.100.9:9') }) })).toEqual([
      'qad 198.51.100.9:9',
    ])
  })

  it('are told in canonical form', () => {
    expect(texts({ local: [], external: [at('[::ffff:203.0.113.1]:5')] })).toEqual(['config 203.0.113.1:5'])
  })

  it('are as many as a peer takes, the least promising left out', () => {
    const local = Array.from({ length: 40 }, (_, index) => at(`10.0.0.${index + 1}:9`))
    const found = texts({ local, external: [at('203.0.113.1:5')], report: report({ globalV4: at('198.51.100.9:9') }) })
    expect(found).toHaveLength(MAX_CANDIDATES)
    expect(found[0]).toBe('qad 198.51.100.9:9')
    expect(found).not.toContain('config 203.0.113.1:5')
  })
})
