/** How the authentication header is written (spec/relay.md §2.4): base64url, and what is malformed is as if it were absent. */
import { decodeBase64Url as decode } from '../../bytes/index.ts'

export { encodeBase64Url } from '../../bytes/index.ts'

/** Undefined for what no encoder writes: other characters, padding, an impossible length, spare bits that are not zero. */
export function decodeBase64Url(text: string): Uint8Array | undefined {
  try {
    return decode(text)
  } catch {
    return undefined
  }
}
