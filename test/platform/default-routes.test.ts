import { expect, test } from 'vitest'
import { DefaultRouteReader, defaultRoute4, defaultRoute6 } from '../../src/platform/node/default-routes.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'

const HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT   \n'
const line4 = (name: string, destination: string, flags: string, metric: number, mask: string): string =>
  `${name}\t${destination}\t0101A8C0\t${flags}\t0\t0\t${metric}\t${mask}\t0\t0\t0      \n`
const ZERO = '00000000'
const line6 = (name: string, destination: string, length: string, metric: string, flags: string): string =>
  `${destination} ${length} ${ZERO.repeat(4)} 00 fe800000000000000000000000000001 ${metric} 00000001 00000000 ${flags} ${name.padStart(8)}\n`
const ANY6 = ZERO.repeat(4)

test('IPv4: the default route with the lowest metric, the first of equals', () => {
  const lan = line4('eth0', '0001A8C0', '0001', 0, '00FFFFFF')
  const default4 = (name: string, metric: number) => line4(name, ZERO, '0003', metric, ZERO)
  expect(defaultRoute4(HEAD + default4('eth0', 100) + lan)).toBe('eth0')
  expect(defaultRoute4(HEAD + default4('wlan0', 600) + default4('eth0', 100) + lan)).toBe('eth0')
  expect(defaultRoute4(HEAD + default4('eth0', 0) + default4('eth1', 0))).toBe('eth0')
  expect(defaultRoute4(HEAD + lan)).toBeUndefined()
  // A tunnel's default route names no gateway.
  expect(defaultRoute4(HEAD + line4('tun0', ZERO, '0001', 0, ZERO))).toBe('tun0')
})

test('IPv4: no default route: half of all addresses, one that is down, one that refuses', () => {
  expect(defaultRoute4(HEAD + line4('tun0', ZERO, '0003', 0, '00000080'))).toBeUndefined()
  expect(defaultRoute4(HEAD + line4('eth0', ZERO, '0002', 0, ZERO))).toBeUndefined()
  expect(defaultRoute4(HEAD + line4('*', ZERO, '0201', 0, ZERO))).toBeUndefined()
})

test('IPv6: metrics are hex, and the kernel refusing everything else is no route', () => {
  const refuses = line6('lo', ANY6, '00', 'ffffffff', '00200200')
  const link = line6('eth0', `fe80${'0'.repeat(28)}`, '40', '00000100', '00000001')
  const default6 = (name: string, metric: string) => line6(name, ANY6, '00', metric, '00000003')
  expect(defaultRoute6(link + default6('eth0', '00000400') + refuses)).toBe('eth0')
  expect(defaultRoute6(default6('wlan0', '0000000a') + default6('eth0', '00000009'))).toBe('eth0')
  expect(defaultRoute6(default6('eth0', '00000009') + default6('wlan0', '0000000a'))).toBe('eth0')
  expect(defaultRoute6(default6('eth0', '00000100') + default6('wlan0', '00000099'))).toBe('wlan0')
  expect(defaultRoute6(link + refuses)).toBeUndefined()
  expect(defaultRoute6(line6('eth0', ANY6, '03', '00000400', '00000003'))).toBeUndefined()
  expect(defaultRoute6(line6('lo', ANY6, '00', '00000100', '00000201'))).toBeUndefined()
})

test('IPv6: a route for some sources only is no default', () => {
  const line = line6('eth0', ANY6, '00', '00000400', '00000003').replace(`${ANY6} 00 fe80`, `${ANY6} 40 fe80`)
  expect(line).toContain(' 40 fe80')
  expect(defaultRoute6(line)).toBeUndefined()
})

test('lines that are cut short, and other text, hold no route', () => {
  for (const text of [
    '',
    '\n\n',
    HEAD,
    `eth0\t${ZERO}\t0101A8C0\t0003`,
    'not a table at all, but ten words or more in it',
  ]) {
    expect(defaultRoute4(text)).toBeUndefined()
    expect(defaultRoute6(text)).toBeUndefined()
  }
  const nameless = line6('', ANY6, '00', '00000001', '00000003')
  expect(defaultRoute6(nameless + line6('eth0', ANY6, '00', '00000400', '00000003'))).toBe('eth0')
})

test('without IPv6 there is one file; without any, nothing is known; an answer is kept for 50 ms', () => {
  const files = new Map([['/proc/net/route', HEAD + line4('eth0', ZERO, '0003', 0, ZERO)]])
  let time = 0
  const reader = new DefaultRouteReader(
    () => time,
    (path) => {
      const text = files.get(path)
      if (text === undefined) throw new Error('ENOENT')
      return text
    },
  )
  expect(reader.routes()).toEqual({ v4: 'eth0' })
  files.set('/proc/net/ipv6_route', line6('eth1', ANY6, '00', '00000400', '00000003'))
  time = 49
  expect(reader.routes()).toEqual({ v4: 'eth0' })
  time = 50
  expect(reader.routes()).toEqual({ v4: 'eth0', v6: 'eth1' })
  files.clear()
  files.set('/proc/net/route', HEAD)
  time = 100
  expect(reader.routes()).toEqual({})
  files.clear()
  files.set('/proc/net/ipv6_route', line6('eth1', ANY6, '00', '00000400', '00000003'))
  time = 150
  expect(reader.routes()).toEqual({ v6: 'eth1' })
  files.clear()
  time = 200
  expect(reader.routes()).toBeUndefined()
})

test('this system answers, and names interfaces that it has', () => {
  const routes = new NodePlatform().defaultRoutes()
  if (process.platform !== 'linux') {
    expect(routes).toBeUndefined()
    return
  }
  const names = new NodePlatform().interfaces().map(({ name }) => name)
  for (const name of Object.values(routes!)) expect(names).toContain(name)
})
