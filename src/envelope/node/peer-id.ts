/** Keys of the messenger as ids of the public face. */
import { decodeHex } from '../../bytes/index.ts'
import { EndpointId } from '../../identity/index.ts'
import type { PeerKey } from '../wire/envelope.ts'

/** Keys that come out of the messenger are known to be points of the curve. */
export function idOf(key: PeerKey): EndpointId {
  return EndpointId.fromVerifiedKey(decodeHex(key))
}
