/**
 * What a terminal in raw mode sends, as keys: UTF-8, the sequences of xterm and its kin, and pasted text between its brackets. Pure; what it does not know it drops.
 */

export type KeyName =
  | 'enter'
  | 'backspace'
  | 'delete'
  | 'left'
  | 'right'
  | 'up'
  | 'down'
  | 'home'
  | 'end'
  | 'page-up'
  | 'page-down'
  | 'word-left'
  | 'word-right'
  | 'delete-word'
  | 'delete-before'
  | 'delete-after'
  | 'redraw'
  | 'interrupt'
  | 'end-of-input'

/** `text` may be several characters; pasted text may have line feeds. */
export type Key = { readonly kind: 'text'; readonly text: string } | { readonly kind: 'key'; readonly name: KeyName }

const CONTROLS: Readonly<Record<string, KeyName>> = {
  '\u0001': 'home',
  '\u0002': 'left',
  '\u0003': 'interrupt',
  '\u0004': 'end-of-input',
  '\u0005': 'end',
  '\u0006': 'right',
  '\b': 'backspace',
  '\n': 'enter',
  '\u000b': 'delete-after',
  '\f': 'redraw',
  '\r': 'enter',
  '\u000e': 'down',
  '\u0010': 'up',
  '\u0015': 'delete-before',
  '\u0017': 'delete-word',
  '\u007f': 'backspace',
}

/** By what stands after ESC [ or ESC O. */
const SEQUENCES: Readonly<Record<string, KeyName>> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  F: 'end',
  H: 'home',
  M: 'enter',
  '1~': 'home',
  '3~': 'delete',
  '4~': 'end',
  '5~': 'page-up',
  '6~': 'page-down',
  '7~': 'home',
  '8~': 'end',
  '1;5C': 'word-right',
  '1;5D': 'word-left',
  '1;3C': 'word-right',
  '1;3D': 'word-left',
}

/** After ESC alone: Alt with a letter. */
const ALT: Readonly<Record<string, KeyName>> = { b: 'word-left', f: 'word-right', '\u007f': 'delete-word' }

const ESCAPE = '\u001b'
const PASTE_BEGIN = '200~'
const PASTE_END = `${ESCAPE}[201~`
/** Longer than any sequence we know: then it is none. */
const MAX_SEQUENCE = 32
/** Pasted text that waits for its end, UTF-16 units; more comes as it is. */
const MAX_PASTE = 1 << 20

export class KeyDecoder {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  /** Characters that mean nothing yet. */
  #pending = ''
  #isPasting = false

  /** The keys that are complete with these bytes. */
  push(bytes: Uint8Array): Key[] {
    this.#pending += this.#decoder.decode(bytes, { stream: true })
    const keys: Key[] = []
    while (this.#pending !== '' && (this.#isPasting ? this.#paste(keys) : this.#next(keys)));
    return keys
  }

  /** False when more must come first. */
  #next(keys: Key[]): boolean {
    if (this.#pending[0] === ESCAPE) return this.#escape(keys)
    const plain = /^\P{Cc}+/u.exec(this.#pending)?.[0]
    if (plain !== undefined) keys.push({ kind: 'text', text: plain })
    else this.#named(keys, CONTROLS[this.#pending[0]!])
    this.#drop(plain?.length ?? 1)
    return true
  }

  #escape(keys: Key[]): boolean {
    const introducer = this.#pending[1]
    if (introducer === undefined) return false
    if (introducer !== '[' && introducer !== 'O') {
      // a lone escape before another one
      const isAlt = introducer !== ESCAPE
      if (isAlt) this.#named(keys, ALT[introducer])
      this.#drop(isAlt ? 2 : 1)
      return true
    }
    // parameters, then a final character (ECMA-48 §5.4)
    const sequence = /^[0-?]*[ -/]*[@-~]/.exec(this.#pending.slice(2))?.[0]
    if (sequence === undefined) {
      const isBroken = this.#pending.length > MAX_SEQUENCE || !/^[ -?]*$/.test(this.#pending.slice(2))
      if (isBroken) this.#drop(2)
      return isBroken
    }
    this.#drop(2 + sequence.length)
    if (sequence === PASTE_BEGIN) this.#isPasting = true
    else this.#named(keys, SEQUENCES[sequence])
    return true
  }

  #paste(keys: Key[]): boolean {
    const end = this.#pending.indexOf(PASTE_END)
    if (end < 0 && this.#pending.length < MAX_PASTE) return false
    const length = end < 0 ? this.#pending.length : end
    // terminals send CR for the line ends of what is pasted
    const text = this.#pending.slice(0, length).replace(/\r\n?/g, '\n')
    if (text !== '') keys.push({ kind: 'text', text })
    this.#drop(end < 0 ? length : end + PASTE_END.length)
    this.#isPasting = end < 0
    return true
  }

  #named(keys: Key[], name: KeyName | undefined): void {
    if (name !== undefined) keys.push({ kind: 'key', name })
  }

  #drop(length: number): void {
    this.#pending = this.#pending.slice(length)
  }
}
