/**
 * Message bodies as postcard, both ways (spec/gossip.md §4.1 to §4.4): layer, message, fields. Frames around them are `frames.ts`'s; who sent one is not in it, and
 * what peers claim about others is checked for form only.
 */
import {
  decodeHex,
  EncodingError,
  encodeHex,
  Reader,
  readPostcardBool,
  readPostcardBytes,
  readPostcardList,
  readPostcardVarint,
  Writer,
  writePostcardBool,
  writePostcardBytes,
  writePostcardVarint,
} from '../../bytes/index.ts'
import type { Announcement, Message, PeerInfo } from '../proto/messages.ts'
import { DecodeError, decoding } from './decode-error.ts'

/** Bytes of an endpoint id and of a message id. */
const ID_LENGTH = 32
const MEMBERSHIP = 0
const BROADCAST = 1
const MAX_U16 = 0xffff
/** Least bytes of an element: an id and an option's tag, an id and a round. */
const LEAST_PEER = ID_LENGTH + 1
const LEAST_ANNOUNCEMENT = ID_LENGTH + 1

/**
 * Writes the body, without a length in front. Rounds and ttls above 65535 are written as 65535: a peer could not decode more (spec/gossip.md §4.4), and would
 * drop the stream. Throws EncodingError for an id that is not 64 hex digits.
 */
export function writeMessage(writer: Writer, message: Message<string>): void {
  switch (message.kind) {
    case 'gossip':
      writeKind(writer, BROADCAST, 0)
      writeId(writer, message.id)
      writePostcardBytes(writer, message.content)
      if (message.round === undefined) {
        writer.u8(1)
      } else {
        writer.u8(0)
        writeU16(writer, message.round)
      }
      return
    case 'ihave':
      writeKind(writer, BROADCAST, 3)
      writePostcardVarint(writer, message.announcements.length)
      for (const { id, round } of message.announcements) {
        writeId(writer, id)
        writeU16(writer, round)
      }
      return
    case 'prune':
      writeKind(writer, BROADCAST, 1)
      return
    case 'graft':
      writeKind(writer, BROADCAST, 2)
      writePostcardBool(writer, message.id !== undefined)
      if (message.id !== undefined) writeId(writer, message.id)
      writeU16(writer, message.round)
      return
    case 'join':
      writeKind(writer, MEMBERSHIP, 0)
      writeData(writer, message.data)
      return
    case 'forward-join':
      writeKind(writer, MEMBERSHIP, 1)
      writePeer(writer, message.peer)
      writeU16(writer, message.ttl)
      return
    case 'shuffle':
      writeKind(writer, MEMBERSHIP, 2)
      writeId(writer, message.origin)
      writePeers(writer, message.nodes)
      writeU16(writer, message.ttl)
      return
    case 'shuffle-reply':
      writeKind(writer, MEMBERSHIP, 3)
      writePeers(writer, message.nodes)
      return
    case 'neighbor':
      writeKind(writer, MEMBERSHIP, 4)
      writer.u8(message.priority === 'high' ? 0 : 1)
      writeData(writer, message.data)
      return
    case 'disconnect':
      writeKind(writer, MEMBERSHIP, 5)
      writePostcardBool(writer, message.alive)
      // "respond" is obsolete, and always false
      writePostcardBool(writer, false)
  }
}

/** Bytes that `writeMessage` writes. */
export function messageLength(message: Message<string>): number {
  switch (message.kind) {
    case 'gossip': {
      const scope = message.round === undefined ? 1 : 1 + u16Length(message.round)
      return 2 + ID_LENGTH + bytesLength(message.content) + scope
    }
    case 'ihave': {
      let length = 2 + varintBytes(message.announcements.length)
      for (const { round } of message.announcements) length += ID_LENGTH + u16Length(round)
      return length
    }
    case 'prune':
      return 2
    case 'graft':
      return 3 + (message.id === undefined ? 0 : ID_LENGTH) + u16Length(message.round)
    case 'join':
      return 2 + dataLength(message.data)
    case 'forward-join':
      return 2 + peerLength(message.peer) + u16Length(message.ttl)
    case 'shuffle':
      return 2 + ID_LENGTH + peersLength(message.nodes) + u16Length(message.ttl)
    case 'shuffle-reply':
      return 2 + peersLength(message.nodes)
    case 'neighbor':
      return 3 + dataLength(message.data)
    case 'disconnect':
      return 4
  }
}

/** The body alone. Throws as `writeMessage`. */
export function encodeMessage(message: Message<string>): Uint8Array {
  const body = new Uint8Array(messageLength(message))
  writeMessage(new Writer(body), message)
  return body
}

/**
 * Reads a body; bytes after the message are ignored, as iroh-gossip ignores them (spec/gossip.md §3.6). Contents and peer data are copies, safe to keep. `isKey` is
 * asked for the key of every peer named, with a view of 32 bytes that is only valid during the call. Throws DecodeError.
 */
export function decodeMessage(body: Uint8Array, isKey: (key: Uint8Array) => boolean): Message<string> {
  return decoding(() => readMessage(new Reader(body), isKey))
}

function readMessage(reader: Reader, isKey: (key: Uint8Array) => boolean): Message<string> {
  const layer = readPostcardVarint(reader, 32)
  if (layer === BROADCAST) return readBroadcast(reader)
  if (layer === MEMBERSHIP) return readMembership(reader, isKey)
  throw new DecodeError('unknown-variant', `there is no layer ${layer}`)
}

function readBroadcast(reader: Reader): Message<string> {
  const variant = readPostcardVarint(reader, 32)
  switch (variant) {
    case 0:
      return { kind: 'gossip', id: readId(reader), content: readPostcardBytes(reader), round: readScope(reader) }
    case 1:
      return { kind: 'prune' }
    case 2:
      return { kind: 'graft', id: readPostcardBool(reader) ? readId(reader) : undefined, round: readU16(reader) }
    case 3:
      return { kind: 'ihave', announcements: readPostcardList(reader, LEAST_ANNOUNCEMENT, () => announcement(reader)) }
    default:
      throw new DecodeError('unknown-variant', `there is no broadcast message ${variant}`)
  }
}

function readMembership(reader: Reader, isKey: (key: Uint8Array) => boolean): Message<string> {
  const variant = readPostcardVarint(reader, 32)
  switch (variant) {
    case 0:
      return { kind: 'join', data: readData(reader) }
    case 1:
      return { kind: 'forward-join', peer: readPeer(reader, isKey), ttl: readU16(reader) }
    case 2:
      return {
        kind: 'shuffle',
        origin: readKey(reader, isKey),
        nodes: readPeers(reader, isKey),
        ttl: readU16(reader),
      }
    case 3:
      return { kind: 'shuffle-reply', nodes: readPeers(reader, isKey) }
    case 4: {
      const priority = readPostcardVarint(reader, 32)
      if (priority > 1) throw new DecodeError('unknown-variant', `there is no priority ${priority}`)
      return { kind: 'neighbor', priority: priority === 0 ? 'high' : 'low', data: readData(reader) }
    }
    case 5: {
      const alive = readPostcardBool(reader)
      readPostcardBool(reader)
      return { kind: 'disconnect', alive }
    }
    default:
      throw new DecodeError('unknown-variant', `there is no membership message ${variant}`)
  }
}

/** The round of a message for the swarm; undefined for one to neighbours. */
function readScope(reader: Reader): number | undefined {
  const scope = readPostcardVarint(reader, 32)
  if (scope === 0) return readU16(reader)
  if (scope === 1) return undefined
  throw new DecodeError('unknown-variant', `there is no delivery scope ${scope}`)
}

function announcement(reader: Reader): Announcement {
  return { id: readId(reader), round: readU16(reader) }
}

function readPeers(reader: Reader, isKey: (key: Uint8Array) => boolean): PeerInfo<string>[] {
  return readPostcardList(reader, LEAST_PEER, () => readPeer(reader, isKey))
}

function readPeer(reader: Reader, isKey: (key: Uint8Array) => boolean): PeerInfo<string> {
  return { id: readKey(reader, isKey), data: readData(reader) }
}

function readKey(reader: Reader, isKey: (key: Uint8Array) => boolean): string {
  const key = reader.view(ID_LENGTH)
  if (!isKey(key)) throw new DecodeError('invalid-key', 'the id of a peer is no public key')
  return encodeHex(key)
}

function readId(reader: Reader): string {
  return encodeHex(reader.view(ID_LENGTH))
}

function readData(reader: Reader): Uint8Array | undefined {
  return readPostcardBool(reader) ? readPostcardBytes(reader) : undefined
}

function readU16(reader: Reader): number {
  return readPostcardVarint(reader, 16)
}

function writeKind(writer: Writer, layer: number, variant: number): void {
  writer.u8(layer)
  writer.u8(variant)
}

function writeId(writer: Writer, id: string): void {
  if (id.length !== 2 * ID_LENGTH) throw new EncodingError(`an id has ${2 * ID_LENGTH} hex digits, not ${id.length}`)
  writer.raw(decodeHex(id))
}

function writePeers(writer: Writer, nodes: readonly PeerInfo<string>[]): void {
  writePostcardVarint(writer, nodes.length)
  for (const node of nodes) writePeer(writer, node)
}

function writePeer(writer: Writer, { id, data }: PeerInfo<string>): void {
  writeId(writer, id)
  writeData(writer, data)
}

function writeData(writer: Writer, data: Uint8Array | undefined): void {
  writePostcardBool(writer, data !== undefined)
  if (data !== undefined) writePostcardBytes(writer, data)
}

function writeU16(writer: Writer, value: number): void {
  writePostcardVarint(writer, Math.min(value, MAX_U16))
}

function peersLength(nodes: readonly PeerInfo<string>[]): number {
  let length = varintBytes(nodes.length)
  for (const node of nodes) length += peerLength(node)
  return length
}

/** Bytes of one entry of a node list. */
export function peerLength({ data }: PeerInfo<string>): number {
  return ID_LENGTH + dataLength(data)
}

function dataLength(data: Uint8Array | undefined): number {
  return data === undefined ? 1 : 1 + bytesLength(data)
}

function bytesLength(bytes: Uint8Array): number {
  return varintBytes(bytes.length) + bytes.length
}

function u16Length(value: number): number {
  return varintBytes(Math.min(value, MAX_U16))
}

/** Bytes of a postcard varint. */
function varintBytes(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++
  return length
}
