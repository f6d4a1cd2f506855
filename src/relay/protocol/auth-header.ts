/**
 * The header with which a client proves its key in the upgrade request, over TLS only, which spares the challenge (spec/relay.md §2.4): both ends export the
 * same 32 bytes from the TLS session, the client signs the first half and shows the second.
 */
import type { CryptoProvider, Signer } from '../../crypto/index.ts'
import type { ExportKeyingMaterial } from '../../platform/index.ts'
import { decodeBase64Url, encodeBase64Url } from './base64url.ts'
import { ID_LENGTH } from './constants.ts'
import { SIGNATURE_LENGTH } from './handshake-frames.ts'

/** Name of the header, in lower case. */
export const CLIENT_AUTH_HEADER = 'x-iroh-relay-client-auth-v1'

const EXPORTER_LABEL = 'iroh-relay handshake v1'
const EXPORTED_LENGTH = 32
const SIGNED_LENGTH = 16

const SIGNATURE_AT = ID_LENGTH + 1
const SUFFIX_AT = SIGNATURE_AT + SIGNATURE_LENGTH
const LENGTH = SUFFIX_AT + EXPORTED_LENGTH - SIGNED_LENGTH

/** Value of the header, 151 characters. What `exporter` throws comes through: then the client leaves the header out. */
export function clientAuthHeader(signer: Signer, exporter: ExportKeyingMaterial): string {
  const { publicKey } = signer
  const exported = exporter(EXPORTER_LABEL, publicKey, EXPORTED_LENGTH)
  const bytes = new Uint8Array(LENGTH)
  bytes.set(publicKey)
  bytes[ID_LENGTH] = SIGNATURE_LENGTH
  bytes.set(signer.sign(exported.subarray(0, SIGNED_LENGTH)), SIGNATURE_AT)
  bytes.set(exported.subarray(SIGNED_LENGTH), SUFFIX_AT)
  exported.fill(0)
  return encodeBase64Url(bytes)
}

/**
 * The 32-byte public key that the header proves. Undefined when it proves none: malformed, made for another TLS session (a proxy stands in between), a bad
 * signature, no exporter here. Then the server challenges the client, as if there had been no header. Never throws.
 */
export function verifyClientAuthHeader(
  crypto: CryptoProvider,
  value: string,
  exporter: ExportKeyingMaterial | undefined,
): Uint8Array | undefined {
  if (exporter === undefined) return undefined
  const bytes = decodeBase64Url(value)
  if (bytes?.length !== LENGTH || bytes[ID_LENGTH] !== SIGNATURE_LENGTH) return undefined
  const publicKey = bytes.slice(0, ID_LENGTH)
  let exported: Uint8Array
  try {
    exported = exporter(EXPORTER_LABEL, publicKey, EXPORTED_LENGTH)
  } catch {
    // the session is gone, or has nothing to export: the challenge will tell
    return undefined
  }
  const isSameSession = crypto.equal(exported.subarray(SIGNED_LENGTH), bytes.subarray(SUFFIX_AT))
  const isProven =
    isSameSession &&
    crypto.verify(publicKey, exported.subarray(0, SIGNED_LENGTH), bytes.subarray(SIGNATURE_AT, SUFFIX_AT))
  exported.fill(0)
  return isProven ? publicKey : undefined
}
