/** What a node says of peers, paths and messages, as fields of events. Pure. */
import { decodeUtf8 } from '../bytes/index.ts'
import type { BridgedMessage } from '../envelope/bridge/index.ts'
import type { IncomingMessage, PeerInfo } from '../envelope/index.ts'
import type { EndpointId } from '../identity/index.ts'
import type { Message, Path, PeerState } from './tom-node-events.ts'

export function peerFields({ id, name, liveness, role, isVerified }: PeerInfo): PeerState {
  return { id: id.toString(), name, liveness, role, verified: isVerified }
}

/** Null where there is no connection. */
export function pathOf(peer: Pick<PeerInfo, 'path'> | undefined): Path | null {
  const path = peer?.path
  return path === undefined
    ? null
    : { kind: path.kind, remote: path.remote, rtt_ms: Math.round(path.rttMs * 1000) / 1000 }
}

/** Reads what a bridge to the earlier stack brought; undefined for anything else. */
export type BridgedReader = (message: IncomingMessage) => BridgedMessage | undefined

export function messageFields(
  message: IncomingMessage,
  node: { peer(id: EndpointId): PeerInfo | undefined },
  readBridged: BridgedReader = () => undefined,
): Message {
  const { id, from, bytes, sentAt, isEncrypted, isAuthorBound, via, broughtBy } = message
  const bridged = readBridged(message)
  const text = bridged?.text ?? textOf(bytes)
  return {
    id,
    from: from.toString(),
    name: node.peer(from)?.name ?? '',
    text,
    ...(text === null ? { base64: Buffer.from(bytes).toString('base64') } : {}),
    bytes: bytes.length,
    sent_at: sentAt,
    encrypted: isEncrypted,
    author_bound: isAuthorBound,
    via: via.map(String),
    brought_by: broughtBy.toString(),
    path: pathOf(node.peer(broughtBy))?.kind ?? null,
    ...(bridged === undefined ? {} : { claimed_author: bridged.author, v1_signature: bridged.signatureState }),
  }
}

/** Null where the bytes are no UTF-8. */
export function textOf(bytes: Uint8Array): string | null {
  try {
    return decodeUtf8(bytes)
  } catch {
    return null
  }
}
