/** A message as bytes and back: the codec of production under the load of a swarm (spec/gossip.md §12.8 S7). A node's number becomes 64 hex digits. */
import type { Message, PeerInfo, PeerKey } from '../../../../src/gossip/proto/messages.ts'
import { decodeMessage, encodeMessage } from '../../../../src/gossip/wire/message-codec.ts'

const anyKey = (): boolean => true

/** 64 hex digits for a node of the simulator. */
export function keyOf(node: number): string {
  return node.toString(16).padStart(64, '0')
}

function nodeOf(key: string): number {
  return Number.parseInt(key.slice(-12), 16)
}

/** The same message with other names for the peers in it. */
function renamed<From extends PeerKey, To extends PeerKey>(
  message: Message<From>,
  rename: (peer: From) => To,
): Message<To> {
  const info = (peer: PeerInfo<From>): PeerInfo<To> => ({ id: rename(peer.id), data: peer.data })
  switch (message.kind) {
    case 'forward-join':
      return { ...message, peer: info(message.peer) }
    case 'shuffle':
      return { ...message, origin: rename(message.origin), nodes: message.nodes.map(info) }
    case 'shuffle-reply':
      return { ...message, nodes: message.nodes.map(info) }
    default:
      return message
  }
}

/** The body as it would be sent. */
export function wireBody(message: Message<number>): Uint8Array {
  return encodeMessage(renamed(message, keyOf))
}

export function overTheWire(message: Message<number>): Message<number> {
  return renamed(decodeMessage(wireBody(message), anyKey), nodeOf)
}
