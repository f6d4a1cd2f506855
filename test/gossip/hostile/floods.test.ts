/** Too much of what is allowed: messages, keys, announcements, connections, identities. */
import { describe, expect, test } from 'vitest'
import { encodeHex } from '../../../src/bytes/index.ts'
import { blake3Hash } from '../../../src/crypto/index.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { encodeFrame } from '../../../src/gossip/wire/frames.ts'
import { encodeMessage } from '../../../src/gossip/wire/message-codec.ts'
import { isCurvePoint } from '../../../src/identity/index.ts'
import { bytes, closeAfterEach, eventually } from '../net/nodes.ts'
import { A } from '../wire/vectors.ts'
import { concat, hand, JOIN, NEIGHBOR, neighborOf, noise, swarm, TOPIC } from './support.ts'

closeAfterEach()

function gossip(content: Uint8Array): Message<string> {
  return { kind: 'gossip', id: encodeHex(blake3Hash(content)), content, round: 0 }
}

function someKey(): string {
  for (;;) {
    const key = noise(32)
    if (isCurvePoint(key)) return encodeHex(key)
  }
}

function frames(count: number, message: (index: number) => Message<string>): Uint8Array {
  return concat(...Array.from({ length: count }, (_, index) => encodeFrame(encodeMessage(message(index)))))
}

describe('messages', () => {
  test('spec/gossip.md §11.3: membership messages without end: dropped beyond a budget, and in the end the connection is closed', async () => {
    const it = await swarm()
    const { stream, connection } = await neighborOf(it)
    const shuffle: Message<string> = { kind: 'shuffle', origin: A, nodes: [], ttl: 0 }
    const flood = frames(1_000, () => shuffle)
    const flooding = (async () => {
      for (let round = 0; round < 8; round++) await stream.stream.write(flood)
    })().catch(() => {})
    await connection.closed
    await flooding
    const { rateLimited, floods } = it.victim.gossip.metrics()
    expect(rateLimited).toBeGreaterThan(4_000)
    expect(floods).toBe(1)
    await it.expectGoesOn(['FLOOD'])
  })

  test('spec/gossip.md §7.4: payloads without end are delivered to all, as far as readers follow', async () => {
    const it = await swarm()
    const { stream } = await neighborOf(it)
    for (let round = 0; round < 6; round++)
      await stream.stream.write(frames(100, (index) => gossip(bytes(`${round} ${index} ${'x'.repeat(200)}`))))
    const last = bytes('the last one')
    await stream.say(gossip(last))
    for (const { log } of it.members) await log.until(({ texts }) => texts.includes('the last one'))
    await it.expectGoesOn()
    for (const { log } of it.members) expect(new Set(log.texts).size).toBe(log.texts.length)
  })

  test('spec/gossip.md §11.1 P8: announcements of what does not exist: it is asked for it, and the rest is forgotten', async () => {
    const it = await swarm()
    const { stream, hand } = await neighborOf(it)
    for (let round = 0; round < 10; round++)
      await stream.stream.write(
        frames(10, () => ({
          kind: 'ihave',
          announcements: Array.from({ length: 116 }, () => ({ id: encodeHex(noise(32)), round: 3 })),
        })),
      )
    await eventually(() => hand.has(TOPIC, 'graft'), 'it is asked')
    await it.expectGoesOn()
  })

  test('spec/gossip.md §7.2: requests for what was sent: beyond a budget none is answered', async () => {
    const it = await swarm(3, {}, { graftBurst: 50, graftsPerSecond: 1 })
    const { stream, hand } = await neighborOf(it)
    const content = bytes('y'.repeat(4_000))
    await it.victim.log.topic.broadcast(content)
    const payloads = () => hand.messages(TOPIC).filter(({ kind }) => kind === 'gossip').length
    await eventually(() => payloads() === 1, 'the payload')
    const { id } = gossip(content) as { id: string }
    await stream.stream.write(frames(1_000, () => ({ kind: 'graft', id, round: 1 })))
    await eventually(() => it.victim.gossip.metrics().rateLimited >= 900, 'requests over the budget')
    await it.expectGoesOn()
    expect(payloads()).toBeLessThan(100)
  })
})

describe('keys', () => {
  test('spec/gossip.md §4.2: shuffles of thousands of unknown keys, good or bad: checked within a budget, and the swarm goes on', async () => {
    const maxMessageSize = 1_048_576
    const it = await swarm(3, { maxMessageSize })
    const { stream } = await neighborOf(it)
    const nodes = Array.from({ length: 3_000 }, () => ({ id: someKey(), data: undefined }))
    await stream.say({ kind: 'shuffle', origin: A, nodes, ttl: 0 })
    await stream.say({ kind: 'shuffle-reply', nodes })
    const made = Array.from({ length: 20_000 }, () => ({ id: encodeHex(noise(32)), data: undefined }))
    await stream.say({ kind: 'shuffle-reply', nodes: made })
    await stream.say(gossip(bytes('behind them')))
    await it.victim.log.until(({ texts }) => texts.includes('behind them'))
    const { rateLimited, badFrames } = it.victim.gossip.metrics()
    expect(rateLimited + badFrames).toBe(3)
    expect(rateLimited).toBeGreaterThanOrEqual(2)
    await it.expectGoesOn()
  })

  test('spec/gossip.md §11.3: peers that do not exist: they are dialled within bounds, and the swarm goes on', async () => {
    const it = await swarm()
    const { stream } = await neighborOf(it)
    for (let round = 0; round < 20; round++)
      await stream.say({
        kind: 'forward-join',
        // nobody is there
        peer: { id: someKey(), data: Uint8Array.of(0, 1, 0, 127, 0, 0, 1, 9) },
        ttl: 0,
      })
    await eventually(() => it.victim.gossip.metrics().dials > 0, 'a dial')
    await it.expectGoesOn()
    expect(it.victim.gossip.metrics().dials).toBeLessThanOrEqual(40)
  })
})

describe('connections', () => {
  test('spec/gossip.md §3.8: opened and closed in a loop, with and without a word: counted, and the swarm goes on', async () => {
    const it = await swarm()
    const one = await hand()
    const before = it.victim.gossip.metrics().connections
    for (let round = 0; round < 30; round++) {
      const connection = await one.dial(it.victim.endpoint.addr())
      if (round % 2 === 0) await one.open(connection, TOPIC, JOIN)
      connection.close(round, 'bye')
      await connection.closed
    }
    await eventually(() => it.victim.gossip.metrics().connections - before >= 28, 'all are counted')
    await eventually(
      () => !it.victim.log.topic.neighbors().some((id) => id.toString() === one.id),
      'it is no neighbour any more',
    )
    await it.expectGoesOn()
  })

  test('spec/gossip.md §11.1 P5, P6: joins of one identity after the other, none of which stays: the swarm comes together again', async () => {
    const it = await swarm(4)
    for (let wave = 0; wave < 4; wave++) {
      const hands = await Promise.all(Array.from({ length: 6 }, () => hand()))
      await Promise.all(
        hands.map(async (one) => {
          const connection = await one.dial(it.victim.endpoint.addr())
          const stream = await one.open(connection, TOPIC, JOIN)
          await eventually(() => one.has(TOPIC, 'neighbor'), 'an answer')
          await stream.say(NEIGHBOR)
        }),
      )
      expect(it.victim.log.topic.neighbors().length).toBeLessThanOrEqual(5)
      await Promise.all(hands.map(({ endpoint }) => endpoint.close()))
    }
    await eventually(
      () => it.members.every(({ log, id }) => log.topic.neighbors().some((peer) => peer.toString() !== id)),
      'neighbours for all',
    )
    await it.expectGoesOn()
  })

  test('spec/gossip.md §11.2 N3, §16 #18: a neighbour that reads nothing: messages of 3.8 kB reach the others', async () => {
    const it = await swarm()
    const { hand } = await neighborOf(it)
    hand.deafTopics.add(TOPIC.toString())
    for (let sent = 0; sent < 500; sent++) {
      const content = new Uint8Array(3_800)
      new DataView(content.buffer).setUint32(0, sent)
      await it.victim.log.topic.broadcast(content)
    }
    for (const { log } of it.members.slice(1)) await log.until((one) => one.count('received') === 500, 'all of them')
    await it.expectGoesOn()
  })
})
