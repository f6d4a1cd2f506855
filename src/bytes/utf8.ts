/** UTF-8 both ways, strict when reading. */
import { EncodingError } from './encoding-error.ts'

/** Lone surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Throws EncodingError where the bytes are not UTF-8. A byte order mark is kept. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new EncodingError(`these ${bytes.length} bytes are not UTF-8`)
  }
}
