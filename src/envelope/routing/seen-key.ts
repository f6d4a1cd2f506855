/** Id and author as 12 words, without loss where the id is a UUID as everybody writes them; anything else comes with its text. */
import type { PeerKey } from '../wire/envelope.ts'

export const ID_WORDS = 4
/** 16 bytes of id, 32 of author. */
export const KEY_WORDS = 12

const UUID_LENGTH = 36
const KEY_LENGTH = 64
const DASH = 0x2d
const NO_HEX = -1

/** Fills `into`. Returns the key as text where the words alone do not say it. */
export function packKey(id: string, from: PeerKey, into: Uint32Array): string | undefined {
  if (packUuid(id, into) && packHex(from, into)) return undefined
  const text = `${from.length} ${from}${id}`
  let hash = 0
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193)
  into.fill(0)
  into[0] = hash
  return text
}

function packUuid(id: string, into: Uint32Array): boolean {
  if (id.length !== UUID_LENGTH) return false
  const isDashed = id.charCodeAt(8) === DASH && id.charCodeAt(13) === DASH
  if (!isDashed || id.charCodeAt(18) !== DASH || id.charCodeAt(23) !== DASH) return false
  const second = hexAt(id, 9, 4)
  const third = hexAt(id, 14, 4)
  const fourth = hexAt(id, 19, 4)
  const fifth = hexAt(id, 24, 4)
  const head = hexAt(id, 0, 8)
  const tail = hexAt(id, 28, 8)
  if (head < 0 || second < 0 || third < 0 || fourth < 0 || fifth < 0 || tail < 0) return false
  into[0] = head
  into[1] = second * 0x1_0000 + third
  into[2] = fourth * 0x1_0000 + fifth
  into[3] = tail
  return true
}

function packHex(from: PeerKey, into: Uint32Array): boolean {
  if (from.length !== KEY_LENGTH) return false
  for (let word = ID_WORDS; word < KEY_WORDS; word++) {
    const value = hexAt(from, (word - ID_WORDS) * 8, 8)
    if (value < 0) return false
    into[word] = value
  }
  return true
}

/** The number that `length` lower-case hex digits from `start` on are, -1 if they are none. */
function hexAt(text: string, start: number, length: number): number {
  let value = 0
  for (let at = start; at < start + length; at++) {
    const code = text.charCodeAt(at)
    if (code >= 0x30 && code <= 0x39) value = value * 16 + code - 0x30
    else if (code >= 0x61 && code <= 0x66) value = value * 16 + code - 0x57
    else return NO_HEX
  }
  return value
}
