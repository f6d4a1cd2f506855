/**
 * A line of `tom gossip` as it travels: UTF-8 JSON with who says it, when, and a nonce, because equal bytes are one message (spec/gossip.md §7.4, §14.4). Nothing
 * of it is signed: name and author are what the sender claims.
 */
import { decodeUtf8, encodeUtf8 } from '../bytes/index.ts'

/** Longest name of a speaker, UTF-16 units. */
export const MAX_NAME = 64

export interface ChatLine {
  /** 1 to 64 characters. */
  readonly name: string
  /** Endpoint id of the author, 64 hex digits. */
  readonly author: string
  /** ms since 1970 by the author's clock. */
  readonly time: number
  /** Tells the same words, said twice, apart. */
  readonly nonce: string
  readonly text: string
}

export function encodeChatLine({ name, author, time, nonce, text }: ChatLine): Uint8Array {
  return encodeUtf8(JSON.stringify({ name, author, time, nonce, text }))
}

/** Undefined for content that is no line of ours: others may use the topic, too. */
export function decodeChatLine(content: Uint8Array): ChatLine | undefined {
  let value: unknown
  try {
    value = JSON.parse(decodeUtf8(content))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { name, author, time, nonce, text } = value as Readonly<Record<keyof ChatLine, unknown>>
  const isNamed = typeof name === 'string' && name.length >= 1 && name.length <= MAX_NAME
  if (!isNamed || typeof author !== 'string' || !/^[0-9a-f]{64}$/.test(author)) return undefined
  if (typeof time !== 'number' || typeof nonce !== 'string' || typeof text !== 'string') return undefined
  return { name, author, time, nonce, text }
}

// C0, DEL, C1, line and paragraph separators, and what turns the direction of writing
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** What strangers wrote, safe for a terminal: no control characters, so no escape sequences and no second line. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '\ufffd')
}
