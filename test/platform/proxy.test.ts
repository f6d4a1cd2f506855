import { expect, test } from 'vitest'
import { parseNoProxy, parseProxy, proxyFromEnvironment } from '../../src/platform/node/proxy.ts'

test('spec/relay.md §1.8: a proxy as a URL, credentials in standard base64', () => {
  expect(parseProxy('http://proxy.example:3128')).toEqual({
    host: 'proxy.example',
    port: 3128,
    usesTls: false,
    authorization: undefined,
  })
  expect(parseProxy('https://[2001:db8::1]')).toMatchObject({ host: '2001:db8::1', port: 443, usesTls: true })
  expect(parseProxy('http://proxy.example')).toMatchObject({ port: 80 })
  expect(parseProxy('proxy.example:8080')).toMatchObject({ host: 'proxy.example', port: 8080, usesTls: false })
  expect(parseProxy('http://u:%3E%3E%3E%3F%3F%3F@proxy.example').authorization).toBe('Basic dTo+Pj4/Pz8=')
  expect(parseProxy('http://user%40a@proxy.example').authorization).toBe(
    `Basic ${Buffer.from('user@a:').toString('base64')}`,
  )
  expect(parseProxy('http://user:50%25%@proxy.example').authorization).toBe(
    `Basic ${Buffer.from('user:50%25%').toString('base64')}`,
  )
})

test('what is no HTTP proxy is refused, and the message does not repeat it', () => {
  for (const text of ['socks5://secret@proxy.example', 'http://', 'ftp://proxy.example', 'http://a b', '']) {
    expect(() => parseProxy(text), text).toThrow(expect.objectContaining({ code: 'WEB_PROXY' }))
  }
  expect(() => parseProxy('socks5://user:secret@proxy.example')).not.toThrow(/secret/)
})

test('the environment: https_proxy before HTTPS_PROXY before all_proxy; http_proxy is for other things', () => {
  const hostFor = (environment: Record<string, string>, host = 'relay.example', port = 443): string | undefined =>
    proxyFromEnvironment(environment)(host, port)?.host
  expect(hostFor({})).toBe(undefined)
  expect(hostFor({ http_proxy: 'http://a' })).toBe(undefined)
  expect(hostFor({ https_proxy: 'http://a', HTTPS_PROXY: 'http://b', all_proxy: 'http://c' })).toBe('a')
  expect(hostFor({ https_proxy: '', HTTPS_PROXY: 'http://b', all_proxy: 'http://c' })).toBe('b')
  expect(hostFor({ all_proxy: 'http://c', ALL_PROXY: 'http://d' })).toBe('c')
  expect(hostFor({ ALL_PROXY: 'd:1' })).toBe('d')
  expect(hostFor({ all_proxy: 'socks5h://c' })).toBe(undefined)
  expect(hostFor({ https_proxy: 'http://a', no_proxy: 'relay.example' })).toBe(undefined)
  expect(hostFor({ https_proxy: 'http://a', NO_PROXY: 'relay.example' })).toBe(undefined)
  expect(hostFor({ https_proxy: 'http://a', no_proxy: 'other.example', NO_PROXY: '*' })).toBe('a')
})

test('no_proxy: names and what is below them, ports, addresses, networks, everything', () => {
  const isExempt = (list: string, host: string, port = 443): boolean => parseNoProxy(list)(host, port)
  const yes: [string, string, number?][] = [
    ['example.com', 'example.com'],
    ['example.com', 'EXAMPLE.com.'],
    ['example.com', 'a.b.example.com'],
    ['.example.com', 'a.example.com'],
    ['*.example.com', 'a.example.com'],
    ['a, example.com  b', 'example.com'],
    ['example.com:8443', 'example.com', 8443],
    ['*', 'anything.example'],
    ['127.0.0.1', '127.0.0.1'],
    ['10.0.0.0/8', '10.200.3.4'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['fd00::/8', 'fd12::9'],
    ['10.0.0.1:8443', '10.0.0.1', 8443],
  ]
  const no: [string, string, number?][] = [
    ['', 'example.com'],
    ['example.com', 'notexample.com'],
    ['example.com', 'example.com.evil'],
    ['example.com:8443', 'example.com', 443],
    ['127.0.0.1', '127.0.0.2'],
    ['10.0.0.0/8', '11.0.0.1'],
    ['10.0.0.0/33', '10.0.0.1'],
    ['::1', '::2'],
    ['10.0.0.1:8443', '10.0.0.1', 443],
    ['0.1', '10.0.0.1'],
  ]
  expect(yes.filter((entry) => !isExempt(...entry))).toEqual([])
  expect(no.filter((entry) => isExempt(...entry))).toEqual([])
})
