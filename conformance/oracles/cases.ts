/**
 * The test cases of quic-interop-runner that apply here, by its names: what is transferred, over which network, what each side is told, and what must have been
 * seen on the wire. Rates, delays, shares and bursts are the runner's; files are smaller, so that all of it fits into CI.
 */
import type { KeyType } from './certificates.ts'
import {
  type Evidence,
  expectCleanClose,
  expectFate,
  expectFreshIds,
  expectHandshakes,
  expectKeyUpdate,
  expectPathValidation,
  expectRepeatedHello,
  expectRetries,
  expectStreamLimits,
  expectSuite,
  expectTrue,
  expectWindowUpdates,
  goodputKbps,
} from './evidence.ts'
import type { ClientOptions, ServerOptions } from './implementation.ts'
import type { NetworkSettings } from './network.ts'

export interface TestCase {
  readonly name: string
  /** In the report. */
  readonly about: string
  /** Sizes of the files, bytes. */
  readonly files: readonly number[]
  readonly network: Omit<NetworkSettings, 'seed'>
  readonly keyType: KeyType
  readonly server: Partial<Pick<ServerOptions, 'chacha20' | 'retry'>>
  readonly client: Partial<Pick<ClientOptions, 'chacha20' | 'smallWindows' | 'parallel' | 'keyUpdateAt' | 'migrateAt'>>
  /** Throws unless what the case is about was seen. */
  readonly check: (evidence: Evidence) => void
  /** For the report. A case that measures has the machine to itself. */
  readonly measure: ((evidence: Evidence) => string) | undefined
}

const KB = 1 << 10
const MB = 1 << 20
const TLS_CHACHA20_POLY1305_SHA256 = 0x1303
/** Connections of the cases that make many, and how many at once: together they must not fill the queue of 25 packets by themselves. */
const HANDSHAKES = 30
const AT_ONCE = 10
/** A challenge and its answer take a round trip of 30 ms, and the queue; an address used for less need not be validated. */
const SETTLE_MS = 300

function makeCase(
  name: string,
  about: string,
  files: readonly number[],
  more: Partial<Omit<TestCase, 'name' | 'about' | 'files' | 'check'>>,
  check: (evidence: Evidence) => void = () => {},
): TestCase {
  return {
    name,
    about,
    files,
    network: {},
    keyType: 'ECDSA P-256',
    server: {},
    client: {},
    measure: undefined,
    ...more,
    check: (evidence) => {
      expectHandshakes(evidence, more.client?.parallel === undefined ? 1 : files.length)
      check(evidence)
      expectCleanClose(evidence)
    },
  }
}

function handshake(keyType: KeyType): TestCase {
  const suffix = keyType === 'ECDSA P-256' ? '' : `, ${keyType}`
  const about = `1 kB; a certificate with an ${keyType} key; no Retry`
  return makeCase(`handshake${suffix}`, about, [KB], { keyType }, (evidence) => {
    expectRetries(evidence, false)
  })
}

const goodput = (evidence: Evidence): string => `${goodputKbps(evidence).toFixed(0)} kbit/s`

export const CASES: readonly TestCase[] = [
  handshake('ECDSA P-256'),
  handshake('Ed25519'),
  handshake('RSA-PSS'),
  makeCase(
    'transfer',
    '256, 512 and 1,024 kB over one connection; windows opened on the way; closed with code 0',
    [MB / 4, MB / 2, MB],
    { client: { smallWindows: true } },
    (evidence) => {
      expectWindowUpdates(evidence)
    },
  ),
  makeCase(
    'longrtt',
    '1 kB over a round trip of 1,500 ms; the client repeats its hello',
    [KB],
    { network: { link: { delayMs: 750 } } },
    (evidence) => {
      expectRepeatedHello(evidence)
    },
  ),
  makeCase(
    'chacha20',
    '1 MB; the client offers TLS_CHACHA20_POLY1305_SHA256 alone, the server chooses it',
    [MB],
    { client: { chacha20: true }, server: { chacha20: true } },
    (evidence) => {
      expectSuite(evidence, TLS_CHACHA20_POLY1305_SHA256)
    },
  ),
  makeCase(
    'multiplexing',
    '1,999 files of 32 bytes; the server allows 1,000 streams at most and then more',
    Array.from({ length: 1999 }, () => 32),
    {},
    (evidence) => {
      expectStreamLimits(evidence)
    },
  ),
  makeCase(
    'retry',
    '10 kB; a Retry packet, its token in the next Initial packet',
    [10 * KB],
    { server: { retry: true } },
    (evidence) => {
      expectRetries(evidence, true)
    },
  ),
  makeCase(
    'blackhole',
    '3 MB; nothing passes for 2 s, 1 s after the beginning',
    [3 * MB],
    { network: { blackHole: { atMs: 1000, lengthMs: 2000 } } },
    (evidence) => {
      expectFate(evidence, 'black-hole', 2)
    },
  ),
  makeCase(
    'keyupdate',
    '1 MB; both sides go on under new keys, the client begins',
    [MB],
    { client: { keyUpdateAt: 4 * KB } },
    (evidence) => {
      expectKeyUpdate(evidence)
    },
  ),
  makeCase(
    'handshakeloss',
    `${HANDSHAKES} connections with 1 kB each; 30 % of the packets are lost, up to 3 in a row`,
    Array.from({ length: HANDSHAKES }, () => KB),
    { network: { link: { loss: 0.3 } }, client: { parallel: AT_ONCE } },
    (evidence) => {
      expectFate(evidence, 'lost', 2 * HANDSHAKES)
    },
  ),
  makeCase(
    'transferloss',
    '1 MB; 2 % of the packets are lost, up to 3 in a row',
    [MB],
    { network: { link: { loss: 0.02 } } },
    (evidence) => {
      expectFate(evidence, 'lost', 5)
    },
  ),
  makeCase(
    'handshakecorruption',
    `${HANDSHAKES} connections with 1 kB each; 30 % of the packets have a wrong byte, up to 3 in a row`,
    Array.from({ length: HANDSHAKES }, () => KB),
    { network: { link: { corruption: 0.3 } }, client: { parallel: AT_ONCE } },
    (evidence) => {
      expectFate(evidence, 'corrupted', 2 * HANDSHAKES)
    },
  ),
  makeCase(
    'transfercorruption',
    '1 MB; 2 % of the packets have a wrong byte, up to 3 in a row',
    [MB],
    { network: { link: { corruption: 0.02 } } },
    (evidence) => {
      expectFate(evidence, 'corrupted', 5)
    },
  ),
  makeCase(
    'rebind-port',
    '4 MB; the port of the client changes after 1 s and every second; the server validates each',
    [4 * MB],
    { network: { rebind: { firstMs: 1000, everyMs: 1000, newHost: false } } },
    (evidence) => {
      expectPathValidation(evidence, { addresses: 2, newHosts: false, settleMs: SETTLE_MS })
    },
  ),
  makeCase(
    'rebind-addr',
    '4 MB; the address of the client changes after 1 s and every second; the server validates each',
    [4 * MB],
    { network: { rebind: { firstMs: 1000, everyMs: 1000, newHost: true } } },
    (evidence) => {
      expectPathValidation(evidence, { addresses: 2, newHosts: true, settleMs: SETTLE_MS })
    },
  ),
  makeCase(
    'connectionmigration',
    '2 MB; the client goes on from another socket under another connection id, by itself since no server here has a preferred address; the server validates it',
    [2 * MB],
    { client: { migrateAt: 256 * KB } },
    (evidence) => {
      expectPathValidation(evidence, { addresses: 1, newHosts: false, settleMs: SETTLE_MS })
      expectFreshIds(evidence)
    },
  ),
  makeCase('goodput', '4 MB over 10 Mbit/s, measured', [4 * MB], { measure: goodput }),
  makeCase(
    'crosstraffic',
    '4 MB over 10 Mbit/s beside a flow with the window of TCP CUBIC, measured',
    [4 * MB],
    { network: { crossTraffic: true }, measure: goodput },
    (evidence) => {
      expectTrue(evidence.crossTrafficBytes > MB / 8, 'the other flow got nearly nothing through')
    },
  ),
]

/** Test cases of the runner that are not run, and why. */
export const NOT_RUN: readonly { readonly names: string; readonly reason: string }[] = [
  { names: 'resumption, zerortt', reason: 'tom-transport keeps no TLS sessions' },
  { names: 'http3', reason: 'tom-transport has no HTTP/3' },
  { names: 'v2', reason: 'tom-transport speaks QUIC version 1 alone, as iroh does' },
  { names: 'ecn', reason: 'sockets of Node can neither mark datagrams nor see marks' },
  { names: 'versionnegotiation', reason: 'switched off in the runner itself' },
  {
    names: 'amplificationlimit, ipv6',
    reason: 'under test in `test/sim` and `test/interop`; the network of these runs is IPv4',
  },
]
