/**
 * Makes a message fit into a frame (spec/gossip.md §3.5, §6.6): a peer with many addresses, or a shuffle that grew on its way, must not make a message that breaks the
 * stream at an unmodified peer. Only what is a hint is left out.
 */
import type { Message, PeerInfo } from '../proto/messages.ts'
import { messageLength, peerLength } from './message-codec.ts'

/**
 * The message itself where it fits into `maxBody` bytes; else one with less: of a list of peers the longest data goes first, then peers from the front (a shuffle's
 * origin stands last); otherwise the data. Undefined when nothing helps: contents and announcements stay whole.
 */
export function fitMessage(message: Message<string>, maxBody: number): Message<string> | undefined {
  const excess = messageLength(message) - maxBody
  if (excess <= 0) return message
  const less = shorten(message, excess)
  return less !== undefined && messageLength(less) <= maxBody ? less : undefined
}

function shorten(message: Message<string>, excess: number): Message<string> | undefined {
  switch (message.kind) {
    case 'shuffle':
    case 'shuffle-reply':
      return { ...message, nodes: shortenPeers(message.nodes, excess) }
    case 'join':
    case 'neighbor':
      return { ...message, data: undefined }
    case 'forward-join':
      return { ...message, peer: { id: message.peer.id, data: undefined } }
    default:
      return undefined
  }
}

function shortenPeers(peers: readonly PeerInfo<string>[], excess: number): PeerInfo<string>[] {
  const kept = [...peers]
  let tooMuch = excess
  const byLength = [...peers.keys()].sort((left, right) => peerLength(peers[right]!) - peerLength(peers[left]!))
  for (const index of byLength) {
    const { id, data } = peers[index]!
    if (tooMuch <= 0 || data === undefined) break
    kept[index] = { id, data: undefined }
    tooMuch -= peerLength(peers[index]!) - peerLength(kept[index])
  }
  let dropped = 0
  for (; tooMuch > 0 && dropped < kept.length; dropped++) tooMuch -= peerLength(kept[dropped]!)
  return kept.slice(dropped)
}
