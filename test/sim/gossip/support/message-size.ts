/** How many bytes a message is on the wire, by counting instead of encoding (spec/gossip.md §4.3). A test compares it with the codec. */
import type { Announcement, Message, PeerInfo } from '../../../../src/gossip/proto/messages.ts'

const KEY = 32
/** Layer and message. */
const TAGS = 2
/** The length in front of each frame (spec/gossip.md §3.4). */
export const FRAME_PREFIX = 4

function varint(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5
}

function optional(data: Uint8Array | undefined): number {
  return data === undefined ? 1 : 1 + varint(data.length) + data.length
}

function list(nodes: readonly PeerInfo<number>[]): number {
  let size = varint(nodes.length)
  for (const node of nodes) size += KEY + optional(node.data)
  return size
}

function announced(announcements: readonly Announcement[]): number {
  let size = varint(announcements.length)
  for (const announcement of announcements) size += KEY + varint(announcement.round)
  return size
}

/** Bytes of the body, without the length prefix. */
export function bodySize(message: Message<number>): number {
  switch (message.kind) {
    case 'gossip': {
      const scope = message.round === undefined ? 1 : 1 + varint(message.round)
      return TAGS + KEY + varint(message.content.length) + message.content.length + scope
    }
    case 'ihave':
      return TAGS + announced(message.announcements)
    case 'prune':
      return TAGS
    case 'graft':
      return TAGS + (message.id === undefined ? 1 : 1 + KEY) + varint(message.round)
    case 'join':
      return TAGS + optional(message.data)
    case 'forward-join':
      return TAGS + KEY + optional(message.peer.data) + varint(message.ttl)
    case 'shuffle':
      return TAGS + KEY + list(message.nodes) + varint(message.ttl)
    case 'shuffle-reply':
      return TAGS + list(message.nodes)
    case 'neighbor':
      return TAGS + 1 + optional(message.data)
    case 'disconnect':
      return TAGS + 2
  }
}
