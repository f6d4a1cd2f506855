/**
 * JSON as text: how deep it is, where the members of an object stand in it, and the form in which `JSON.stringify` would have written it. A signature of the
 * earlier stack covers text, and what an engine makes of it is not always that text again (spec/envelope.md §2.2).
 */

/** A member of an object, by positions in the text. */
export interface Member {
  readonly name: string
  /** Of its value. */
  readonly start: number
  readonly end: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const COMMA = 0x2c
const COLON = 0x3a

/** Whether brackets stand at most `limit` deep in one another. For any text, JSON or not; does not recurse. */
export function isShallow(text: string, limit: number): boolean {
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = stringEnd(text, at) - 1
    else if (code === OPEN_BRACE || code === OPEN_BRACKET) {
      if (++depth > limit) return false
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
  }
  return true
}

/** The members of the object that begins at `start`, in their order, or undefined for more than `limit`. `text` is known to be JSON. */
export function membersOf(text: string, start: number, limit: number): Member[] | undefined {
  const members: Member[] = []
  let at = skipSpace(text, skipSpace(text, start) + 1)
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    if (members.length === limit) return undefined
    const nameEnd = stringEnd(text, at)
    const name = JSON.parse(text.slice(at, nameEnd)) as string
    // a colon stands between
    const valueStart = skipSpace(text, skipSpace(text, nameEnd) + 1)
    const end = valueEnd(text, valueStart)
    members.push({ name, start: valueStart, end })
    at = skipSpace(text, end)
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1)
  }
  return members
}

/** The value at `[start, end)` without white space, its strings and numbers as `JSON.stringify` writes them where `isNormal`, else as they are. */
export function compactJson(text: string, start: number, end: number, isNormal: boolean): string {
  let out = ''
  for (let at = start; at < end; ) {
    const code = text.charCodeAt(at)
    if (isSpace(code)) {
      at++
      continue
    }
    const tokenEnd = code === QUOTE ? stringEnd(text, at) : isStructure(code) ? at + 1 : scalarEnd(text, at)
    const token = text.slice(at, tokenEnd)
    out += isNormal && needsNormal(token, code) ? JSON.stringify(JSON.parse(token)) : token
    at = tokenEnd
  }
  return out
}

/** Whether `compact` has a name that engines sort as a number, so that an object with it may have been another text once. */
export function hasIntegerNames(compact: string): boolean {
  // inside a string a quote stands behind a backslash, so this is a name
  return /[{,]"(?:0|[1-9]\d{0,9})":/.test(compact)
}

function needsNormal(token: string, code: number): boolean {
  if (code === QUOTE) return token.includes('\\') || /[\ud800-\udfff]/.test(token)
  const isNumber = code === 0x2d || (code >= 0x30 && code <= 0x39)
  return isNumber && !/^(?:0|-?[1-9]\d{0,14})$/.test(token)
}

/** Where the string that begins at `at` ends, its quote included; the end of the text where it does not. */
function stringEnd(text: string, at: number): number {
  for (let end = at + 1; end < text.length; end++) {
    const code = text.charCodeAt(end)
    if (code === BACKSLASH) end++
    else if (code === QUOTE) return end + 1
  }
  return text.length
}

function valueEnd(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = stringEnd(text, at)
    else if (isStructure(code)) {
      if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++
      else if (depth === 0) return at
      else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--
      at++
    } else if (isSpace(code)) {
      if (depth === 0) return at
      at++
    } else at = scalarEnd(text, at)
    if (depth === 0) return at
  }
  return text.length
}

/** Of a number or a word. */
function scalarEnd(text: string, start: number): number {
  let at = start
  while (at < text.length) {
    const code = text.charCodeAt(at)
    if (isStructure(code) || isSpace(code)) break
    at++
  }
  return at
}

function skipSpace(text: string, start: number): number {
  let at = start
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09
}

function isStructure(code: number): boolean {
  return (
    code === OPEN_BRACE ||
    code === CLOSE_BRACE ||
    code === OPEN_BRACKET ||
    code === CLOSE_BRACKET ||
    code === COMMA ||
    code === COLON
  )
}
