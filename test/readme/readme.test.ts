import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { transformSync } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../../scripts/build.ts'
import { run } from '../../scripts/run.ts'
import { type BuiltPackage, buildPackage } from '../structure/built-package.ts'
import { expectedOutput, readExamples } from './examples.ts'

const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

describe('the examples of README.md', () => {
  const examples = readExamples(README)
  let built: BuiltPackage

  beforeAll(async () => {
    built = await buildPackage({ cli: false })
    for (const [index, { code }] of examples.entries()) {
      writeFileSync(join(built.folder, `example-${index}.mts`), code)
      writeFileSync(
        join(built.folder, `example-${index}.mjs`),
        transformSync(code, { loader: 'ts', target: 'node20' }).code,
      )
    }
  })
  afterAll(() => built?.remove())

  test('are there', () => {
    expect(examples.length).toBeGreaterThan(3)
  })

  test.each(examples.map((example, index) => ({ ...example, index })))('$title', ({ code, index }) => {
    const printed = run(process.execPath, [`example-${index}.mjs`], { cwd: built.folder, timeoutMs: 30_000 })
    expect(printed.trimEnd().split('\n')).toEqual(expectedOutput(code))
  })

  test('have the types that a strict project sees in the published package', () => {
    for (const name of ['@types/node', 'undici-types']) {
      const link = join(built.folder, 'node_modules', name)
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(join(ROOT, 'node_modules', name), link)
    }
    const compilerOptions = { module: 'nodenext', target: 'es2023', strict: true, noEmit: true, types: ['node'] }
    writeFileSync(join(built.folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }))
    run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.'], { cwd: built.folder })
  })
})

describe('reading examples', () => {
  const text = '# A\n\n```sh\nls\n```\n\n### B b\n\n```ts\nconsole.log(1) // => 1\nconsole.log("a b") // => a b\n```\n'

  test('takes the TypeScript blocks, named by their heading', () => {
    expect(readExamples(text)).toEqual([
      { title: 'B b', code: 'console.log(1) // => 1\nconsole.log("a b") // => a b\n' },
    ])
  })

  test('reads what they should print', () => {
    expect(expectedOutput(readExamples(text)[0]?.code ?? '')).toEqual(['1', 'a b'])
  })
})

test('the markers of the generated table are there once and in order', () => {
  expect(README.split('<!-- bench:start -->')).toHaveLength(2)
  expect(README.split('<!-- bench:end -->')).toHaveLength(2)
  expect(README.indexOf('<!-- bench:start -->')).toBeLessThan(README.indexOf('<!-- bench:end -->'))
})

test('links into the repository lead somewhere', () => {
  const links = [...README.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] ?? '')
  expect(links.length).toBeGreaterThan(3)
  for (const link of links) expect(() => readFileSync(join(ROOT, link))).not.toThrow()
})
