import { expect, test } from 'vitest'
import { citations, render, testedSections } from '../../scripts/requirements.ts'
import { MUSTS } from '../../scripts/requirements-musts.ts'

test.each([
  ['// RFC 9000 §4.6: a limit', ['RFC 9000 §4.6']],
  [
    '(RFC 9000 §13.2.1, §13.2.3 and §13.4; RFC 9002 §6).',
    ['RFC 9000 §13.2.1', 'RFC 9000 §13.2.3', 'RFC 9000 §13.4', 'RFC 9002 §6'],
  ],
  ['/**\n * As RFC 9002\n * appendix A.7. Then\n */', ['RFC 9002 §A.7']],
  ['// RFC 9000\n  // §5.1', ['RFC 9000 §5.1']],
  ['RFC 9000 §19.4 to §19.7', ['RFC 9000 §19.4', 'RFC 9000 §19.5', 'RFC 9000 §19.6', 'RFC 9000 §19.7']],
  ['RFC 9000 §3 to §4.1', ['RFC 9000 §3', 'RFC 9000 §4.1']],
  ['RFC 9000 says so, see 4.6', []],
])('citations: %j', (text, expected) => {
  expect(citations(text)).toEqual(expected)
})

test('a test counts for the sections before the colon of its name', () => {
  const text = [
    "test('RFC 9000 §4.6: more than RFC 9000 §4.1 allows', () => {})",
    "test.each(rows)('RFC 9000 §4.6, §4.5 and RFC 9002 §6: %s', () => {})",
    '// RFC 9000 §9: only said',
    "test('without a section', () => {})",
  ].join('\n')
  expect(testedSections(text)).toEqual(['RFC 9000 §4.6', 'RFC 9000 §4.6', 'RFC 9000 §4.5', 'RFC 9002 §6'])
})

test('the document: rules, where they are met, tests, and what has none', () => {
  const sources = [{ path: 'src/quic/a.ts', text: '// RFC 9000 §4.10: x' }]
  const tests = [{ path: 'test/quic/a.test.ts', text: "test('RFC 9000 §4.9: x'\ntest('RFC 9000 §4.9: y'" }]
  const lines = render(sources, tests, {
    'RFC 9000': [
      ['4.10', 'Be good.'],
      ['4.9', 'Be kind.'],
      ['4.9', 'Be brief.'],
    ],
  }).split('\n')
  expect(lines).toContain('3 rules in 2 sections: 2 covered, 1 without a test.')
  expect(lines).toContain('- RFC 9000 §4.10: Be good.')
  const table = lines.filter((line) => line.startsWith('| §'))
  expect(table).toEqual([
    '| §4.9 | Be kind. Be brief. |  | [a](../test/quic/a.test.ts) 2 |',
    '| §4.10 | Be good. | [quic/a](../src/quic/a.ts) |  |',
  ])
})

test('the list of rules is in order, each a sentence', () => {
  for (const [rfc, rules] of Object.entries(MUSTS)) {
    expect(rfc).toMatch(/^RFC \d{4}$/)
    expect(rules.map(([section]) => section)).toEqual(
      rules
        .map(([section]) => section)
        .sort((left, right) => {
          const [a, b] = [left.split('.').map(Number), right.split('.').map(Number)]
          for (let index = 0; index < 4; index++)
            if ((a[index] ?? -1) !== (b[index] ?? -1)) return (a[index] ?? -1) - (b[index] ?? -1)
          return 0
        }),
    )
    for (const [section, rule] of rules) expect(`${section} ${rule}`).toMatch(/^\d+(\.\d+)* [A-Z].*\.$/)
  }
})
