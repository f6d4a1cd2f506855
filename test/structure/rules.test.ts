import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { checkCircles, checkImports, checkManners, checkModuleState, checkPurity, checkSize } from './rules.ts'
import { readSources, type Source } from './source-scan.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const LINES = 600

describe('the source tree', () => {
  const sources = readSources(ROOT, ['src'])

  test('is there', () => {
    expect(sources.length).toBeGreaterThan(50)
  })
  test('imports go down and through doors', () => {
    expect(checkImports(sources)).toEqual([])
  })
  test('no circles', () => {
    expect(checkCircles(sources)).toEqual([])
  })
  test('the sans-I/O rooms are pure', () => {
    expect(checkPurity(sources)).toEqual([])
  })
  test('the sans-I/O rooms keep no state at module level', () => {
    expect(checkModuleState(sources)).toEqual([])
  })
  test(`no file over ${LINES} lines`, () => {
    expect(checkSize([...sources, ...readSources(ROOT, ['test', 'scripts', 'bench', 'conformance'])], LINES)).toEqual(
      [],
    )
  })
  test('every file says what it owns, and nothing is exported by default', () => {
    expect(checkManners(sources)).toEqual([])
  })
})

/** The rules must be seen to fail: each bad sample, and what must be said about it. */
describe('the rules on bad samples', () => {
  const file = (path: string, text: string): Source => ({ path, text })
  const world = [
    file('src/bytes/index.ts', ''),
    file('src/bytes/reader.ts', ''),
    file('src/crypto/index.ts', ''),
    file('src/crypto/node/index.ts', ''),
    file('src/crypto/node/aead.ts', ''),
    file('src/quic/index.ts', ''),
    file('src/quic/engine.ts', ''),
    file('src/driver/index.ts', ''),
    file('src/index.ts', ''),
  ]
  const imports = (path: string, text: string) => checkImports([...world, file(path, text)])

  test.each([
    ['upward', 'src/bytes/x.ts', "import { a } from '../quic/index.ts'", 'bytes may not import quic'],
    [
      'upward, types only',
      'src/quic/x.ts',
      "import type { A } from '../driver/index.ts'",
      'quic may not import driver',
    ],
    ['upward, in a type', 'src/quic/x.ts', "let a: import('../driver/index.ts').A", 'quic may not import driver'],
    ['upward, re-exported', 'src/quic/x.ts', "export * from '../driver/index.ts'", 'quic may not import driver'],
    ['past a door', 'src/driver/x.ts', "import { a } from '../quic/engine.ts'", 'past the door src/quic/index.ts'],
    ['past a side door', 'src/driver/x.ts', "import { a } from '../crypto/node/aead.ts'", 'past the door'],
    ['the public face', 'src/driver/x.ts', "import { a } from '../index.ts'", 'the public face'],
    ['no extension', 'src/quic/x.ts', "import { a } from './engine'", 'no file'],
    ['outside', 'src/quic/x.ts', "import { a } from '../../test/a.ts'", 'outside of src'],
    ['Node in QUIC', 'src/quic/x.ts', "import { a } from 'node:crypto'", 'outside of the Node side'],
    ['Node in the driver', 'src/driver/x.ts', "import { a } from 'node:dgram'", 'outside of the Node side'],
    ['Node without node:', 'src/platform/node/x.ts', "import { a } from 'dgram'", 'the package dgram'],
    [
      'noble in QUIC',
      'src/quic/x.ts',
      "import { a } from '@noble/hashes/sha2.js'",
      'the package @noble/hashes/sha2.js',
    ],
    ['another package', 'src/crypto/x.ts', "import { a } from 'left-pad'", 'the package left-pad'],
    ['an unknown room', 'src/attic/x.ts', '', 'no room of the design'],
  ])('imports: %s', (_, path, text, expected) => {
    expect(imports(path, text)).toEqual([expect.stringContaining(expected)])
  })

  test.each([
    [
      'src/driver/x.ts',
      "import { a } from '../quic/index.ts'\nimport type { B } from '../bytes/index.ts'\nimport { c } from './y.ts'",
    ],
    ['src/platform/node/x.ts', "import { a } from 'node:dgram'"],
    ['src/crypto/portable/x.ts', "import { a } from '@noble/hashes/sha2.js'"],
    ['src/cli/x.ts', "import { a } from 'commander'\nimport { b } from '../crypto/node/index.ts'"],
    ['src/index.browser.ts', "export * from './quic/index.ts'"],
  ])('imports that are allowed: %s', (path, text) => {
    expect(checkImports([...world, file('src/driver/y.ts', ''), file(path, text)])).toEqual([])
  })

  test('circles, but not of types', () => {
    const a = file('src/quic/a.ts', "import { b } from './b.ts'")
    const b = file('src/quic/b.ts', "import { c } from './c.ts'")
    const c = (kind: string) => file('src/quic/c.ts', `import ${kind} { a } from './a.ts'`)
    expect(checkCircles([a, b, c('')])).toEqual([
      'circle: src/quic/a.ts -> src/quic/b.ts -> src/quic/c.ts -> src/quic/a.ts',
    ])
    expect(checkCircles([a, b, c('type')])).toEqual([])
  })

  test.each([
    'setTimeout(() => {}, 1)',
    'setImmediate(f)',
    'queueMicrotask(f)',
    'process.nextTick(f)',
    'process?.env',
    'const now = performance.now()',
    'const now = Date.now()',
    'const now = new Date()',
    'Math.random()',
    'crypto.getRandomValues(out)',
    'globalThis.crypto',
    "await fetch('x')",
    'new WebSocket(url)',
    'console.log(1)',
    'new URL("x", import.meta.url)',
    "import { randomBytes } from 'node:crypto'",
    "import { crypto } from '../crypto/node/index.ts'",
  ])('impure: %s', (text) => {
    expect(checkPurity([file('src/quic/x.ts', text)])).toHaveLength(1)
    expect(checkPurity([file('src/driver/x.ts', text)])).toEqual([])
  })

  test('pure code is left alone', () => {
    const text =
      "// Date.now()\nthis.process(x)\nconst s = 'setTimeout()'\nstream.fetch(1)\ninterface A { Date?: number; process: number }\nprocess(x)"
    expect(checkPurity([file('src/quic/x.ts', text)])).toEqual([])
  })

  test.each([
    'let count = 0',
    'export let count = 0',
    'var count',
    'const seen = new Map<string, number>()',
    'export const seen: Map<string, number> = new Map()',
    'const seen = new Set()',
    'const scratch = new Uint8Array(16)',
    'const scratch = new Float64Array(COUNT)',
    'const list: number[] = []',
    'const list = []',
    'class A {\n  static count = 0\n}',
  ])('module state: %s', (text) => {
    expect(checkModuleState([file('src/quic/x.ts', text)])).toHaveLength(1)
  })

  test.each([
    'const NAMES: ReadonlyMap<number, string> = new Map()',
    'const SALT = new Uint8Array([1, 2])',
    'const NONE = new Uint8Array(0)',
    'const LIST = [1, 2]',
    'function f() {\n  let a = 0\n  const b = new Map()\n}',
    'class A {\n  static readonly zero = 0\n  #map = new Map()\n  static of(a = 1) { return a }\n}',
  ])('no module state: %s', (text) => {
    expect(checkModuleState([file('src/quic/x.ts', text)])).toEqual([])
  })

  test('size, header comment and default exports', () => {
    const long = file('src/quic/x.ts', 'a\n'.repeat(601))
    expect(checkSize([long], 600)).toHaveLength(1)
    expect(checkSize([file('src/quic/x.ts', 'a\n'.repeat(600)), { ...long, path: 'src/x.generated.ts' }], 600)).toEqual(
      [],
    )
    expect(checkManners([file('src/quic/x.ts', 'export const a = 1')])).toHaveLength(1)
    expect(checkManners([file('src/quic/x.ts', '/** A. */\nexport default 1')])).toHaveLength(1)
    expect(checkManners([file('src/quic/x.ts', '/** A. */\nexport const a = 1')])).toEqual([])
  })
})
