import { describe, expect, test } from 'vitest'
import {
  bearerToken,
  checkUpgrade,
  chooseProtocol,
  type HeaderLines,
  RELAY_PROTOCOLS,
} from '../../../src/relay/index.ts'

const GOOD = {
  host: ['relay.example'],
  upgrade: ['websocket'],
  connection: ['Upgrade'],
  'sec-websocket-key': ['dGhlIHNhbXBsZSBub25jZQ=='],
  'sec-websocket-version': ['13'],
  'sec-websocket-protocol': ['iroh-relay-v2, iroh-relay-v1'],
} satisfies HeaderLines

/** Text of the refusal when `changes` are made to a good request. */
function refusal(changes: HeaderLines): string {
  const check = checkUpgrade('GET', { ...GOOD, ...changes })
  if (check.ok) return 'accepted'
  expect(check.status).toBe(400)
  return check.text
}

describe('spec/relay.md §1.3: the upgrade request', () => {
  test('what iroh sends is accepted', () => {
    expect(checkUpgrade('GET', GOOD)).toEqual({
      ok: true,
      protocol: 'iroh-relay-v2',
      key: 'dGhlIHNhbXBsZSBub25jZQ==',
    })
  })

  test('any other method is not found', () => {
    for (const method of ['POST', 'HEAD', 'get', 'OPTIONS', '']) {
      expect(checkUpgrade(method, GOOD)).toEqual({ ok: false, status: 404, text: 'Not Found', headers: {} })
    }
  })

  test('Connection and extensions are not looked at, the key only for its presence', () => {
    expect(refusal({ connection: undefined, 'sec-websocket-extensions': ['permessage-deflate'] })).toBe('accepted')
    expect(refusal({ 'sec-websocket-key': ['not base64'] })).toBe('accepted')
  })

  test('Upgrade is exactly websocket', () => {
    expect(refusal({ upgrade: undefined })).toBe('the header Upgrade is missing')
    expect(refusal({ upgrade: [] })).toBe('the header Upgrade is missing')
    for (const value of ['WebSocket', 'websocket, h2c', '', 'iroh derp http']) {
      expect(refusal({ upgrade: [value] })).toBe('the header Upgrade must be: websocket')
    }
  })

  test('a key, the version 13, a known protocol', () => {
    expect(refusal({ 'sec-websocket-key': undefined })).toBe('the header Sec-WebSocket-Key is missing')
    expect(refusal({ 'sec-websocket-protocol': undefined })).toBe('the header Sec-WebSocket-Protocol is missing')
    expect(refusal({ 'sec-websocket-protocol': ['chat'] })).toBe(
      'the header Sec-WebSocket-Protocol must name one of: iroh-relay-v2, iroh-relay-v1',
    )
    for (const version of [undefined, ['8'], ['13, 8'], ['013']]) {
      expect(checkUpgrade('GET', { ...GOOD, 'sec-websocket-version': version })).toEqual({
        ok: false,
        status: 400,
        text: 'the header Sec-WebSocket-Version must be: 13',
        headers: { 'Sec-WebSocket-Version': '13' },
      })
    }
  })

  test('the first fault in the order of the table is named', () => {
    expect(refusal({ upgrade: ['x'], 'sec-websocket-key': undefined })).toContain('Upgrade')
    expect(refusal({ 'sec-websocket-key': undefined, 'sec-websocket-version': ['8'] })).toContain('Key')
    expect(refusal({ 'sec-websocket-version': ['8'], 'sec-websocket-protocol': ['x'] })).toContain('Version')
  })

  test('only the first line of a header counts', () => {
    expect(refusal({ 'sec-websocket-protocol': ['chat', 'iroh-relay-v2'] })).toContain('must name one of')
    expect(refusal({ upgrade: ['websocket', 'h2c'] })).toBe('accepted')
  })
})

describe('spec/relay.md §1.4: the newest version that is offered', () => {
  test('whatever the order and the spelling', () => {
    expect(RELAY_PROTOCOLS).toEqual(['iroh-relay-v2', 'iroh-relay-v1'])
    for (const header of [
      'iroh-relay-v2, iroh-relay-v1',
      'iroh-relay-v1, iroh-relay-v2',
      'iroh-relay-v2,iroh-relay-v1',
      ' \tiroh-relay-v1 ,x,  iroh-relay-v2\t',
      'iroh-relay-v3, iroh-relay-v2',
    ]) {
      expect([header, chooseProtocol(header)]).toEqual([header, 'iroh-relay-v2'])
    }
    expect(chooseProtocol('iroh-relay-v1')).toBe('iroh-relay-v1')
    expect(chooseProtocol('chat,,iroh-relay-v1')).toBe('iroh-relay-v1')
  })

  test('none', () => {
    for (const header of [
      '',
      ',',
      'iroh-relay',
      'Iroh-Relay-V2',
      'iroh-relay-v2 iroh-relay-v1',
      'iroh-relay-v22',
      'iroh-relay-v2, caf\u00e9',
      'iroh-relay-v2\u00a0',
      'iroh-relay-v2,\u007f',
      'iroh-relay-v2\n',
    ]) {
      expect([header, chooseProtocol(header)]).toEqual([header, undefined])
    }
  })
})

describe('spec/relay.md §2.5: tokens', () => {
  test('the first Bearer line wins, in any case', () => {
    expect(bearerToken(['Bearer abc'], '/relay')).toBe('abc')
    expect(bearerToken(['bEARER abc', 'Bearer def'], '/relay?token=query')).toBe('abc')
    expect(bearerToken(['Basic dXNlcjo=', 'Bearer def'], '/relay')).toBe('def')
  })

  test('all after the first space, untrimmed', () => {
    expect(bearerToken(['Bearer  a b '], '/relay')).toBe(' a b ')
    expect(bearerToken(['Bearer '], '/relay?token=query')).toBe('')
  })

  test('a line that is no Bearer line leaves the query', () => {
    for (const line of ['Bearer', 'BearerX', 'Bearerabc', 'Bearer\tabc', ' Bearer abc', 'Basic abc', '']) {
      expect([line, bearerToken([line], '/relay?token=query')]).toEqual([line, 'query'])
    }
  })

  test('a line that is not visible ASCII ends the search', () => {
    expect(bearerToken(['Bearer caf\u00e9'], '/relay?token=query')).toBeUndefined()
    expect(bearerToken(['Basic \u0000', 'Bearer abc'], '/relay?token=query')).toBeUndefined()
    expect(bearerToken(['Bearer abc', 'Basic \u0000'], '/relay?token=query')).toBe('abc')
  })

  test('the first token of the query, decoded', () => {
    expect(bearerToken([], '/relay?token=a+b%26c%3Dd%2B%C3%A9')).toBe('a b&c=d+é')
    expect(bearerToken([], '/relay?x=1&token=a&token=b')).toBe('a')
    expect(bearerToken([], '/relay?token')).toBe('')
    expect(bearerToken([], '/relay?token=%zz%ff')).toBe('%zz\ufffd')
    expect(bearerToken([], '/relay?to%6ben=a?b')).toBe('a?b')
  })

  test('no token', () => {
    for (const url of ['', '/relay', '/relay?', '/relay?Token=a', '/relay#?token=a', '/relay/token=a']) {
      expect([url, bearerToken([], url)]).toEqual([url, undefined])
    }
    expect(bearerToken([], '/relay?token=a#b')).toBe('a')
  })
})
