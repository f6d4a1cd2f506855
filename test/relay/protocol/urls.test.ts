import { describe, expect, test } from 'vitest'
import { IdentityError, RelayUrl } from '../../../src/identity/index.ts'
import { isSecureRelay, relayDialUrl, relayProbeUrl } from '../../../src/relay/index.ts'

const dial = (url: string, token?: string) => relayDialUrl(RelayUrl.parse(url), token)
const probe = (url: string) => relayProbeUrl(RelayUrl.parse(url))

describe('spec/relay.md §1.1: dial and probe URLs', () => {
  test.each([
    ['https://a.example', 'wss://a.example/relay', 'https://a.example/ping'],
    ['http://a.example', 'ws://a.example/relay', 'http://a.example/ping'],
    ['wss://a.example', 'wss://a.example/relay', 'https://a.example/ping'],
    ['ws://a.example', 'ws://a.example/relay', 'http://a.example/ping'],
    ['https://h/x?token=abc', 'wss://h/relay?token=abc', 'https://h/ping'],
    ['https://h:3340/deep/path/', 'wss://h:3340/relay', 'https://h:3340/ping'],
    // a default port of the other scheme is none here
    ['http://h:443', 'ws://h:443/relay', 'http://h:443/ping'],
    ['https://h:80', 'wss://h:80/relay', 'https://h:80/ping'],
    ['https://h:443/', 'wss://h/relay', 'https://h/ping'],
    [
      'https://use1-1.relay.n0.iroh.link.',
      'wss://use1-1.relay.n0.iroh.link./relay',
      'https://use1-1.relay.n0.iroh.link./ping',
    ],
    ['http://[::1]:3340', 'ws://[::1]:3340/relay', 'http://[::1]:3340/ping'],
    ['http://127.0.0.1:1/?a=1&a=2&b', 'ws://127.0.0.1:1/relay?a=1&a=2&b', 'http://127.0.0.1:1/ping'],
    ['https://user:secret@h/#fragment?x', 'wss://h/relay', 'https://h/ping'],
    ['https://h/?', 'wss://h/relay', 'https://h/ping'],
    // any other scheme means TLS
    ['relay://h:3340/x?q', 'wss://h:3340/relay?q', 'https://h:3340/ping'],
    ['ftp://h/x', 'wss://h/relay', 'https://h/ping'],
  ])('%s', (url, dialled, probed) => {
    expect(dial(url)).toBe(dialled)
    expect(probe(url)).toBe(probed)
    expect(isSecureRelay(RelayUrl.parse(url))).toBe(dialled.startsWith('wss:'))
  })

  test('§1.7: a token goes into the query of browsers, encoded as a form', () => {
    expect(dial('https://h', 'abc')).toBe('wss://h/relay?token=abc')
    expect(dial('https://h/?a=1', 'abc')).toBe('wss://h/relay?a=1&token=abc')
    expect(dial('https://h', 'a b&c=d+é#?')).toBe('wss://h/relay?token=a+b%26c%3Dd%2B%C3%A9%23%3F')
    expect(dial('https://h', '')).toBe('wss://h/relay?token=')
  })

  test('a URL without a host cannot be dialled', () => {
    for (const url of ['mailto:relay@example', 'data:,x', 'file:///relay', 'relay:///x', 'relay://a%zz/']) {
      for (const make of [dial, probe]) {
        let error: unknown
        try {
          make(url)
        } catch (caught) {
          error = caught
        }
        expect([url, error]).toEqual([url, expect.any(IdentityError)])
        expect((error as IdentityError).code).toBe('INVALID_RELAY_URL')
      }
    }
  })
})
