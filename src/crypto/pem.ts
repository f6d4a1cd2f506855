/**
 * PEM: DER in base64 between lines that say what it is, as files hold certificates and keys. Meets RFC 7468 §2 and §3, laxly where files
 * differ: text between the blocks and the length of lines do not matter.
 */
import { CryptoError } from './provider.ts'

const BLOCK = /-----BEGIN ([^\r\n-]+)-----([^-]*)-----END ([^\r\n-]+)-----/g
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/

/**
 * The contents of all blocks with this label, in their order; none gives an empty list. `CERTIFICATE` holds an X.509 certificate and
 * `PRIVATE KEY` a PKCS #8 key. Throws CryptoError for a block that is not base64.
 */
export function decodePem(text: string, label: string): Uint8Array[] {
  const blocks: Uint8Array[] = []
  for (const [, begin, body, end] of text.matchAll(BLOCK)) {
    if (begin !== label) continue
    const base64 = body!.replace(/\s+/g, '')
    if (end !== begin || !BASE64.test(base64)) throw new CryptoError(`PEM: a ${label} block is damaged`)
    blocks.push(bytesOf(atob(base64)))
  }
  return blocks
}

function bytesOf(binary: string): Uint8Array {
  const bytes = new Uint8Array(binary.length)
  for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index)
  return bytes
}
