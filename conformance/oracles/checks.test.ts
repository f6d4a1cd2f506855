/**
 * The instruments themselves: each check of a test case fails on a run without what the case is about. Two tom-transport nodes make those runs, so that
 * nothing but openssl is needed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CASES, type TestCase } from './cases.ts'
import { type Certificate, makeCertificate } from './certificates.ts'
import type { Packet } from './dissect/trace.ts'
import { type Evidence, expectFreshIds } from './evidence.ts'
import type { Implementation } from './implementation.ts'
import { tomTransport } from './ours.ts'
import { runCase } from './run-case.ts'

// The dissector knows the frames of RFC 9000 and RFC 9221 alone.
const ours = tomTransport({ maxPathId: undefined, minAckDelayUs: undefined })
let folder = ''
let certificate: Certificate
/** One file over an undisturbed network. */
let plain: Evidence

function caseOf(name: string): TestCase {
  const found = CASES.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no case ${name}`)
  return found
}

function runOf(testCase: TestCase): Promise<Evidence> {
  return runCase(testCase, ours, ours, certificate)
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tom-checks-'))
  certificate = makeCertificate(folder, 'ECDSA P-256')
  plain = await runOf(caseOf('handshake'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The same run, had its packets been others. */
function changed(evidence: Evidence, change: (packet: Packet) => Packet): Evidence {
  const connections = evidence.connections.map((connection) => {
    const copy = Object.create(connection) as typeof connection
    return Object.defineProperty(copy, 'packets', { value: connection.packets.map(change) })
  })
  return { ...evidence, connections }
}

function without(evidence: Evidence, type: Packet['frames'][number]['type']): Evidence {
  return changed(evidence, (packet) => ({ ...packet, frames: packet.frames.filter((frame) => frame.type !== type) }))
}

test('the plain run passes as the handshake that it is, and fails as each other case', () => {
  const handshake = CASES.filter(({ name }) => name.startsWith('handshake,') || name === 'handshake')
  for (const testCase of handshake) testCase.check(plain)
  const failures = CASES.filter((each) => !handshake.includes(each) && each.name !== 'goodput').map((testCase) => {
    try {
      testCase.check(plain)
      return [testCase.name, 'passed']
    } catch (error) {
      return [testCase.name, (error as Error).message]
    }
  })
  expect(Object.fromEntries(failures)).toEqual({
    transfer: 'the client sent no MAX_DATA frame: its windows were never full',
    longrtt: 'the client sent its hello 1 times: the round trip was not long',
    chacha20: expect.stringMatching(/^the client offered .*TLS_AES_128_GCM_SHA256.* instead of TLS_CHACHA20/),
    multiplexing: 'the server allowed 100 streams at first: enough for all',
    retry: 'there was no Retry packet',
    blackhole: '0 datagrams were black-hole, expected 2 at least: the network was too kind',
    keyupdate: 'the client sent no packet under updated keys',
    handshakeloss: 'expected 30 handshakes, saw 1 in 1 connections',
    transferloss: '0 datagrams were lost, expected 5 at least: the network was too kind',
    handshakecorruption: 'expected 30 handshakes, saw 1 in 1 connections',
    transfercorruption: '0 datagrams were corrupted, expected 5 at least: the network was too kind',
    'rebind-port': 'the server used 0 new addresses of the client, expected 2',
    'rebind-addr': 'the server used 0 new addresses of the client, expected 2',
    connectionmigration: 'the server used 0 new addresses of the client, expected 1',
    crosstraffic: 'the other flow got nearly nothing through',
  })
})

describe('what a check needs is missing', () => {
  test('handshake: with a Retry; retry: its token is not used', async () => {
    const retry = caseOf('retry')
    const evidence = await runOf(retry)
    retry.check(evidence)
    expect(() => caseOf('handshake').check(evidence)).toThrow('a Retry packet that nobody asked for')
    const other = changed(evidence, (packet) => (packet.type === 'initial' ? { ...packet, token: '' } : packet))
    expect(() => retry.check(other)).toThrow('no Initial packet of the client had the token')
    const again = changed(evidence, (packet) => ({ ...packet, packetNumber: 0 }))
    expect(() => retry.check(again)).toThrow('began its packet numbers anew')
  })

  test('handshake: packets that nobody can open, or a close with an error', () => {
    const { check } = caseOf('handshake')
    const opaque = changed(plain, (packet) => (packet.type === '1rtt' ? { ...packet, type: 'opaque' } : packet))
    expect(() => check(opaque)).toThrow('could not be opened')
    const frame = { type: 'connection_close', isApplication: false, code: 10, reason: 'why' } as const
    const closed = changed(plain, (packet) => ({ ...packet, frames: [...packet.frames, frame] }))
    expect(() => check(closed)).toThrow('closed with 0xa why')
    expect(() => check({ ...plain, connections: [...plain.connections, ...plain.connections] })).toThrow(
      'expected 1 handshakes, saw 2',
    )
  })

  test('keyupdate: one side alone, or the wrong side first', async () => {
    const keyUpdate = caseOf('keyupdate')
    const evidence = await runOf(keyUpdate)
    keyUpdate.check(evidence)
    const never = (side: Packet['from']): Evidence =>
      changed(evidence, (packet) => (packet.from === side ? { ...packet, generation: 0 } : packet))
    expect(() => keyUpdate.check(never('server'))).toThrow('the server sent no packet under updated keys')
    expect(() => keyUpdate.check(never('client'))).toThrow('the client sent no packet under updated keys')
    const early = changed(evidence, (packet) =>
      packet.from === 'server' && packet.type === '1rtt' ? { ...packet, generation: 1 } : packet,
    )
    expect(() => keyUpdate.check(early)).toThrow('the server began the key update')
  })

  test('rebind-addr: only the port is new; no challenge; no answer; connectionmigration: the old id', async () => {
    const [port, address, migration] = ['rebind-port', 'rebind-addr', 'connectionmigration'].map(caseOf)
    const rebound = await runOf(port!)
    port!.check(rebound)
    expect(() => address!.check(rebound)).toThrow('the server saw the client at 127.0.0.1 only')
    expect(() => port!.check(without(rebound, 'path_challenge'))).toThrow('no PATH_CHALLENGE in the first 1 datagrams')
    expect(() => port!.check(without(rebound, 'path_response'))).toThrow('no PATH_RESPONSE answered')
    expect(() => expectFreshIds(rebound)).toThrow('the client never moved to another socket')
    const moved = await runOf(migration!)
    migration!.check(moved)
    const same = changed(moved, (packet) => ({ ...packet, destinationId: '00' }))
    expect(() => migration!.check(same)).toThrow('the client used the connection id 00 from two sockets')
  })

  test('a file with a wrong byte, and a server that no trusted root vouches for', async () => {
    const careless: Implementation = {
      ...ours,
      download: async (options, signal) => {
        await ours.download(options, signal)
        writeFileSync(join(options.downloads, 'file-0'), 'not this')
      },
    }
    const handshake = caseOf('handshake')
    await expect(runCase(handshake, ours, careless, certificate)).rejects.toThrow('file-0 is not what the server has')
    const elsewhere = mkdtempSync(join(folder, 'other-'))
    const { ca } = makeCertificate(elsewhere, 'ECDSA P-256')
    await expect(runCase(handshake, ours, ours, { ...certificate, ca })).rejects.toThrow('bad_certificate')
  })
})
