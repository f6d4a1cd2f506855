import { expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { PacketDraft } from '../../../src/quic/connection/packet-draft.ts'
import { Level } from '../../../src/quic/level.ts'
import { initialKeys } from '../../../src/quic/protection/packet-keys.ts'
import { PacketProtection } from '../../../src/quic/protection/packet-protection.ts'
import { SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'
import { PacketSpace } from '../../../src/quic/recovery/packet-space.ts'
import type { Resources } from '../../../src/quic/resources.ts'
import { PacketHeader, parseHeader } from '../../../src/quic/wire/header.ts'

const id = new Uint8Array(8).fill(3)
const none = new Uint8Array(0)
const resources = { protection: new PacketProtection(), trace: undefined } as unknown as Resources
const pool = new SentFramePool()
const ack = { immediate: true, maxAckDelayMs: 25, elicitingThreshold: 1 }
const space = (level: Level) => new PacketSpace(level, 0, pool, ack)
const { send } = initialKeys(createNodeCrypto(), id, 'client')

test('RFC 9001 §5.4.2: packets of one byte get the padding their sample needs, and do not run into the next', () => {
  const bytes = new Uint8Array(1_200)
  const drafts = [Level.Initial, Level.Handshake, Level.OneRtt].map((level) => ({
    draft: new PacketDraft(pool),
    level,
  }))
  let at = 0
  for (const { draft, level } of drafts) {
    expect(draft.begin(bytes, at, 1_200, space(level), id, id, none, 0)).toBe(true)
    draft.writer.u8(1)
    expect(draft.isEmpty).toBe(false)
    at += draft.size
  }
  for (const { draft } of drafts) draft.seal(resources, send.aead, send.header, 0)
  const header = new PacketHeader()
  let start = 0
  for (const { level } of drafts) {
    expect(parseHeader(bytes, start, at, 8, header)).toBe(true)
    expect(header.kind).toBe(level)
    const { packetNumberStart, end } = header
    expect(resources.protection.unmask(send.header, bytes, start, packetNumberStart, end)).toBe(1)
    const plainEnd = send.aead.open(bytes, start, packetNumberStart + 1, end, 0, 0)
    expect([...bytes.slice(packetNumberStart + 1, plainEnd)]).toEqual([1, 0, 0])
    start = end
  }
  expect(start).toBe(at)
})

test('RFC 9000 §17.1: a packet that does not fit uses up no packet number', () => {
  const draft = new PacketDraft(pool)
  const initial = space(Level.Initial)
  expect(draft.begin(new Uint8Array(60), 0, 49, initial, id, id, none, 0)).toBe(false)
  expect(draft.begin(new Uint8Array(90), 0, 90, initial, id, id, new Uint8Array(64), 0)).toBe(false)
  expect(initial.nextPacketNumber).toBe(0)
  expect(draft.begin(new Uint8Array(90), 0, 90, initial, id, id, none, 0)).toBe(true)
  draft.writer.u8(1)
  draft.padTo(90)
  expect(draft.seal(resources, send.aead, send.header, 0)).toBe(90)
  expect(initial.nextPacketNumber).toBe(1)
})
