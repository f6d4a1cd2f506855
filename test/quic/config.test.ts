import { expect, test } from 'vitest'
import { DEFAULT_SETTINGS, localParameters, resolveSettings } from '../../src/quic/config.ts'
import { decodeTransportParameters, encodeTransportParameters } from '../../src/quic/wire/transport-parameters.ts'

test('later layers win, and absent ones change nothing', () => {
  expect(resolveSettings()).toEqual(DEFAULT_SETTINGS)
  expect(resolveSettings({ keepAliveMs: 1 }, undefined, { keepAliveMs: 2 }).keepAliveMs).toBe(2)
  expect(resolveSettings({ minAckDelayUs: undefined }).minAckDelayUs).toBeUndefined()
})

test('RFC 9000 §18.2: settings that no peer would accept are refused here', () => {
  expect(() => resolveSettings({ activeConnectionIdLimit: 1 })).toThrow(RangeError)
  expect(() => resolveSettings({ maxUdpPayloadSize: 1_199 })).toThrow(RangeError)
  expect(() => resolveSettings({ minAckDelayUs: 25_001 })).toThrow(RangeError)
  for (const maxPathId of [-1, 1.5, 2 ** 32, Number.NaN])
    expect(() => resolveSettings({ maxPathId })).toThrow(RangeError)
  expect(resolveSettings({ maxPathId: 2 ** 32 - 1 }).maxPathId).toBe(2 ** 32 - 1)
})

test('spec/quic.md §3.2: NAT traversal is offered with multipath only; capabilities only when there are some', () => {
  const told = (settings: Parameters<typeof resolveSettings>[0]) => {
    const { natTraversal, tomCapabilities } = localParameters(resolveSettings(settings))
    return [natTraversal, tomCapabilities]
  }
  expect(told({})).toEqual([32, undefined])
  expect(told({ maxPathId: undefined })).toEqual([undefined, undefined])
  expect(told({ natTraversalAddresses: undefined, tomCapabilities: 0 })).toEqual([undefined, 0])
  expect(told({ natTraversalAddresses: 255, tomCapabilities: 3 })).toEqual([255, 3])
  for (const natTraversalAddresses of [0, 256, 1.5, -1])
    expect(() => resolveSettings({ natTraversalAddresses })).toThrow(RangeError)
  for (const tomCapabilities of [-1, 1.5, 2 ** 53])
    expect(() => resolveSettings({ tomCapabilities })).toThrow(RangeError)
})

test('RFC 9000 §18: what we announce by default can be read by both roles', () => {
  const parameters = localParameters(DEFAULT_SETTINGS)
  parameters.initialSourceConnectionId = Uint8Array.of(1)
  const bytes = encodeTransportParameters(parameters)
  expect(decodeTransportParameters(bytes, 'client')).toMatchObject({
    maxIdleTimeout: 30_000,
    maxUdpPayloadSize: 16_000,
    activeConnectionIdLimit: 5,
    initialMaxStreamsBidi: 100,
    maxDatagramFrameSize: 65_535,
    minAckDelay: 1_000,
  })
})
