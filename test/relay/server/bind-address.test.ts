import { createServer, Server } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { formatBindAddress, listenTcp, parseBindAddress } from '../../../src/relay/server/bind-address.ts'

test('ip:port and back, in canonical form', () => {
  for (const [text, host, port] of [
    ['127.0.0.1:3340', '127.0.0.1', 3340],
    ['[::]:0', '::', 0],
    ['[2001:DB8:0::1]:65535', '2001:db8::1', 65535],
  ] as const) {
    expect(parseBindAddress(text, 'bind')).toEqual({ host, port })
    expect(parseBindAddress(formatBindAddress({ host, port }), 'bind')).toEqual({ host, port })
  }
  for (const text of [
    '',
    '80',
    ':80',
    '1.2.3.4',
    '1.2.3.4:65536',
    '::1:80',
    'localhost:80',
    '[127.0.0.1]:80',
    '[fe80::1%eth0]:1',
  ])
    expect(() => parseBindAddress(text, 'bind')).toThrow(
      `bind: expected ip:port or [ipv6]:port, got ${JSON.stringify(text)}`,
    )
})

test('[::] takes IPv4 as well, and is 0.0.0.0 where there is no IPv6', async () => {
  class Ipv4Only extends Server {
    override listen(...args: unknown[]): this {
      const [{ host }] = args as [{ host: string }]
      if (host !== '::') return super.listen(...(args as []))
      process.nextTick(() => this.emit('error', Object.assign(new Error('none'), { code: 'EAFNOSUPPORT' })))
      return this
    }
  }
  for (const [server, host] of [
    [createServer(), '::'],
    [new Ipv4Only(), '0.0.0.0'],
  ] as const) {
    onTestFinished(() => void server.close())
    const bound = await listenTcp(server, { host: '::', port: 0 }, 'http')
    expect(bound).toEqual({ host, port: expect.any(Number) })
    expect(bound.port).toBeGreaterThan(0)
  }
})
