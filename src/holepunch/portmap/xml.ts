/**
 * As much XML as routers speak: elements, text, the five named entities and numeric ones, CDATA, comments. Attributes are skipped, prefixes cut
 * off, a document type refused, for with it come entities of its own. Takes time and memory in proportion to the text, up to fixed bounds. Pure.
 */

/** A device description has some hundreds. */
const MOST_ELEMENTS = 20_000
const MOST_DEPTH = 64

export interface XmlElement {
  /** Without a prefix. */
  readonly name: string
  /** Its own text, not its children's, without white space around it. */
  text: string
  readonly children: XmlElement[]
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
])

/** The root element; undefined for what is not well-formed as far as this reader looks. */
export function parseXml(source: string): XmlElement | undefined {
  const document: XmlElement = { name: '', text: '', children: [] }
  const open: XmlElement[] = [document]
  let count = 0
  let at = 0
  while (at < source.length) {
    const current = open.at(-1)!
    const next = source.indexOf('<', at)
    const end = next < 0 ? source.length : next
    if (current !== document) current.text += unescapeXml(source.slice(at, end))
    if (next < 0) break
    if (source.startsWith('<!--', next)) at = after(source, '-->', next + 4)
    else if (source.startsWith('<?', next)) at = after(source, '?>', next + 2)
    else if (source.startsWith('<![CDATA[', next)) {
      at = after(source, ']]>', next + 9)
      if (at > 0) current.text += source.slice(next + 9, at - 3)
    } else if (source.startsWith('<!', next)) return undefined
    else {
      at = endOfTag(source, next + 1)
      if (at === 0) return undefined
      const isClosing = source[next + 1] === '/'
      const isEmpty = source[at - 2] === '/'
      const name = localName(source.slice(next + (isClosing ? 2 : 1), at - 1))
      if (name === undefined) return undefined
      if (isClosing) {
        if (open.length === 1 || current.name !== name) return undefined
        current.text = current.text.trim()
        open.pop()
      } else {
        if (++count > MOST_ELEMENTS || open.length > MOST_DEPTH) return undefined
        const element: XmlElement = { name, text: '', children: [] }
        current.children.push(element)
        if (!isEmpty) open.push(element)
      }
    }
    if (at === 0) return undefined
  }
  return open.length === 1 && document.children.length === 1 ? document.children[0] : undefined
}

/** Behind the next `mark`, 0 when there is none. */
function after(source: string, mark: string, from: number): number {
  const found = source.indexOf(mark, from)
  return found < 0 ? 0 : found + mark.length
}

/** Behind the `>` that ends a tag; one in quotes does not. 0 when there is none. */
function endOfTag(source: string, from: number): number {
  for (let at = from; at < source.length; at++) {
    const letter = source[at]
    if (letter === '>') return at + 1
    if (letter === '"' || letter === "'") {
      at = source.indexOf(letter, at + 1)
      if (at < 0) return 0
    }
  }
  return 0
}

/** Of what stands in a tag. */
function localName(tag: string): string | undefined {
  return /^(?:[\w.-]+:)?([\w.-]+)(?=[\s/]|$)/.exec(tag)?.[1]
}

/** Direct children of that name. */
export function childrenOf(element: XmlElement, name: string): XmlElement[] {
  return element.children.filter((child) => child.name === name)
}

/** Text of the first child of that name. */
export function textOf(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text
}

/** Calls `visit` for `element` and all below it, in the order of the document. */
export function walk(element: XmlElement, visit: (element: XmlElement) => void): void {
  visit(element)
  // not deeper than `MOST_DEPTH`
  for (const child of element.children) walk(child, visit)
}

export function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (letter) => `&#${letter.charCodeAt(0)};`)
}

/** What is no entity stays as it is. */
function unescapeXml(text: string): string {
  if (!text.includes('&')) return text
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|([a-z]{2,4}));/g, (all, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES.get(name) ?? all
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : all
  })
}
