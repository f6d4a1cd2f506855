import { describe, expect, test } from 'vitest'
import { blank, importsOf, lineAt, moduleLevel } from './source-scan.ts'

describe('blank', () => {
  test.each([
    ['a // setTimeout()\nb', 'a                \nb'],
    ['a /* x\ny */ b', 'a     \n     b'],
    ["f('it\\'s', 1)", "f('     ', 1)"],
    // biome-ignore-start lint/suspicious/noTemplateCurlyInString: source text
    ['`a ${b + `c ${d}`} e` f', '`   {b + `   {d}`}  ` f'],
    ['`${{ a: 1 }.a} x` y', '` {{ a: 1 }.a}  ` y'],
    // biome-ignore-end lint/suspicious/noTemplateCurlyInString: source text
    ['x = /[/"]\'/g.test(y)', 'x = /     /g.test(y)'],
    ['a / b / c', 'a / b / c'],
    ["return /'/.exec(x) + '/'", "return / /.exec(x) + ' '"],
    ["const a = '//' // b", "const a = '  '     "],
  ])('%j', (text, expected) => {
    expect(blank(text)).toBe(expected)
    expect(blank(text)).toHaveLength(text.length)
  })
})

test('imports of every form are seen, and those in comments and strings are not', () => {
  const text = [
    "import { a, type B } from './a.ts'",
    "import type { C } from './c.ts'",
    "import './side-effect.ts'",
    'import * as d from "./d.ts"',
    "import e, { f } from './e.ts'",
    "export { g } from './g.ts'",
    "export * from './h.ts'",
    "export * as i from './i.ts'",
    "export type { J } from './j.ts'",
    "import {\n  k,\n  l,\n} from './k.ts'",
    "const m = await import('./m.ts')",
    "let n: import('./n.ts').N",
    "// import { o } from './o.ts'",
    'const p = "import { p } from \'./p.ts\'"',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
    'const q = `${1} import x from "./q.ts"`',
    'export const r = 1',
    "import type from './s.ts'",
  ].join('\n')
  expect(importsOf(text).map((entry) => `${entry.kind} ${entry.specifier}`)).toEqual([
    'value ./a.ts',
    'type ./c.ts',
    'value ./side-effect.ts',
    'value ./d.ts',
    'value ./e.ts',
    'value ./g.ts',
    'value ./h.ts',
    'value ./i.ts',
    'type ./j.ts',
    'value ./k.ts',
    'dynamic ./m.ts',
    'dynamic ./n.ts',
    'value ./s.ts',
  ])
  expect(importsOf(text)[9]?.line).toBe(10)
})

test('what stands in braces is not module level', () => {
  const lines = moduleLevel('let a = 1\nfunction f() {\n  let b\n}\nconst c = { d: 1 }\nlet e')
    .split('\n')
    .map((line) => line.trimEnd())
  expect(lines).toEqual(['let a = 1', 'function f() {', '', '}', 'const c = {      }', 'let e'])
})

test('lines are counted from 1', () => {
  expect([0, 1, 2, 3].map((index) => lineAt('a\nb\n', index))).toEqual([1, 1, 2, 2])
})
