import { expect, test } from 'vitest'
import type { RelayLimits } from '../../../../src/relay/server/hub/index.ts'
import { bytes, type Client, datagramFor, idOf, Lab, leftovers, PING, PONG } from './support.ts'

/** A client that reads nothing, whose link is full: from here on frames wait in the hub. */
function stalled(lab: Lab, number: number, filler: Client): Client {
  const client = lab.connect(number)
  client.link.isStalled = true
  while (client.link.queuedBytes < 512 * 1024) filler.send(client, new Uint8Array(60_000))
  return client
}

function labOf(limits: Partial<RelayLimits> = {}) {
  // turns are the matter of reading.test.ts
  const lab = new Lab({ limits: { turnBytes: Number.MAX_SAFE_INTEGER, ...limits } })
  const filler = lab.connect(900)
  return { lab, filler, slow: stalled(lab, 901, filler) }
}

/** First bytes of the contents of all datagrams that come through once the client reads again, and of what else comes its type. */
function readAll(client: Client): string[] {
  client.link.unstall()
  return client
    .takeFrames()
    .filter((frame) => frame.length < 60_000)
    .map((frame) => (frame[0] === 6 ? new TextDecoder().decode(frame.subarray(34)) : `frame ${frame[0]}`))
}

test('spec/relay.md §4.1: what a link does not take waits; then pongs come first, datagrams next, the rest last', () => {
  const { lab, filler, slow } = labOf()
  expect(lab.hub.backlog.clients).toBe(0)
  const friend = lab.connect(2)
  friend.send(slow, 'hello')
  slow.send(friend, 'x')
  friend.link.end()
  filler.send(slow, 'one')
  // the friend had been sent to by the slow one, not the other way round: make the slow one hear a leave
  const other = lab.connect(3)
  other.send(slow, 'bye')
  other.link.end()
  slow.link.feed(PING(1))
  slow.link.feed(PING(2))
  expect(lab.hub.backlog).toEqual({ clients: 1, datagrams: 3, bytes: 3 * 34 + 11, messages: 2 })
  slow.link.unstall()
  const frames = slow.takeFrames().filter((frame) => frame.length < 60_000)
  expect(frames).toEqual([
    PONG(2),
    bytes(6, friend.id, 0, 'hello'),
    bytes(6, filler.id, 0, 'one'),
    bytes(6, other.id, 0, 'bye'),
    bytes(8, friend.id),
    bytes(8, other.id),
  ])
  expect(lab.hub.backlog).toEqual({ clients: 0, datagrams: 0, bytes: 0, messages: 0 })
  filler.send(slow, 'straight through')
  expect(slow.takeTexts()).toEqual(['straight through'])
  expect(lab.counters).toMatchObject({ got_ping: 2, sent_pong: 1 })
})

test('spec/relay.md §4.1: 512 datagram frames wait, the next is dropped, the sender not told', () => {
  const { lab, filler, slow } = labOf()
  for (let i = 0; i < 513; i++) filler.send(slow, String(i))
  expect(lab.hub.backlog.datagrams).toBe(512)
  expect(lab.counters.tom_queue_full_frames).toBe(1)
  expect(filler.takeFrames()).toEqual([])
  expect(readAll(slow)).toEqual(Array.from({ length: 512 }, (_, i) => String(i)))
})

test('spec/relay.md §4.1: a queue is bounded in bytes, too', () => {
  const { lab, filler, slow } = labOf()
  for (let i = 0; i < 100; i++) filler.send(slow, new Uint8Array(50_000))
  expect(lab.hub.backlog.bytes).toBe(20 * 50_034)
  expect(lab.counters.tom_queue_full_frames).toBe(80)
  filler.send(slow, 'a small one still fits')
  expect(lab.hub.backlog.datagrams).toBe(21)
})

test('spec/relay.md §4.1: 512 other frames wait for one client', () => {
  const { lab, slow } = labOf({ maxDestinations: 10 })
  for (let i = 0; i < 520; i++) {
    const guest = lab.connect(1000 + i)
    guest.send(slow, 'x')
    guest.link.end()
  }
  expect(lab.hub.backlog).toMatchObject({ datagrams: 512, messages: 512 })
  expect(lab.counters).toMatchObject({ tom_queue_full_frames: 8, tom_queue_full_messages: 0, tom_endpoint_gone: 512 })
  for (let i = 0; i < 3; i++) lab.connect(901)
  // Status of the duplicate: the queue of the first one is full, the second one's link is not
  expect(lab.counters.tom_queue_full_messages).toBe(1)
})

test('a slow reader loses its own frames only', () => {
  const { lab, filler, slow } = labOf()
  const quick = lab.connect(1)
  const other = lab.connect(2)
  for (let i = 0; i < 1000; i++) {
    filler.send(slow, 'for the slow one')
    filler.send(quick, 'for the quick one')
    other.send(quick, 'from the other')
  }
  expect(quick.takeTexts()).toHaveLength(2000)
  expect(readAll(slow)).toHaveLength(512)
})

test('a slow reader is read from all the while', () => {
  const { lab, slow } = labOf()
  const quick = lab.connect(1)
  for (let i = 0; i < 100; i++) slow.send(quick, 'x')
  expect(quick.takeTexts()).toHaveLength(100)
})

test('spec/relay.md §4.1: a client that takes nothing for 2 s is dropped', () => {
  const { lab, filler, slow } = labOf()
  filler.send(slow, 'waits')
  lab.advance(1_999)
  expect(slow.link.isTerminated).toBe(false)
  lab.advance(1)
  expect(slow.link.isTerminated).toBe(true)
  expect(lab.counters).toMatchObject({ tom_write_timeouts: 1, tom_queue_lost_frames: 1 })
  expect(lab.hub.clientCount).toBe(1)
  filler.send(slow, 'gone')
  expect(lab.counters.send_packets_dropped).toBe(1)
})

test('spec/relay.md §4.1: a client that reads slowly, but reads, is kept', () => {
  const { lab, filler, slow } = labOf()
  filler.send(slow, 'waits')
  for (let i = 0; i < 100; i++) {
    lab.advance(1_900)
    slow.link.take(60_000)
    filler.send(slow, new Uint8Array(60_000))
    slow.link.feed(PING(1))
  }
  expect(slow.link.isEnded).toBe(false)
  lab.advance(3_900)
  expect(slow.link.isTerminated).toBe(true)
})

test('spec/relay.md §4.1: bytes taken count as reading, also while the link is over its limit', () => {
  const { lab, filler, slow } = labOf()
  // past the queue: an answer to a ping of ours goes so, but nine bytes are too few for this test
  slow.link.send(new Uint8Array(60_000))
  filler.send(slow, 'waits')
  lab.advance(1_000)
  slow.link.take(1)
  expect(slow.link.queuedBytes).toBeGreaterThanOrEqual(512 * 1024)
  lab.advance(2_900)
  expect(slow.link.isEnded).toBe(false)
  lab.advance(100)
  expect(slow.link.isTerminated).toBe(true)
})

test('a queue that became empty does not drop its client later', () => {
  const { lab, filler, slow } = labOf()
  filler.send(slow, 'waits')
  lab.advance(1_000)
  slow.link.unstall()
  lab.advance(10_000)
  expect(slow.link.isEnded).toBe(false)
})

test('frames queued before keep their place before those that come after', () => {
  const { filler, slow } = labOf()
  for (let i = 0; i < 5; i++) filler.send(slow, String(i))
  // below its low mark, the link takes what waits; the rest goes through behind it
  slow.link.take(460_000)
  for (let i = 5; i < 8; i++) filler.send(slow, String(i))
  expect(readAll(slow)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
})

test('a flood into a slow reader pushes out its own frames, not those of others', () => {
  const { lab, slow } = labOf()
  const honest = Array.from({ length: 100 }, (_, number) => lab.connect(number))
  const flooder = lab.connect(500)
  for (let i = 0; i < 2000; i++) flooder.send(slow, 'flood')
  for (const client of honest) for (const text of ['a', 'b', 'c']) client.send(slow, text)
  for (let i = 0; i < 2000; i++) flooder.send(slow, 'flood')
  expect(lab.hub.backlog.datagrams).toBe(512)
  const texts = readAll(slow)
  expect(texts.filter((text) => text === 'flood')).toHaveLength(212)
  expect(texts.filter((text) => text !== 'flood').join('')).toBe('abc'.repeat(100))
})

test('one large frame of an honest sender takes the place of many small ones of a flood', () => {
  const { lab, slow } = labOf({ queueBytes: 100_000 })
  const [honest, flooder] = [lab.connect(1), lab.connect(2)]
  for (let i = 0; i < 2000; i++) flooder.send(slow, new Uint8Array(1000).fill(65))
  honest.send(slow, new Uint8Array(20_000).fill(66))
  expect(lab.hub.backlog.bytes).toBeLessThanOrEqual(100_000)
  expect(readAll(slow).map((text) => text[0])).toContain('B')
})

test('a frame larger than the whole queue is dropped, and nothing else for its sake', () => {
  const { lab, slow } = labOf({ queueBytes: 10_000 })
  const [honest, flooder] = [lab.connect(1), lab.connect(2)]
  for (let i = 0; i < 9; i++) flooder.send(slow, new Uint8Array(1000))
  honest.send(slow, new Uint8Array(20_000))
  expect(lab.hub.backlog.datagrams).toBe(9)
  expect(lab.counters.tom_queue_full_frames).toBe(1)
})

test('memory is bounded whatever is sent to clients that read nothing', () => {
  const lab = new Lab()
  const senders = Array.from({ length: 20 }, (_, number) => lab.connect(number))
  const readers = Array.from({ length: 10 }, (_, number) => lab.connect(100 + number))
  for (const { link } of readers) link.isStalled = true
  for (let round = 0; round < 15; round++) {
    for (const sender of senders) {
      for (const reader of readers) {
        sender.link.feed(datagramFor(reader.id, new Uint8Array(20_000)))
        reader.link.feed(PING(round))
        sender.send(reader, 'x')
        sender.send(idOf(5000), 'nobody')
      }
      lab.platform.settle()
    }
  }
  const { backlog } = lab.hub
  expect(backlog.clients).toBe(10)
  expect(backlog.datagrams).toBeLessThanOrEqual(10 * 512)
  expect(backlog.bytes).toBeLessThanOrEqual(10 * 1024 * 1024)
  for (const { link } of readers) expect(link.queuedBytes).toBeLessThanOrEqual(512 * 1024 + 65_540)
  lab.advance(2_000)
  expect(lab.hub.backlog.clients).toBe(0)
  expect(lab.counters.tom_write_timeouts).toBe(10)
  for (const { link } of senders) link.end()
  expect(leftovers(lab)).toEqual({})
})
