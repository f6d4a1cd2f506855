import type { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import {
  findGateway,
  type GatewaySources,
  parseNetstat,
  parseProcRoute,
  parseRouteGet,
  parseRoutePrint,
} from '../../src/platform/node/gateway.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'

const HEADER = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'
const row = (name: string, destination: string, gateway: string, flags: string, metric: number, mask: string) =>
  [name, destination, gateway, flags, 0, 0, metric, mask, 0, 0, 0].join('\t')
const proc = (...rows: string[]) => `${[HEADER, ...rows].join('\n')}\n`
const LAN = row('wlan0', '0001A8C0', '00000000', '0001', 600, '00FFFFFF')
const WIFI = row('wlan0', '00000000', '0101A8C0', '0003', 600, '00000000')
const CABLE = row('eth0', '00000000', 'FE00000A', '0003', 100, '00000000')

test('spec/disco-stun-nat.md §7.3: /proc/net/route: the router of the lowest metric, in the byte order of the machine', () => {
  expect(parseProcRoute(proc(WIFI, LAN), true)).toEqual({ address: '192.168.1.1', name: 'wlan0' })
  expect(parseProcRoute(proc(WIFI, CABLE, LAN), true)).toEqual({ address: '10.0.0.254', name: 'eth0' })
  const big = row('eth0', '00000000', 'C0A80101', '0003', 0, '00000000')
  expect(parseProcRoute(proc(big), false)).toEqual({ address: '192.168.1.1', name: 'eth0' })
})

test.each([
  ['no default route', proc(LAN)],
  ['a line without a router (ppp)', proc(row('ppp0', '00000000', '00000000', '0001', 0, '00000000'))],
  ['a route that is down', proc(row('eth0', '00000000', '0101A8C0', '0002', 0, '00000000'))],
  ['half of everything (VPN)', proc(row('tun0', '00000000', '0100080A', '0003', 0, '00000080'))],
  ['cut', `${HEADER}\neth0\t00000000`],
  ['nonsense', proc(row('eth0', '00000000', 'xyz', '0003', 0, '00000000'))],
  ['empty', ''],
])('spec/disco-stun-nat.md §7.3: /proc/net/route: none: %s', (_what, table) => {
  expect(parseProcRoute(table, true)).toBeUndefined()
})

test('spec/disco-stun-nat.md §7.3: what macOS and the BSDs print', () => {
  const text = [
    '   route to: default',
    'destination: default',
    '       mask: default',
    '    gateway: 192.168.1.1',
    '  interface: en0',
    '      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>',
    ' recvpipe  sendpipe  ssthresh  rtt,msec    rttvar  hopcount      mtu     expire',
    '       0         0         0         0         0         0      1500         0 ',
  ].join('\n')
  expect(parseRouteGet(text)).toEqual({ address: '192.168.1.1', name: 'en0' })
  expect(parseRouteGet(text.replace(/.*gateway.*\n/, ''))).toBeUndefined()
  expect(parseRouteGet('route: writing to routing socket: not in table')).toBeUndefined()
})

test('spec/disco-stun-nat.md §7.3: what netstat prints, here and there', () => {
  const mac = [
    'Routing tables',
    '',
    'Internet:',
    'Destination        Gateway            Flags               Netif Expire',
    'default            link#14            UCSIg               utun3       ',
    'default            192.168.1.1        UGScg                 en0       ',
    '127                127.0.0.1          UCS                   lo0       ',
    'Internet6:',
    'default            fe80::%utun0       UGcIg               utun0       ',
  ].join('\n')
  expect(parseNetstat(mac)).toEqual({ address: '192.168.1.1', name: 'en0' })
  const solaris = [
    'Routing Table: IPv4',
    '  Destination           Gateway           Flags  Ref     Use     Interface ',
    '-------------------- -------------------- ----- ----- ---------- --------- ',
    'default              10.0.2.2             UG        2       1410 net0      ',
  ].join('\n')
  expect(parseNetstat(solaris)).toEqual({ address: '10.0.2.2', name: 'net0' })
  expect(parseNetstat('Destination Gateway\n10.0.0.0 10.0.0.1 UG en0')).toBeUndefined()
})

test('spec/disco-stun-nat.md §7.3: what Windows prints, in any language', () => {
  const text = [
    '===========================================================================',
    'Schnittstellenliste',
    ' 12...00 15 5d 01 02 03 ......Intel(R) Wi-Fi 6 AX201 160MHz',
    '===========================================================================',
    'IPv4-Routentabelle',
    'Aktive Routen:',
    '     Netzwerkziel    Netzwerkmaske          Gateway    Schnittstelle Metrik',
    '          0.0.0.0          0.0.0.0      192.168.1.1     192.168.1.20     45',
    '          0.0.0.0          0.0.0.0      10.0.0.138        10.0.0.20     25',
    '          0.0.0.0          0.0.0.0   Auf Verbindung        10.8.0.2      1',
    '          0.0.0.0        128.0.0.0         10.8.0.1        10.8.0.2      1',
    'Ständige Routen:',
    '  Netzwerkadresse          Netzmaske  Gatewayadresse  Metrik',
    '          0.0.0.0          0.0.0.0      192.168.7.1       1',
    '',
  ].join('\r\n')
  expect(parseRoutePrint(text)).toEqual({ address: '10.0.0.138', local: '10.0.0.20', metric: 25 })
  expect(parseRoutePrint('Keine')).toBeUndefined()
})

const address = (ip: string, netmask: string, family: 'IPv4' | 'IPv6' = 'IPv4') =>
  ({ address: ip, netmask, family, mac: '', internal: false, cidr: null, scopeid: 0 }) as NonNullable<
    ReturnType<typeof networkInterfaces>[string]
  >[number]

const sources = (more: Partial<GatewaySources>): GatewaySources => ({
  system: 'linux',
  read: () => proc(WIFI),
  run: () => Promise.reject(new Error('no such command')),
  interfaces: () => ({
    eth0: [address('10.0.0.7', '255.255.255.0')],
    wlan0: [
      address('fe80::1', 'ffff:ffff:ffff:ffff::', 'IPv6'),
      address('192.168.2.9', '255.255.255.0'),
      address('192.168.1.9', '255.255.255.0'),
    ],
  }),
  isLittleEndian: true,
  ...more,
})

test('spec/disco-stun-nat.md §7.3: our address is the one in the router’s network', async () => {
  expect(await findGateway(sources({}))).toEqual({ address: '192.168.1.1', local: '192.168.1.9' })
  const far = sources({ interfaces: () => ({ wlan0: [address('203.0.113.9', '255.255.255.255')] }) })
  expect(await findGateway(far)).toEqual({ address: '192.168.1.1', local: '203.0.113.9' })
  expect(await findGateway(sources({ interfaces: () => ({}) }))).toBeUndefined()
})

test.each([
  ['darwin', '/sbin/route', ['-n', 'get', 'default'], 'gateway: 192.168.1.1\ninterface: wlan0\n'],
  ['freebsd', '/sbin/route', ['-n', 'get', 'default'], 'gateway: 192.168.1.1\ninterface: wlan0\n'],
  ['sunos', 'netstat', ['-rn'], 'default 192.168.1.1 UG 1 1 wlan0\n'],
] as const)('spec/disco-stun-nat.md §7.3: %s asks %s once', async (system, command, args, output) => {
  const asked: unknown[] = []
  const run: GatewaySources['run'] = async (...call) => {
    asked.push(call)
    return output
  }
  expect(await findGateway(sources({ system, run }))).toEqual({ address: '192.168.1.1', local: '192.168.1.9' })
  expect(asked).toEqual([[command, args, 2000]])
})

test('spec/disco-stun-nat.md §7.3: Windows names our address itself', async () => {
  const run: GatewaySources['run'] = async (command) => {
    expect(command).toMatch(/^[A-Z]:\\.*\\System32\\route\.exe$/i)
    return ' 0.0.0.0 0.0.0.0 192.168.1.1 192.168.1.20 45\r\n'
  }
  expect(await findGateway(sources({ system: 'win32', run }))).toEqual({
    address: '192.168.1.1',
    local: '192.168.1.20',
  })
})

test('spec/disco-stun-nat.md §7.3: whatever fails means that there is none', async () => {
  const broken = () => {
    throw new Error('EACCES')
  }
  expect(await findGateway(sources({ read: broken }))).toBeUndefined()
  expect(await findGateway(sources({ interfaces: broken }))).toBeUndefined()
  for (const system of ['darwin', 'win32', 'aix'] as const)
    expect(await findGateway(sources({ system }))).toBeUndefined()
  for (const output of ['', 'nonsense', 'gateway: link#4\ninterface: wlan0', 'gateway: fe80::1\ninterface: wlan0'])
    expect(await findGateway(sources({ system: 'darwin', run: async () => output }))).toBeUndefined()
})

test('the system at hand says what it knows', async () => {
  const gateway = await new NodePlatform().gateway()
  if (gateway !== undefined)
    expect(gateway).toEqual({ address: expect.stringMatching(/^[\d.]+$/), local: expect.stringMatching(/^[\d.]+$/) })
})
