/** Envelopes to JSON of the earlier stack, always signed (V1-3), in the member order that is signed there (spec/envelope.md §2.2). */
import { encodeHex, encodeUtf8 } from '../../bytes/index.ts'
import type { Signer } from '../../crypto/index.ts'
import { EnvelopeError } from '../errors.ts'
import { MAX_FRAME_LENGTH, type PeerKey } from '../wire/envelope.ts'

export interface V1Draft {
  /** 1 to 128 printable ASCII characters; ours are UUIDs, version 4. */
  readonly id: string
  readonly to: PeerKey
  /** Default: none. */
  readonly via?: readonly PeerKey[]
  readonly type: string
  /** Whatever `JSON.stringify` takes. */
  readonly payload: unknown
  /** Ms since 1970. */
  readonly timestamp: number
}

/** The JSON, signed by `signer`, whose public key is `from`. Throws EnvelopeError TOO_LARGE beyond 1 MiB. */
export function writeV1(draft: V1Draft, signer: Pick<Signer, 'publicKey' | 'sign'>): string {
  const from = encodeHex(signer.publicKey)
  const signature = encodeHex(signer.sign(encodeUtf8(v1Text(from, draft, ''))))
  const text = v1Text(from, draft, signature)
  const { length } = encodeUtf8(text)
  if (length > MAX_FRAME_LENGTH)
    throw new EnvelopeError('TOO_LARGE', `an envelope of ${length} bytes, at most ${MAX_FRAME_LENGTH} are taken`)
  return text
}

/** Internal: the JSON with a given signature, hex or empty. */
export function v1Text(from: PeerKey, draft: V1Draft, signature: string): string {
  const { id, to, via = [], type, payload, timestamp } = draft
  return JSON.stringify({ id, from, to, via, type, payload, timestamp, signature })
}
