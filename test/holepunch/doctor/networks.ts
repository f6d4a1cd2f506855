/** Networks as the doctor hears of them. */
import { parseSocketAddress } from '../../../src/bytes/index.ts'
import type { DoctorInput, NetReport, StunSample } from '../../../src/holepunch/index.ts'
import type { InterfaceAddress } from '../../../src/platform/index.ts'

export const RELAY = 'https://relay.test/'
export const SERVERS = ['stun1.test:3478', 'stun2.test:3478']
const HOME = { homeRelay: { url: RELAY, isConnected: true } }
const LOCAL = parseSocketAddress('192.168.1.5:4000')
const LOCAL_SIDE = parseSocketAddress('192.168.1.5:4001')

export const address = (host: string, internal = false): InterfaceAddress => ({
  name: internal ? 'lo' : 'eth0',
  host,
  family: host.includes(':') ? 6 : 4,
  internal,
})
const LOOPBACK = [address('127.0.0.1', true), address('::1', true)]

export const report = (change: Partial<NetReport> = {}): NetReport => ({
  udpV4: true,
  udpV6: false,
  relayLatencies: new Map([[RELAY, { qadV4Ms: 12, httpsMs: 40.25 }]]),
  preferredRelay: RELAY,
  isFull: true,
  durationMs: 200,
  ...change,
})

/** `192.0.2.1:3478 203.0.113.5:4001`: a server, and what it sees. */
export const stun = (...samples: string[]): NonNullable<DoctorInput['stun']> => ({
  report: {
    samples: samples.map((text): StunSample => {
      const [server, mapped] = text.split(' ') as [string, string]
      return {
        name: 'stun1.test:3478',
        family: server.startsWith('[') ? 6 : 4,
        server: parseSocketAddress(server),
        mapped: parseSocketAddress(mapped),
      }
    }),
    failures: [],
  },
  localAddresses: [LOCAL_SIDE],
})

const BASE: DoctorInput = {
  relays: [RELAY],
  stunServers: SERVERS,
  report: undefined,
  localAddresses: [LOCAL],
  interfaces: [...LOOPBACK, address('192.168.1.5'), address('fe80::1%eth0')],
  portMap: { pcp: false, natPmp: false, upnp: false, gateway: '192.168.1.1' },
}

const global = parseSocketAddress('203.0.113.5:4000')

export const OPEN: DoctorInput = {
  ...BASE,
  ...HOME,
  localAddresses: [global, parseSocketAddress('[2001:db8::5]:4000')],
  interfaces: [...LOOPBACK, address('203.0.113.5'), address('2001:db8::5')],
  report: report({
    udpV6: true,
    globalV4: global,
    globalV6: parseSocketAddress('[2001:db8::5]:4000'),
    mappingVariesByDestV4: false,
    captivePortal: false,
    relayLatencies: new Map([[RELAY, { qadV4Ms: 12, qadV6Ms: 11.5 }]]),
  }),
  stun: {
    ...stun('192.0.2.1:3478 203.0.113.5:4001', '192.0.2.2:3478 203.0.113.5:4001'),
    localAddresses: [parseSocketAddress('203.0.113.5:4001')],
  },
  filtering: 'endpoint-independent',
}

export const EASY: DoctorInput = {
  ...BASE,
  ...HOME,
  report: report({ globalV4: global, mappingVariesByDestV4: false }),
  stun: stun('192.0.2.1:3478 203.0.113.5:4001', '192.0.2.2:3478 203.0.113.5:4001', '192.0.2.2:3479 203.0.113.5:4001'),
  filtering: 'address-and-port-dependent',
}

export const EASY_MAPPED: DoctorInput = {
  ...EASY,
  portMap: { pcp: true, natPmp: true, upnp: false, gateway: '192.168.1.1', externalIp: '203.0.113.5' },
}

export const HARD: DoctorInput = {
  ...BASE,
  ...HOME,
  report: report({ globalV4: global, mappingVariesByDestV4: true }),
  stun: stun(
    '192.0.2.1:3478 203.0.113.5:50001',
    '192.0.2.2:3478 203.0.113.5:50002',
    '192.0.2.2:3479 203.0.113.5:50003',
  ),
  filtering: 'address-and-port-dependent',
}

export const BLOCKED: DoctorInput = {
  ...BASE,
  ...HOME,
  report: report({ udpV4: false, relayLatencies: new Map([[RELAY, { httpsMs: 40.25 }]]), captivePortal: false }),
  stun: stun(),
}

export const PORTAL: DoctorInput = {
  ...BASE,
  report: report({ udpV4: false, relayLatencies: new Map(), preferredRelay: undefined, captivePortal: true }),
  stun: stun(),
}

/** An easy router behind an easy provider, which gives it an address of 100.64.0.0/10. */
export const CGNAT: DoctorInput = {
  ...EASY,
  portMap: { pcp: false, natPmp: true, upnp: true, gateway: '192.168.1.1', externalIp: '100.64.3.7' },
}

/** Nobody to ask. */
export const ALONE: DoctorInput = {
  relays: [],
  stunServers: [],
  report: undefined,
  localAddresses: [LOCAL],
  interfaces: BASE.interfaces,
}
