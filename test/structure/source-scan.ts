/**
 * Reads TypeScript as text: blanks comments and strings, lists imports, finds what stands at module level. It is no parser; it knows
 * as much of the grammar as the structure rules need, and `source-scan.test.ts` holds it to that.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

export interface Source {
  /** Path below the project, with `/`, for example `src/quic/engine.ts`. */
  readonly path: string
  readonly text: string
}

export interface Import {
  readonly specifier: string
  /** Erased by the compiler: `import type`, `export type`, or `import('…')` in a type. Dynamic imports count as erased for circles: they run later. */
  readonly kind: 'value' | 'type' | 'dynamic'
  readonly line: number
}

/** A regular expression literal can follow these, a division cannot. */
const BEFORE_REGEXP =
  /(^|[(,=:[!&|?{};+\-*%<>~^])\s*$|\b(return|typeof|case|in|of|new|delete|void|throw|else|do|await|yield)\s*$/

/** The same text with the insides of comments and of string, template and regular expression literals as spaces; line breaks and lengths stay. */
export function blank(text: string): string {
  const out = text.split('')
  const wipe = (from: number, to: number) => {
    for (let at = from; at < to && at < out.length; at++) if (out[at] !== '\n') out[at] = ' '
  }
  /** Brace depth at which each open `${` ends. */
  const templates: number[] = []
  let depth = 0
  let at = 0
  const template = (from: number) => {
    let end = from
    while (end < text.length && text[end] !== '`' && !(text[end] === '$' && text[end + 1] === '{'))
      end += text[end] === '\\' ? 2 : 1
    wipe(from, end)
    if (text[end] === '$') {
      wipe(end, end + 1)
      templates.push(depth)
      depth++
      return end + 2
    }
    return end + 1
  }
  while (at < text.length) {
    const char = text[at]
    if (text.startsWith('//', at)) {
      const end = text.indexOf('\n', at)
      wipe(at, end < 0 ? text.length : end)
      at = end < 0 ? text.length : end
    } else if (text.startsWith('/*', at)) {
      const end = text.indexOf('*/', at + 2)
      wipe(at, end < 0 ? text.length : end + 2)
      at = end < 0 ? text.length : end + 2
    } else if (char === "'" || char === '"') {
      let end = at + 1
      while (end < text.length && text[end] !== char && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
      wipe(at + 1, end)
      at = end + 1
    } else if (char === '`') {
      at = template(at + 1)
    } else if (char === '/' && BEFORE_REGEXP.test(out.slice(Math.max(0, at - 40), at).join(''))) {
      let end = at + 1
      let inClass = false
      while (end < text.length && text[end] !== '\n' && (inClass || text[end] !== '/')) {
        if (text[end] === '[') inClass = true
        else if (text[end] === ']') inClass = false
        end += text[end] === '\\' ? 2 : 1
      }
      wipe(at + 1, end)
      at = end + 1
    } else {
      if (char === '{') depth++
      else if (char === '}') {
        depth--
        if (templates.at(-1) === depth) {
          templates.pop()
          at = template(at + 1)
          continue
        }
      }
      at++
    }
  }
  return out.join('')
}

/** 1-based line of an index. */
export function lineAt(text: string, index: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line++
  return line
}

const NAMES = String.raw`(?:\{[^}]*\}|\*(?:\s*as\s+[\w$]+)?|[\w$]+(?:\s*,\s*(?:\{[^}]*\}|\*\s*as\s+[\w$]+))?)`
const FROM = new RegExp(String.raw`(?<![.\w$])(?:import|export)\s*(type\s+(?!from\b))?${NAMES}\s*from\s*(?=['"])`, 'g')
const BARE = /(?<![.\w$])import\s*(?=['"])/g
const DYNAMIC = /(?<![.\w$])(?:import|require)\s*\(\s*(?=['"])/g

/** Every module a file names, in order. */
export function importsOf(text: string): Import[] {
  const code = blank(text)
  const found: (Import & { at: number })[] = []
  const collect = (pattern: RegExp, kind: (match: RegExpMatchArray) => Import['kind']) => {
    for (const match of code.matchAll(pattern)) {
      const quoteAt = match.index + match[0].length
      const specifier = text.slice(quoteAt + 1, text.indexOf(text[quoteAt] as string, quoteAt + 1))
      found.push({ specifier, kind: kind(match), line: lineAt(text, match.index), at: match.index })
    }
  }
  collect(FROM, (match) => (match[1] === undefined ? 'value' : 'type'))
  collect(BARE, () => 'value')
  collect(DYNAMIC, () => 'dynamic')
  return found.sort((left, right) => left.at - right.at).map(({ at: _, ...rest }) => rest)
}

/** The blanked code that runs when the module is loaded: everything inside braces is left out. */
export function moduleLevel(text: string): string {
  const code = blank(text)
  let depth = 0
  let out = ''
  for (const char of code) {
    if (char === '}') depth--
    out += depth <= 0 || char === '\n' ? char : ' '
    if (char === '{') depth++
  }
  return out
}

/** All TypeScript files below `folders` of the project at `root`. */
export function readSources(root: string, folders: readonly string[]): Source[] {
  const sources: Source[] = []
  for (const folder of folders) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/\.[cm]?ts$/.test(entry.name)) continue
      const file = join(entry.parentPath, entry.name)
      if (file.includes(`${sep}node_modules${sep}`)) continue
      sources.push({ path: relative(root, file).split(sep).join('/'), text: readFileSync(file, 'utf8') })
    }
  }
  return sources.sort((left, right) => (left.path < right.path ? -1 : 1))
}
