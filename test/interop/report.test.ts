/** What the interop suite and its report make of text and results, without a peer. */
import { describe, expect, test } from 'vitest'
import { renderReport } from '../../conformance/report.ts'
import { closeOf } from './iroh/close-text.ts'
import { Fnv, PatternCheck, pattern, patternHash } from './pattern.ts'

describe('errors of the npm binding', () => {
  test.each([
    ['closed by peer: bye (code 5)', { kind: 'peer-application', code: 5, reason: 'bye' }],
    ['closed by peer: (a) b (code 5)', { kind: 'peer-application', code: 5, reason: '(a) b' }],
    ['closed by peer: 1099511627776', { kind: 'peer-application', code: 2 ** 40, reason: '' }],
    [
      'ConnectError\nCaused by:\n    aborted by peer: the cryptographic handshake failed: error 120: no_application_protocol: none',
      { kind: 'peer-transport', code: 0x178, reason: 'no_application_protocol: none' },
    ],
    [
      'aborted by peer: the server refused to accept a new connection',
      { kind: 'peer-transport', code: 0x02, reason: '' },
    ],
    [
      'TransportError(Error { code: Code::crypto(78), frame: None, reason: "no protocol", crypto: None })',
      { kind: 'local-transport', code: 0x178, reason: 'no protocol' },
    ],
    ['reset by peer', { kind: 'reset' }],
    ['timed out', { kind: 'timeout' }],
    ['closed', { kind: 'local-application' }],
    ['something else', undefined],
  ])('%j', (text, close) => {
    expect(closeOf(text)).toEqual(close)
  })
})

describe('pattern', () => {
  test('FNV-1a: the published values, and a BigInt twin', () => {
    const hash = (text: string): string => {
      const fnv = new Fnv()
      fnv.update(Buffer.from(text))
      return fnv.hex
    }
    expect([hash(''), hash('a'), hash('foobar')]).toEqual(['cbf29ce484222325', 'af63dc4c8601ec8c', '85944171f73967e8'])
    let twin = 0xcbf29ce484222325n
    for (const byte of pattern(70_000)) twin = BigInt.asUintN(64, (twin ^ BigInt(byte)) * 0x100000001b3n)
    expect(patternHash(70_000)).toBe(twin.toString(16).padStart(16, '0'))
  })

  test('a wrong byte is found, wherever the pieces are cut', () => {
    const check = new PatternCheck()
    const bytes = pattern(1000)
    check.update(bytes.subarray(0, 333))
    check.update(bytes.subarray(333, 700))
    expect(() => check.update(bytes.subarray(701))).toThrow('wrong byte at 700')
  })
})

test('INTEROP.md: a table for each role, a column for each peer', () => {
  const result = (peer: string, role: string, title: string, status = 'passed') => ({
    ancestorTitles: [peer, role, 'group'],
    title,
    status,
    duration: 1234,
  })
  const assertionResults = [
    result('A', 'we dial', 'one'),
    result('B', 'we dial', 'one', 'failed'),
    result('A', 'it dials', 'two'),
    result('B', 'it dials', 'other'),
  ]
  const text = renderReport(
    { testResults: [{ assertionResults }] },
    {
      version: '1.2.3',
      commit: 'abc',
      date: '2026-01-01',
      runtime: 'Node',
      peers: [
        { name: 'A', about: 'first' },
        { name: 'B', about: 'second' },
      ],
    },
  )
  expect(text).toContain('**3 of 4 tests passed**')
  expect(text).toContain(
    '## We dial\n\n| test | A | B |\n| --- | --- | --- |\n| group: one | passed 1.2 | **failed** 1.2 |',
  )
  expect(text).toContain('| group: two | passed 1.2 | – |')
})

test('INTEROP.md: each table has the columns of its own peers, a note beside the result, and nothing of tests of the instruments', () => {
  const result = (peer: string, role: string, meta?: { note: string }) => ({
    ancestorTitles: [peer, role],
    title: 'goodput',
    status: 'passed',
    duration: 2000,
    ...(meta === undefined ? {} : { meta }),
  })
  const peers = ['A', 'B'].map((name) => ({ name, about: '' }))
  const text = renderReport(
    {
      testResults: [
        { assertionResults: [result('A', 'one'), result('B', 'two', { note: '9 kbit/s' }), result('C', 'three')] },
      ],
    },
    { version: '1.2.3', commit: 'abc', date: '2026-01-01', runtime: 'Node', peers, remarks: ['The end.'] },
  )
  expect(text).toContain('**2 of 2 tests passed**')
  expect(text).toContain('## One\n\n| test | A |\n| --- | --- |\n| goodput | passed 2.0 |\n')
  expect(text).toContain('## Two\n\n| test | B |\n| --- | --- |\n| goodput | passed 2.0 (9 kbit/s) |\n\nThe end.\n')
  expect(text).not.toContain('Three')
})
