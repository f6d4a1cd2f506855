/**
 * Frames that nodes of iroh-gossip sent (conformance/gossip/capture.ts): each is read, and written again as the same bytes. Where the specification derived a frame of
 * the same contents, it is the same frame.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { decodeHex, encodeHex } from '../../../src/bytes/index.ts'
import { blake3Hash } from '../../../src/crypto/index.ts'
import { TopicId } from '../../../src/gossip/index.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { decodeAddrInfo, encodeAddrInfo } from '../../../src/gossip/wire/addr-info.ts'
import { decodeHeader, encodeFrame, encodeHeader, FrameReader } from '../../../src/gossip/wire/frames.ts'
import { KeyCheck } from '../../../src/gossip/wire/key-check.ts'
import { decodeMessage, encodeMessage } from '../../../src/gossip/wire/message-codec.ts'
import { EndpointId } from '../../../src/identity/index.ts'

interface Captured {
  readonly topic: string
  readonly frames: readonly { readonly kind: string; readonly hex: string; readonly how: string }[]
}

const { topic, frames } = JSON.parse(readFileSync(new URL('captured-frames.json', import.meta.url), 'utf8')) as Captured
const messages = frames.filter(({ kind }) => kind !== 'header')
const keys = new KeyCheck()

function bodyOf(hex: string): Uint8Array {
  const reader = new FrameReader(4096)
  reader.push(decodeHex(hex))
  const body = reader.next()?.slice()
  if (body === undefined) throw new Error('no frame')
  expect(reader.next()).toBeUndefined()
  expect(reader.isInsideBody).toBe(false)
  return body
}

const read = (hex: string): Message<string> => decodeMessage(bodyOf(hex), (key) => keys.isKey(key))

/** Peer data in a message, with the peer it is about; the sender itself has no id in its messages. */
function dataOf(message: Message<string>): { readonly id: string; readonly data: Uint8Array | undefined }[] {
  const sender = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
  switch (message.kind) {
    case 'join':
    case 'neighbor':
      return [{ id: sender, data: message.data }]
    case 'forward-join':
      return [message.peer]
    case 'shuffle':
    case 'shuffle-reply':
      return [...message.nodes]
    default:
      return []
  }
}

test('spec/gossip.md §4.3: every kind of message was captured', () => {
  const all = ['join', 'forward-join', 'shuffle', 'shuffle-reply', 'neighbor', 'disconnect', 'gossip', 'prune', 'graft']
  expect(new Set(messages.map(({ kind }) => kind))).toEqual(new Set([...all, 'ihave']))
})

test('spec/gossip.md §3.4: the header of a stream', () => {
  const header = frames.find(({ kind }) => kind === 'header')!
  expect(String(decodeHeader(bodyOf(header.hex)))).toBe(topic)
  expect(encodeHex(encodeHeader(TopicId.parse(topic)))).toBe(header.hex)
})

describe('spec/gossip.md §4.3: read, and written as the same bytes', () => {
  test.each(messages.map(({ kind, how, hex }, index) => [`${index} ${kind}: ${how}`, kind, hex]))(
    '%s',
    (_, kind, hex) => {
      const message = read(hex!)
      expect(message.kind).toBe(kind)
      expect(encodeHex(encodeFrame(encodeMessage(message)))).toBe(hex)
    },
  )
})

test('spec/gossip.md §4.6: peer data, read and written as the same bytes', () => {
  const known = messages.flatMap(({ hex }) => dataOf(read(hex)))
  expect(known.length).toBeGreaterThan(10)
  for (const { id, data } of known) {
    const addr = decodeAddrInfo(EndpointId.parse(id), data!)
    expect(addr.ipAddrs.length).toBeGreaterThan(0)
    expect(encodeHex(encodeAddrInfo(addr))).toBe(encodeHex(data!))
  }
})

test('spec/gossip.md §4.6: a relay, IPv4 before IPv6', () => {
  const withRelay = messages.flatMap(({ hex }) => dataOf(read(hex))).filter(({ data }) => data?.[0] === 1)
  expect(withRelay).toHaveLength(1)
  const { id, data } = withRelay[0]!
  const addr = decodeAddrInfo(EndpointId.parse(id), data!)
  expect(addr.relayUrls[0]?.href).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/)
  expect(addr.ipAddrs.map(({ ip }) => ip.length)).toEqual([4, 16])
})

test('spec/gossip.md §4.2: ids are the BLAKE3 hash of the content', () => {
  const contents = messages.map(({ hex }) => read(hex)).filter((message) => message.kind === 'gossip')
  expect(contents.length).toBeGreaterThan(5)
  for (const { id, content } of contents) expect(encodeHex(blake3Hash(content))).toBe(id)
})

test('spec/gossip.md §4.4: rounds of one, two and three bytes; none for neighbours', () => {
  const gossip = messages.map(({ hex }) => read(hex)).filter((message) => message.kind === 'gossip')
  const rounds = new Set(gossip.map(({ round }) => round))
  expect([0, 1, 300, undefined].filter((round) => !rounds.has(round))).toEqual([])
})

describe('spec/gossip.md §15: what was derived there was captured here', () => {
  const hello = 'ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f'
  const empty = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
  test.each([
    ['1 header', `00000020${topic}`],
    ['11 ShuffleReply, no nodes', '00000003000300'],
    ['15 Disconnect alive', '0000000400050100'],
    ['16 Disconnect not alive', '0000000400050000'],
    ['17 Gossip, from its author', `0000002a0100${hello}0568656c6c6f0000`],
    ['20 Gossip, for neighbours', `000000290100${hello}0568656c6c6f01`],
    ['21 Gossip, no content', `000000250100${empty}000000`],
    ['22 Prune', '000000020101'],
    ['23 Graft, no id', '0000000401020002'],
  ])('%s', (_, hex) => {
    expect(frames.map((frame) => frame.hex)).toContain(hex)
  })
})
