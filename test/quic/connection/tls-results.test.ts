import { describe, expect, test } from 'vitest'
import { Pair } from './pair.ts'

const text = (value: string) => new TextEncoder().encode(value)

describe('what TLS gives the application', () => {
  test('RFC 8446 §7.5: both sides export the same keying material, other labels and contexts give other', () => {
    const pair = new Pair().connect()
    const from = (side: 'client' | 'server', label: string, context: string, length: number) =>
      Buffer.from(pair[side].connection!.exportKeyingMaterial(label, text(context), length)).toString('hex')
    const one = from('client', 'EXPORTER-test', 'context', 32)
    expect(one.length).toBe(64)
    expect(from('server', 'EXPORTER-test', 'context', 32)).toBe(one)
    expect(from('client', 'EXPORTER-test', 'other', 32)).not.toBe(one)
    expect(from('client', 'EXPORTER-other', 'context', 32)).not.toBe(one)
    expect(from('server', 'EXPORTER-test', '', 77)).toBe(from('client', 'EXPORTER-test', '', 77))
    const next = new Pair({ seed: 2 }).connect()
    expect(
      Buffer.from(next.client.connection!.exportKeyingMaterial('EXPORTER-test', text('context'), 32)).toString('hex'),
    ).not.toBe(one)
  })

  test('spec §1.8: the key log has the lines of an SSLKEYLOGFILE, the same on both sides', () => {
    const pair = new Pair().connect()
    const labels = [
      'CLIENT_HANDSHAKE_TRAFFIC_SECRET',
      'SERVER_HANDSHAKE_TRAFFIC_SECRET',
      'CLIENT_TRAFFIC_SECRET_0',
      'SERVER_TRAFFIC_SECRET_0',
    ]
    for (const line of pair.client.keyLog) expect(line).toMatch(/^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64}$/)
    expect(pair.client.keyLog.map((line) => line.split(' ')[0])).toEqual(expect.arrayContaining(labels))
    expect([...pair.server.keyLog].sort()).toEqual([...pair.client.keyLog].sort())
    expect(new Set(pair.client.keyLog.map((line) => line.split(' ')[1])).size).toBe(1)
  })

  for (const [suite, length] of [
    [0x1302, 96],
    [0x1303, 64],
  ] as const) {
    test(`RFC 9001 §5.3: the handshake works with suite 0x${suite.toString(16)} alone`, () => {
      const pair = new Pair({ client: { suites: [suite] } }).connect()
      expect(pair.client.keyLog.every((line) => line.split(' ')[2]!.length === length)).toBe(true)
    })
  }

  test('RFC 8446 §4.1.4: a server that wants another group gets it after a HelloRetryRequest', () => {
    const pair = new Pair({ server: { groups: ['p256'] } }).connect()
    expect(pair.server.connection!.peerKey).toEqual(pair.client.engine.publicKey)
  })
})
