import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../../scripts/build.ts'
import { run } from '../../scripts/run.ts'
import { type BuiltPackage, buildPackage, readPackageJson } from './built-package.ts'

/** What must run in a browser: everything but the Node sides and the command line. */
const PORTABLE = [
  'src/bytes/index.ts',
  'src/platform/index.ts',
  'src/platform/browser/index.ts',
  'src/crypto/index.ts',
  'src/crypto/portable/index.ts',
  'src/identity/index.ts',
  'src/quic/index.ts',
  'src/driver/index.ts',
  'src/relay/index.ts',
  'src/holepunch/index.ts',
  'src/discovery/index.ts',
  'src/endpoint/index.ts',
  'src/gossip/index.ts',
  'src/envelope/index.ts',
  'src/envelope/bridge/index.ts',
  'src/endpoint/browser.ts',
  'src/envelope/browser.ts',
  'src/index.browser.ts',
]

/** What each bundle would import at run time. */
async function browserImports(entries: readonly string[] | { text: string }): Promise<Map<string, string[]>> {
  const result = await build({
    ...('text' in entries
      ? { stdin: { contents: entries.text, resolveDir: ROOT, loader: 'ts' as const } }
      : { entryPoints: [...entries] }),
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    outdir: 'bundles',
    metafile: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2023',
    external: ['node:*'],
    logLevel: 'silent',
  })
  return new Map(
    Object.values(result.metafile.outputs).map(({ entryPoint, imports }) => [
      entryPoint ?? '',
      imports.map(({ path }) => path),
    ]),
  )
}

describe('the portable part bundles for a browser', () => {
  // one build reads each file once, and names the file that it stumbles over
  let bundles: Map<string, string[]>
  beforeAll(async () => {
    bundles = await browserImports(PORTABLE)
  })

  test.each(PORTABLE)('%s', (path) => {
    expect(bundles.get(path)).toEqual([])
  })

  test('the check sees a Node import', async () => {
    const bundles = await browserImports({ text: "export { createHash } from 'node:crypto'" })
    expect([...bundles.values()]).toEqual([['node:crypto']])
    await expect(browserImports({ text: "export { createHash } from 'crypto'" })).rejects.toThrow('Could not resolve')
  })
})

/** A module hook that writes down every module which is resolved, and by whom. */
const RECORDER = `
import { appendFileSync } from 'node:fs'
let log
export function initialize(data) { log = data.log }
export async function resolve(specifier, context, next) {
  const result = await next(specifier, context)
  appendFileSync(log, JSON.stringify({ parent: context.parentURL, url: result.url }) + '\\n')
  return result
}
`

interface Loaded {
  readonly parent?: string
  readonly url: string
}

describe('the built package', () => {
  let built: BuiltPackage

  beforeAll(async () => {
    built = await buildPackage({ cli: true })
  })
  afterAll(() => built?.remove())

  /** All that is loaded when a module imports `specifier`. */
  function loadedBy(specifier: string): Loaded[] {
    const log = join(built.folder, 'log.jsonl')
    writeFileSync(log, '')
    writeFileSync(join(built.folder, 'recorder.mjs'), RECORDER)
    const main = `
      import { register } from 'node:module'
      register('./recorder.mjs', import.meta.url, { data: { log: ${JSON.stringify(log)} } })
      await import(${JSON.stringify(specifier)})
    `
    writeFileSync(join(built.folder, 'main.mjs'), main)
    run(process.execPath, ['main.mjs'], { cwd: built.folder })
    const lines = readFileSync(log, 'utf8').trim().split('\n')
    return lines.map((line): Loaded => JSON.parse(line)).filter((entry) => entry.parent !== undefined)
  }

  test("import 'tom-transport' loads our files and noble, and Node's modules only from the Node sides", () => {
    const ours = pathToFileURL(join(built.package, 'dist')).href
    const noble = pathToFileURL(realpathSync(join(ROOT, 'node_modules/@noble'))).href
    const loaded = loadedBy('tom-transport')
    expect(loaded.filter((entry) => entry.url.startsWith(ours)).length).toBeGreaterThan(20)
    const strange = loaded.filter(({ parent, url }) => {
      if (url.startsWith(`${ours}/`) || url.startsWith(`${noble}/`)) return false
      const from = parent?.slice(ours.length) ?? ''
      return !(url.startsWith('node:') && /^\/(platform|crypto)\/node\//.test(from))
    })
    expect(strange).toEqual([])
  })

  test('the recorder sees a package that is not ours', () => {
    writeFileSync(join(built.folder, 'other.mjs'), "import 'node:fs'")
    expect(loadedBy('./other.mjs').map((entry) => entry.url)).toContain('node:fs')
  })

  test('every subpath of the exports can be imported', () => {
    const { name, exports } = readPackageJson()
    const imports = Object.keys(exports)
      .filter((subpath) => subpath !== './package.json')
      .map((subpath) => `await import('${name}${subpath.slice(1)}')`)
    expect(imports.length).toBeGreaterThan(5)
    writeFileSync(join(built.folder, 'all.mjs'), imports.join('\n'))
    run(process.execPath, ['all.mjs'], { cwd: built.folder })
  })

  test('every room with a door has a subpath, and the public face holds the endpoint', () => {
    const targets = JSON.stringify(readPackageJson().exports)
    const rooms = readdirSync(join(ROOT, 'src')).filter((name) => existsSync(join(ROOT, 'src', name, 'index.ts')))
    const missing = rooms.filter(
      (room) => !['cli', 'endpoint'].includes(room) && !targets.includes(`./dist/${room}/index.js`),
    )
    expect(missing).toEqual([])
  })

  test('`tom` is one file under 1 MB that runs alone', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tom-alone-'))
    try {
      const file = join(folder, 'tom.mjs')
      copyFileSync(join(built.package, 'dist/tom.mjs'), file)
      expect(statSync(file).size).toBeLessThan(1_000_000)
      expect(readFileSync(file, 'utf8').startsWith('#!/usr/bin/env node\n')).toBe(true)
      expect(statSync(join(built.package, 'dist/tom.mjs')).mode & 0o111).toBe(0o111)
      expect(run(process.execPath, [file, '--help'], { cwd: folder })).toMatch(/listen[\s\S]*connect/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

interface LockEntry {
  readonly dev?: boolean
  readonly optional?: boolean
  readonly peer?: boolean
  readonly hasInstallScript?: boolean
}

describe('the production dependency tree', () => {
  const lock: { packages: Record<string, LockEntry> } = JSON.parse(
    readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
  )
  const production = Object.entries(lock.packages).filter(([path, entry]) => path !== '' && entry.dev !== true)

  test('is noble and nothing else', () => {
    const names = production.map(([path]) => path.replace(/^.*node_modules\//, '')).sort()
    expect(names).toEqual(['@noble/ciphers', '@noble/curves', '@noble/hashes'])
    expect(Object.keys(readPackageJson().dependencies).sort()).toEqual(names)
  })

  test('has no install script and no native addon', () => {
    expect(production.filter(([, entry]) => entry.hasInstallScript === true)).toEqual([])
    for (const [path] of production) {
      const files = readdirSync(join(ROOT, path), { recursive: true }).map(String)
      expect(files.filter((file) => /\.node$|binding\.gyp$|\.(?:so|dll|dylib)$/.test(file))).toEqual([])
    }
  })

  test('the check would see the scripts of development packages', () => {
    expect(Object.values(lock.packages).some((entry) => entry.dev === true && entry.hasInstallScript === true)).toBe(
      true,
    )
  })

  test('our own package runs nothing when it is installed', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) expect(scripts).not.toHaveProperty(name)
  })

  test('versions are exact', () => {
    for (const version of Object.values(readPackageJson().dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/)
  })
})
