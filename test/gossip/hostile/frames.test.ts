/** Streams and frames that nobody should send, one neighbour against a swarm on loopback. */
import { describe, expect, test } from 'vitest'
import { encodeHex } from '../../../src/bytes/index.ts'
import { blake3Hash } from '../../../src/crypto/index.ts'
import { TopicId } from '../../../src/gossip/index.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { encodeFrame, encodeHeader } from '../../../src/gossip/wire/frames.ts'
import { encodeMessage } from '../../../src/gossip/wire/message-codec.ts'
import { hex } from '../../crypto/hex.ts'
import { bytes, closeAfterEach, eventually } from '../net/nodes.ts'
import { A, H } from '../wire/vectors.ts'
import { concat, isOpen, neighborOf, noise, swarm, TOPIC } from './support.ts'

closeAfterEach()

function gossip(what: string): Message<string> {
  return { kind: 'gossip', id: encodeHex(blake3Hash(bytes(what))), content: bytes(what), round: 0 }
}

const NO_KEY = '02'.padEnd(64, '0')
const BAD_BODIES = [
  ['a cut Shuffle', '0002'],
  ['an unknown message', '0006'],
  ['an unknown layer', '02'],
  ['nothing', ''],
  ['an option of 2', '000002'],
  ['a bool of 2', '00050200'],
  ['a content longer than the body', `0100${H}0a0102030405`],
  ['a key that is none', `0001${NO_KEY}0006`],
  ['a key that is none, deep in a list', `0002${A}03${A}00${A}00${NO_KEY}0006`],
  ['a round above 65535', '010200808004'],
  ['four billion peers that are not there', '0003ffffffff0f'],
  ['2^53 announcements that are not there', '0103ffffffffffffff0f'],
  ['content under a false id', `0100${A}0568656c6c6f0000`],
] as const

describe('frames', () => {
  test('spec/gossip.md §3.6: each bad frame is counted and passed over, and what follows on the stream counts', async () => {
    const it = await swarm()
    const { stream, hand } = await neighborOf(it)
    for (const [index, [name, body]] of BAD_BODIES.entries()) {
      await stream.raw(encodeFrame(hex(body)))
      await stream.say(gossip(`after ${name}`))
      await it.members[1]!.log.until(({ texts }) => texts.includes(`after ${name}`), `the message after ${name}`)
      expect(it.victim.gossip.metrics().badFrames, name).toBe(index + 1)
    }
    expect(it.victim.gossip.metrics().floods).toBe(0)
    await it.expectGoesOn()
    await eventually(
      () => hand.messages(TOPIC).filter(({ kind }) => kind === 'gossip').length >= 3,
      'still a neighbour',
    )
  })

  test('spec/gossip.md §3.5, §3.6: frames over the limit are counted and passed over, whatever they claim', async () => {
    const it = await swarm()
    const { stream, connection } = await neighborOf(it)
    await stream.raw(encodeFrame(noise(4_097)), encodeFrame(noise(100_000)))
    await stream.say(gossip('behind two'))
    await it.victim.log.until(({ texts }) => texts.includes('behind two'))
    expect(it.victim.gossip.metrics().badFrames).toBe(2)
    // four gigabytes are announced and never end
    const endless = await connection.openUni()
    await endless.write(concat(encodeHeader(TOPIC), hex('ffffffff')))
    for (let piece = 0; piece < 64; piece++) await endless.write(noise(65_536))
    await eventually(() => it.victim.gossip.metrics().badFrames === 3, 'the endless one is counted')
    await stream.say(gossip('beside the endless one'))
    await it.victim.log.until(({ texts }) => texts.includes('beside the endless one'))
    await it.expectGoesOn()
  })

  test('spec/gossip.md §3.6: who goes on with bad frames loses the connection; it is reported', async () => {
    const it = await swarm()
    const { stream, connection } = await neighborOf(it)
    const bad = encodeFrame(hex('ff'))
    await stream.raw(...Array.from({ length: 100 }, () => bad))
    await connection.closed
    expect(connection.closeReason).toMatchObject({ code: 'PEER_CLOSED' })
    expect(it.victim.gossip.metrics().floods).toBe(1)
    await it.expectGoesOn(['BAD_FRAMES'])
  })
})

describe('streams', () => {
  test('spec/gossip.md §3.6: without a header, with half of one, with a false one: only they are lost', async () => {
    const it = await swarm()
    const { stream, connection } = await neighborOf(it)
    for (const start of ['', '00', '000000', '00000020', `00000020${H.slice(2)}`]) {
      const silent = await connection.openUni()
      await silent.write(hex(start))
    }
    const short = await connection.openUni()
    await short.write(concat(encodeFrame(hex(H.slice(2))), encodeFrame(encodeMessage(gossip('no header')))))
    await stream.say(gossip('beside them'))
    await it.victim.log.until(({ texts }) => texts.includes('beside them'))
    // the false header, and the frame behind it
    await eventually(() => it.victim.gossip.metrics().badFrames === 2, 'the false header is counted')
    expect(it.victim.log.texts).not.toContain('no header')
    await it.expectGoesOn()
  })

  test('spec/gossip.md §3.6: cut by FIN or RESET anywhere: what was whole counts, and nothing else happens', async () => {
    const it = await swarm()
    const { hand, connection } = await neighborOf(it)
    const whole = concat(encodeHeader(TOPIC), encodeFrame(encodeMessage(gossip('cut'))))
    for (let end = 0; end < whole.length; end += 7) {
      for (const isReset of [true, false]) {
        const stream = await connection.openUni()
        await stream.write(whole.subarray(0, end))
        if (isReset) stream.reset(7)
        else await stream.finish()
        if (!isReset) await stream.closed
      }
    }
    expect(isOpen(connection)).toBe(true)
    const last = await hand.open(connection, TOPIC, gossip('last'))
    await last.stream.finish()
    await it.victim.log.until(({ texts }) => texts.includes('last'))
    expect(it.victim.log.texts).not.toContain('cut')
    await it.expectGoesOn()
  })

  test('spec/gossip.md §3.6: a peer that stops every stream gets a new one for the next message, and no more than that', async () => {
    const it = await swarm()
    const { hand } = await neighborOf(it)
    hand.stops = true
    for (let round = 0; round < 20; round++) await it.victim.log.topic.broadcast(bytes(`unwanted ${round}`))
    await it.members[1]!.log.until(({ texts }) => texts.includes('unwanted 19'))
    await eventually(() => it.victim.gossip.metrics().streamsStopped > 0, 'a stopped stream')
    for (let round = 0; round < 20; round++) await it.victim.log.topic.broadcast(bytes(`still unwanted ${round}`))
    await it.members[1]!.log.until(({ texts }) => texts.includes('still unwanted 19'))
    expect(it.victim.gossip.metrics().streamsStopped).toBeLessThanOrEqual(41)
    hand.stops = false
    await it.expectGoesOn()
    await eventually(
      () => hand.messages(TOPIC).some(({ kind }) => kind === 'gossip'),
      'a message on a stream that it let be',
    )
  })

  test('spec/gossip.md §5: topics that nobody subscribed are read and counted, without an answer', async () => {
    const it = await swarm()
    const { hand, connection } = await neighborOf(it)
    for (let count = 0; count < 150; count++) {
      const stream = await hand.open(connection, TopicId.fromBytes(noise(32)), { kind: 'join', data: undefined })
      await stream.stream.finish()
    }
    await eventually(() => it.victim.gossip.metrics().unknownTopic === 150, 'all are counted')
    expect(hand.heard.map(({ topic }) => topic)).toEqual([TOPIC.toString()])
    await it.expectGoesOn()
  })

  test('spec/gossip.md §3.7: as many streams as it may have, all kept open: those that it had go on', async () => {
    const it = await swarm()
    const { stream, connection } = await neighborOf(it)
    const abort = new AbortController()
    let opened = 0
    const opening = (async () => {
      for (; opened < 400; opened++) {
        const one = await connection.openUni({ signal: abort.signal })
        await one.write(encodeHeader(TopicId.fromBytes(noise(32))))
      }
    })()
    await eventually(() => opened >= 99, 'a hundred streams')
    await stream.say(gossip('in the crowd'))
    await it.victim.log.until(({ texts }) => texts.includes('in the crowd'))
    await it.expectGoesOn()
    // one for each topic of ours and some, 128 at least; of those some are in use
    expect(opened).toBeLessThanOrEqual(128)
    abort.abort()
    await expect(opening).rejects.toThrow()
  })
})
