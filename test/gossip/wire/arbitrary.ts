/** Messages as fast-check makes them up: every kind, every edge of its numbers, keys that are keys. */
import fc from 'fast-check'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { A, B, C } from './vectors.ts'

const id = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const key = fc.constantFrom(A, B, C)
const u16 = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 127, 128, 16_383, 16_384, 65_535))
const data = fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined })
const peer = fc.record({ id: key, data })
const nodes = fc.array(peer, { maxLength: 12 })

export const messages: fc.Arbitrary<Message<string>> = fc.oneof(
  fc.record({ kind: fc.constant('join' as const), data }),
  fc.record({ kind: fc.constant('forward-join' as const), peer, ttl: u16 }),
  fc.record({ kind: fc.constant('shuffle' as const), origin: key, nodes, ttl: u16 }),
  fc.record({ kind: fc.constant('shuffle-reply' as const), nodes }),
  fc.record({
    kind: fc.constant('neighbor' as const),
    priority: fc.constantFrom('high' as const, 'low' as const),
    data,
  }),
  fc.record({ kind: fc.constant('disconnect' as const), alive: fc.boolean() }),
  fc.record({
    kind: fc.constant('gossip' as const),
    id,
    content: fc.uint8Array({ maxLength: 400 }),
    round: fc.option(u16, { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('prune' as const) }),
  fc.record({ kind: fc.constant('graft' as const), id: fc.option(id, { nil: undefined }), round: u16 }),
  fc.record({
    kind: fc.constant('ihave' as const),
    announcements: fc.array(fc.record({ id, round: u16 }), { maxLength: 200 }),
  }),
)
