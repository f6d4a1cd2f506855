/** The line that is being typed: a cursor between graphemes, and the lines said before. Pure. */

import type { KeyName } from './chat-keys.ts'
import { graphemes, graphemeWidth, safeLine } from './chat-text.ts'

/** Lines that Up brings back. */
const MAX_HISTORY = 100

/** What is to be seen of the line, and where the cursor stands in it, cells. */
export interface EditorView {
  readonly text: string
  readonly cursor: number
}

export class LineEditor {
  readonly #maxBytes: number
  #before: string[] = []
  #after: string[] = []
  readonly #history: string[] = []
  /** Place in the history; its length: the line that is new. */
  #place = 0
  #draft = ''

  /** A line has at most so many bytes of UTF-8; what is beyond is not taken. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get text(): string {
    return this.#before.join('') + this.#after.join('')
  }

  /** False: there was no room, nothing was taken. */
  insert(text: string): boolean {
    // escape sequences and other controls never become part of a message by accident
    const clean = text.replace(/[^\P{Cc}\n\t]/gu, '')
    if (Buffer.byteLength(this.text) + Buffer.byteLength(clean) > this.#maxBytes) return false
    // a mark joins the character before it
    this.#before = graphemes(this.#before.join('') + clean)
    return true
  }

  /** What was typed, which is then in the history; the line is empty after it. */
  take(): string {
    const text = this.text
    if (text !== '' && text !== this.#history.at(-1)) this.#history.push(text)
    if (this.#history.length > MAX_HISTORY) this.#history.shift()
    this.#set('')
    this.#place = this.#history.length
    this.#draft = ''
    return text
  }

  /** False for a key that is not of editing. */
  press(key: KeyName): boolean {
    switch (key) {
      case 'backspace':
        this.#before.pop()
        return true
      case 'delete':
        this.#after.shift()
        return true
      case 'left':
        this.#left(1)
        return true
      case 'right':
        this.#right(1)
        return true
      case 'home':
        this.#left(this.#before.length)
        return true
      case 'end':
        this.#right(this.#after.length)
        return true
      case 'word-left':
        this.#left(this.#wordBefore())
        return true
      case 'word-right':
        this.#right(this.#wordAfter())
        return true
      case 'delete-word':
        this.#before.length -= this.#wordBefore()
        return true
      case 'delete-before':
        this.#before = []
        return true
      case 'delete-after':
        this.#after = []
        return true
      case 'up':
        this.#recall(this.#place - 1)
        return true
      case 'down':
        this.#recall(this.#place + 1)
        return true
      default:
        return false
    }
  }

  /** The part around the cursor that fits into `width` cells; a line feed shows as `lineFeed`, of one cell. */
  view(width: number, lineFeed: string): EditorView {
    const shown = (grapheme: string): string => (grapheme === '\n' ? lineFeed : safeLine(grapheme))
    let text = ''
    let cursor = 0
    // the cursor needs a cell of its own
    for (let index = this.#before.length - 1; index >= 0; index--) {
      const grapheme = shown(this.#before[index]!)
      const cells = graphemeWidth(grapheme)
      if (cursor + cells > width - 1) break
      text = grapheme + text
      cursor += cells
    }
    let used = cursor
    for (const raw of this.#after) {
      const grapheme = shown(raw)
      used += graphemeWidth(grapheme)
      if (used > width) break
      text += grapheme
    }
    return { text, cursor }
  }

  #set(text: string): void {
    this.#before = graphemes(text)
    this.#after = []
  }

  #left(count: number): void {
    this.#after.unshift(...this.#before.splice(this.#before.length - count))
  }

  #right(count: number): void {
    this.#before.push(...this.#after.splice(0, count))
  }

  /** Graphemes from the beginning of the word before the cursor. */
  #wordBefore(): number {
    let index = this.#before.length
    while (index > 0 && isSpace(this.#before[index - 1]!)) index--
    while (index > 0 && !isSpace(this.#before[index - 1]!)) index--
    return this.#before.length - index
  }

  #wordAfter(): number {
    let index = 0
    while (index < this.#after.length && isSpace(this.#after[index]!)) index++
    while (index < this.#after.length && !isSpace(this.#after[index]!)) index++
    return index
  }

  #recall(place: number): void {
    if (place < 0 || place > this.#history.length) return
    if (this.#place === this.#history.length) this.#draft = this.text
    this.#place = place
    this.#set(this.#history[place] ?? this.#draft)
  }
}

function isSpace(grapheme: string): boolean {
  return /^\s/.test(grapheme)
}
