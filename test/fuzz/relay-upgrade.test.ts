import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseUrl } from '../../src/bytes/index.ts'
import { IdentityError, RelayUrl } from '../../src/identity/index.ts'
import {
  bearerToken,
  checkUpgrade,
  chooseProtocol,
  RELAY_PROTOCOLS,
  relayDialUrl,
  relayProbeUrl,
} from '../../src/relay/index.ts'
import { FACTOR, SEED } from './support/budget.ts'

const RUNS = { numRuns: 2000 * FACTOR, seed: Number(SEED) }

const NASTY = [
  '',
  ' ',
  '\t',
  ',',
  ';',
  '\r\n',
  '\0',
  '\u007f',
  '\u00e9',
  '\u2028',
  '\ud800',
  '%',
  '%0',
  '%ff',
  '+',
  '&',
  '=',
  '#',
  '?',
  '__proto__',
]
const KNOWN = ['websocket', '13', 'GET', 'iroh-relay-v1', 'iroh-relay-v2', 'Bearer ', 'bearer', 'token=', '/relay', 'x']
/** Text that almost means something. */
const text = fc
  .array(fc.oneof(fc.constantFrom(...NASTY, ...KNOWN), fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 8 })
  .map((parts) => parts.join(''))
const lines = fc.option(fc.array(text, { maxLength: 3 }), { nil: undefined })
const token = fc.string({ unit: 'grapheme', maxLength: 40 })

test('spec/relay.md §1.3: any headers are accepted with good reason, or refused', () => {
  const good = (value: string) => fc.oneof({ weight: 4, arbitrary: fc.constant([value]) }, lines)
  const headers = fc.record({
    upgrade: good('websocket'),
    'sec-websocket-key': good('dGhlIHNhbXBsZSBub25jZQ=='),
    'sec-websocket-version': good('13'),
    'sec-websocket-protocol': good('iroh-relay-v1'),
    connection: lines,
  })
  let accepted = 0
  fc.assert(
    fc.property(fc.oneof(fc.constant('GET'), text), headers, (method, given) => {
      const check = checkUpgrade(method, given)
      if (!check.ok) {
        expect(check.status).toBe(method === 'GET' ? 400 : 404)
        expect(check.text).toMatch(/^[\x20-\x7e]+$/)
        return
      }
      accepted++
      expect([method, given.upgrade?.[0], given['sec-websocket-version']?.[0]]).toEqual(['GET', 'websocket', '13'])
      expect(check.key).toBe(given['sec-websocket-key']?.[0])
      expect(given['sec-websocket-protocol']?.[0]).toContain(check.protocol)
    }),
    RUNS,
  )
  expect(accepted).toBeGreaterThan(RUNS.numRuns / 20)
})

test('spec/relay.md §1.4: a version is chosen exactly when a list of visible ASCII names it', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(text, fc.constantFrom(...RELAY_PROTOCOLS)), { maxLength: 5 }), (names) => {
      const header = names.join(', ')
      const isAscii = [...header].every((c) => c === '\t' || (c >= ' ' && c <= '~'))
      const words = header.split(',').map((word) => word.replace(/^[ \t]+|[ \t]+$/g, ''))
      const expected = isAscii ? RELAY_PROTOCOLS.find((name) => words.includes(name)) : undefined
      expect(chooseProtocol(header)).toBe(expected)
    }),
    RUNS,
  )
})

test('spec/relay.md §2.5: looking for a token throws nothing and finds what was put there', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), text, token, (authorization, url, wanted) => {
      const found = bearerToken(authorization, url)
      expect(found === undefined || typeof found === 'string').toBe(true)
      const ascii = wanted.replace(/[^\x20-\x7e]/g, '')
      expect(bearerToken([`Bearer ${ascii}`, ...authorization], url)).toBe(ascii)
      expect(bearerToken(['Basic x'], `/relay?${new URLSearchParams({ token: wanted })}&${url}`)).toBe(wanted)
    }),
    RUNS,
  )
})

test('spec/relay.md §1.1: any relay URL gives a URL to dial and one to probe, or IdentityError', () => {
  const scheme = fc.constantFrom('https:', 'http:', 'ws:', 'wss:', 'relay:', 'ftp:', 'file:', 'mailto:', 'HTTPS:')
  const nasty = fc.tuple(scheme, fc.constantFrom('//', '/', '', '///', '//a:b@', '//[::1]:', '//h.:'), text, text)
  const url = fc.oneof(
    fc.webUrl({ withQueryParameters: true, withFragments: true }),
    nasty.map((parts) => parts.join('')),
  )
  let dialled = 0
  fc.assert(
    fc.property(url, fc.option(token, { nil: undefined }), (given, secret) => {
      if (parseUrl(given) === undefined) return
      const relay = RelayUrl.parse(given)
      const original = relay.toURL()
      try {
        const dial = new URL(relayDialUrl(relay, secret))
        const probe = new URL(relayProbeUrl(relay))
        const isPlain = original.protocol === 'http:' || original.protocol === 'ws:'
        expect([dial.protocol, probe.protocol]).toEqual(isPlain ? ['ws:', 'http:'] : ['wss:', 'https:'])
        expect([dial.pathname, probe.pathname, probe.search]).toEqual(['/relay', '/ping', ''])
        expect(`${dial.username}${dial.password}${dial.hash}${probe.username}${probe.hash}`).toBe('')
        expect(dial.host).toBe(probe.host)
        if (secret !== undefined && !original.searchParams.has('token'))
          expect(bearerToken([], `${dial.pathname}${dial.search}`)).toBe(secret)
        dialled++
      } catch (error) {
        if (!(error instanceof IdentityError)) throw error
        expect(error.code).toBe('INVALID_RELAY_URL')
      }
    }),
    RUNS,
  )
  expect(dialled).toBeGreaterThan(RUNS.numRuns / 4)
})
