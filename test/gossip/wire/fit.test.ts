import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Message, PeerInfo } from '../../../src/gossip/proto/messages.ts'
import { fitMessage } from '../../../src/gossip/wire/fit.ts'
import { encodeMessage, messageLength } from '../../../src/gossip/wire/message-codec.ts'
import { messages } from './arbitrary.ts'
import { A, B, C, H } from './vectors.ts'

function peer(id: string, bytes: number | undefined): PeerInfo<string> {
  return { id, data: bytes === undefined ? undefined : new Uint8Array(bytes) }
}

test('spec/gossip.md §3.5: what fits stays the same object, to the byte', () => {
  const message: Message<string> = { kind: 'shuffle-reply', nodes: [peer(A, 10), peer(B, 10)] }
  const length = messageLength(message)
  expect(fitMessage(message, length)).toBe(message)
  expect(fitMessage(message, length - 1)).not.toBe(message)
})

describe('lists of peers', () => {
  const nodes = [peer(A, 5), peer(B, 50), peer(C, 20)]
  const shuffle: Message<string> = { kind: 'shuffle', origin: C, nodes, ttl: 6 }
  const whole = messageLength(shuffle)

  test('spec/gossip.md §6.6: the longest data goes first, and no more than needed', () => {
    expect(fitMessage(shuffle, whole - 1)).toEqual({ ...shuffle, nodes: [nodes[0], peer(B, undefined), nodes[2]] })
    expect(fitMessage(shuffle, whole - 51)).toEqual({ ...shuffle, nodes: [nodes[0], peer(B, undefined), nodes[2]] })
    expect(fitMessage(shuffle, whole - 52)).toEqual({
      ...shuffle,
      nodes: [nodes[0], peer(B, undefined), peer(C, undefined)],
    })
  })

  test('spec/gossip.md §6.6: then peers, the origin, which stands last, after all others', () => {
    const bare = [A, B, C].map((id) => peer(id, undefined))
    expect(fitMessage(shuffle, 36 + 3 * 33)).toEqual({ ...shuffle, nodes: bare })
    expect(fitMessage(shuffle, 36 + 3 * 33 - 1)).toEqual({ ...shuffle, nodes: bare.slice(1) })
    expect(fitMessage(shuffle, 36 + 33)).toEqual({ ...shuffle, nodes: bare.slice(2) })
    expect(fitMessage(shuffle, 36)).toEqual({ ...shuffle, nodes: [] })
    expect(fitMessage(shuffle, 35)).toBeUndefined()
  })

  test('spec/gossip.md §3.5: a shuffle of exactly the limit, as a peer may send it, is passed on with less', () => {
    const received: Message<string> = { kind: 'shuffle', origin: A, nodes: [peer(A, 4096 - 36 - 35)], ttl: 3 }
    expect(messageLength(received)).toBe(4096)
    expect(fitMessage(received, 4095)).toEqual({ ...received, nodes: [peer(A, undefined)] })
  })

  test('spec/gossip.md §3.5: a list of thousands of peers ends somewhere', () => {
    const many: Message<string> = { kind: 'shuffle-reply', nodes: Array.from({ length: 5000 }, () => peer(B, 3)) }
    const fitted = fitMessage(many, 4095)
    expect(fitted?.kind === 'shuffle-reply' && fitted.nodes.length).toBe(Math.floor((4095 - 4) / 33))
  })
})

test('spec/gossip.md §4.6: own data that is too long is left out', () => {
  const long = new Uint8Array(600)
  expect(fitMessage({ kind: 'join', data: long }, 511)).toEqual({ kind: 'join', data: undefined })
  expect(fitMessage({ kind: 'neighbor', priority: 'low', data: long }, 511)).toEqual({
    kind: 'neighbor',
    priority: 'low',
    data: undefined,
  })
  expect(fitMessage({ kind: 'forward-join', peer: { id: A, data: long }, ttl: 2 }, 511)).toEqual({
    kind: 'forward-join',
    peer: peer(A, undefined),
    ttl: 2,
  })
})

test('spec/gossip.md §3.5: contents and announcements are not cut', () => {
  const gossip: Message<string> = { kind: 'gossip', id: H, content: new Uint8Array(4057), round: 128 }
  expect(fitMessage(gossip, 4095)).toBeUndefined()
  const ihave: Message<string> = { kind: 'ihave', announcements: [{ id: H, round: 1 }] }
  expect(fitMessage(ihave, 30)).toBeUndefined()
})

test('spec/gossip.md §3.5: whatever the message and the limit, what comes out fits and is of the same kind', () => {
  fc.assert(
    fc.property(messages, fc.nat(700), (message, limit) => {
      const fitted = fitMessage(message, limit)
      if (fitted === undefined) {
        expect(messageLength(message)).toBeGreaterThan(limit)
        return
      }
      expect(fitted.kind).toBe(message.kind)
      expect(encodeMessage(fitted).length).toBeLessThanOrEqual(limit)
    }),
  )
})
