/**
 * The rules of the house as functions from sources to violations: who may import whom, what the sans-I/O rooms may not touch, how big
 * a file may be. Each violation is one line that names the place and the rule.
 */
import { posix } from 'node:path'
import { blank, type Import, importsOf, lineAt, moduleLevel, type Source } from './source-scan.ts'

/** A room may import only rooms that stand before it. */
export const ROOMS = [
  'bytes',
  'platform',
  'crypto',
  'identity',
  'quic',
  'driver',
  'relay',
  'holepunch',
  'discovery',
  'endpoint',
  'gossip',
  'envelope',
  'cli',
]

/** Doors besides each room's `index.ts`: a side of a room that only works in one runtime. */
const SIDE_DOORS = new Set([
  'src/platform/node/index.ts',
  'src/platform/browser/index.ts',
  'src/crypto/node/index.ts',
  'src/crypto/portable/index.ts',
  'src/relay/server/index.ts',
  'src/endpoint/node.ts',
  'src/endpoint/browser.ts',
  'src/envelope/node.ts',
  'src/envelope/browser.ts',
  'src/envelope/bridge/index.ts',
])

/** Where built-in modules of Node may be imported. */
const NODE_SIDES = ['src/platform/node/', 'src/crypto/node/', 'src/relay/server/', 'src/cli/']

/** Packages and the room that may use them. */
const PACKAGES: readonly { readonly package: RegExp; readonly folder: string }[] = [
  { package: /^@noble\//, folder: 'src/crypto/' },
  { package: /^@noble\/curves\/ed25519\.js$/, folder: 'src/identity/' },
  { package: /^(?:commander|smol-toml)$/, folder: 'src/cli/' },
]

/** Rooms without sockets, timers, clock and randomness of their own. */
const SANS_IO = [
  'src/bytes/',
  'src/crypto/',
  'src/identity/',
  'src/quic/',
  'src/relay/protocol/',
  'src/gossip/proto/',
  'src/gossip/wire/',
  ...['wire', 'sealing', 'routing', 'peers', 'backup', 'core', 'v1'].map((folder) => `src/envelope/${folder}/`),
]
const PROVIDERS = ['src/crypto/node/', 'src/crypto/portable/']

const IMPURE: readonly RegExp[] = [
  /(?<![.#\w$])(?:setTimeout|setInterval|setImmediate|queueMicrotask|fetch)\s*\(/g,
  /(?<![.#\w$])(?:process|performance|console|navigator|globalThis)\s*[.[?]/g,
  /(?<![.#\w$])(?:Date|WebSocket|XMLHttpRequest|EventSource|Worker|BroadcastChannel)\b(?!\s*\??:)/g,
  /\bMath\s*\.\s*random\b/g,
  /\b(?:getRandomValues|randomUUID)\b/g,
  /\bimport\s*\.\s*meta\b/g,
]

/** Module-level things that keep state from one connection to the next. */
const STATE: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: /^[ \t]*(?:export\s+)?(?:let|var)\s+[\w$]+/gm, what: 'a variable' },
  {
    pattern:
      /^[ \t]*(?:export\s+)?const\s+[\w$]+\s*(?::(?!\s*Readonly)[^=\n]*)?=\s*new\s+(?:Map|Set|WeakMap|WeakSet)\b/gm,
    what: 'a map or set whose type is not Readonly',
  },
  {
    pattern:
      /^[ \t]*(?:export\s+)?const\s+[\w$]+[^=\n]*=\s*new\s+(?:(?:Big)?(?:Ui|I)nt\d+(?:Clamped)?Array|Float\d+Array|ArrayBuffer|SharedArrayBuffer)(?:<[^>]*>)?\s*\((?!\s*(?:0\s*)?\)|\s*\[)/gm,
    what: 'a scratch array',
  },
  {
    pattern: /^[ \t]*(?:export\s+)?const\s+[\w$]+\s*(?::(?!\s*readonly)[^=\n]*)?=\s*\[\s*\]/gm,
    what: 'an array that fills',
  },
]

/** The room of a file: `src/quic/tls/hello.ts` → `quic`; undefined for `src/index.ts`. */
export function roomOf(path: string): string | undefined {
  const parts = path.split('/')
  return parts[0] === 'src' && parts.length > 2 ? parts[1] : undefined
}

function resolve(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier))
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.')
}

function at(source: Source, line: number, rule: string): string {
  return `${source.path}:${line} ${rule}`
}

function inAny(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => path.startsWith(folder))
}

function checkRelative(source: Source, entry: Import, paths: ReadonlySet<string>): string | undefined {
  const target = resolve(source.path, entry.specifier)
  if (!target.startsWith('src/')) return `imports ${target}, outside of src`
  if (!paths.has(target)) return `imports ${entry.specifier}, which is no file (imports end in .ts)`
  const from = roomOf(source.path)
  const to = roomOf(target)
  if (to === undefined) return from === undefined ? undefined : `imports the public face ${target} from inside a room`
  if (from === to) return undefined
  if (!ROOMS.includes(to)) return `imports the unknown room ${to}`
  if (from !== undefined && ROOMS.indexOf(to) > ROOMS.indexOf(from))
    return `${from} may not import ${to}, which stands above it`
  if (target !== `src/${to}/index.ts` && !SIDE_DOORS.has(target))
    return `imports ${target}, past the door src/${to}/index.ts`
  return undefined
}

/** Imports between rooms go down and through doors; packages and Node's modules only where they belong. */
export function checkImports(sources: readonly Source[]): string[] {
  const paths = new Set(sources.map((source) => source.path))
  const violations: string[] = []
  for (const source of sources) {
    const room = roomOf(source.path)
    if (room !== undefined && !ROOMS.includes(room)) violations.push(at(source, 1, `${room} is no room of the design`))
    for (const entry of importsOf(source.text)) {
      const { specifier } = entry
      let rule: string | undefined
      if (isRelative(specifier)) rule = checkRelative(source, entry, paths)
      else if (specifier.startsWith('node:')) {
        if (!inAny(source.path, NODE_SIDES)) rule = `imports ${specifier} outside of the Node side`
      } else if (!PACKAGES.some((rule) => rule.package.test(specifier) && source.path.startsWith(rule.folder)))
        rule = `imports the package ${specifier}, which is not meant for this room`
      if (rule !== undefined) violations.push(at(source, entry.line, rule))
    }
  }
  return violations
}

/** Circles of imports that run when modules load; each is reported once, from its first file in path order. */
export function checkCircles(sources: readonly Source[]): string[] {
  const targets = new Map<string, string[]>()
  for (const source of sources) {
    const values = importsOf(source.text).filter((entry) => entry.kind === 'value' && isRelative(entry.specifier))
    targets.set(
      source.path,
      values.map((entry) => resolve(source.path, entry.specifier)),
    )
  }
  const violations: string[] = []
  const done = new Set<string>()
  const trail: string[] = []
  const visit = (path: string) => {
    const start = trail.indexOf(path)
    if (start >= 0) violations.push(`circle: ${[...trail.slice(start), path].join(' -> ')}`)
    if (start >= 0 || done.has(path)) return
    trail.push(path)
    for (const target of targets.get(path) ?? []) visit(target)
    trail.pop()
    done.add(path)
  }
  for (const path of targets.keys()) visit(path)
  return violations
}

/** No sockets, timers, clock, randomness or Node modules in the sans-I/O rooms. */
export function checkPurity(sources: readonly Source[]): string[] {
  const violations: string[] = []
  for (const source of sources) {
    if (!inAny(source.path, SANS_IO) || inAny(source.path, PROVIDERS)) continue
    const code = blank(source.text)
    for (const pattern of IMPURE) {
      for (const match of code.matchAll(pattern)) {
        violations.push(
          at(source, lineAt(code, match.index), `uses ${match[0].trim().replace(/[\s(.[?]+$/, '')} in a sans-I/O room`),
        )
      }
    }
    for (const entry of importsOf(source.text)) {
      if (/^node:|\/(node|browser)\/index\.ts$/.test(entry.specifier)) {
        violations.push(at(source, entry.line, `imports ${entry.specifier} in a sans-I/O room`))
      }
    }
  }
  return violations
}

/** Nothing that one connection writes and another can see: no module-level variables, filled maps or scratch arrays, no mutable statics. */
export function checkModuleState(sources: readonly Source[]): string[] {
  const violations: string[] = []
  for (const source of sources) {
    if (!inAny(source.path, SANS_IO) || inAny(source.path, PROVIDERS)) continue
    const code = moduleLevel(source.text)
    for (const { pattern, what } of STATE) {
      for (const match of code.matchAll(pattern)) {
        const line = lineAt(code, match.index + match[0].search(/\S/))
        violations.push(at(source, line, `keeps ${what} at module level: ${match[0].trim()}`))
      }
    }
    for (const match of blank(source.text).matchAll(
      /\bstatic\s+(?!readonly\b|async\b|\{)#?[\w$]+\s*(?::[^=(\n]*)?=(?!>)/g,
    )) {
      violations.push(at(source, lineAt(source.text, match.index), 'keeps a mutable static field'))
    }
  }
  return violations
}

/** No file over `limit` lines; generated ones are not written by hand and may be longer. */
export function checkSize(sources: readonly Source[], limit: number): string[] {
  return sources
    .filter((source) => !/\.generated\.ts$/.test(source.path) && source.text.split('\n').length - 1 > limit)
    .map((source) => `${source.path} has ${source.text.split('\n').length - 1} lines, more than ${limit}`)
}

/** A file begins by saying what it owns, and exports by name. */
export function checkManners(sources: readonly Source[]): string[] {
  const violations: string[] = []
  for (const source of sources) {
    if (!/^(#!.*\n)?\s*(\/\*\*|\/\/)/.test(source.text))
      violations.push(at(source, 1, 'does not begin with a comment that says what it owns'))
    const fallback = /^\s*export\s+default\b/m.exec(blank(source.text))
    if (fallback !== null) violations.push(at(source, lineAt(source.text, fallback.index + 1), 'has a default export'))
  }
  return violations
}
