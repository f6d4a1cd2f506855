import { expect, test } from 'vitest'
import { bytes, datagramFor, idOf, Lab, leftovers, PING, PONG } from './support.ts'

test('spec/relay.md §3.2: a datagram reaches its receiver with the sender’s id, the ECN masked', () => {
  const lab = new Lab()
  const [alice, bob] = [lab.connect(1), lab.connect(2)]
  alice.link.feed(bytes(4, bob.id, 0xff, 'hi'))
  expect(bob.takeFrames()).toEqual([bytes(6, alice.id, 3, 'hi')])
  bob.link.feed(bytes(5, alice.id, 1, 0, 2, 'abcde'))
  expect(alice.takeFrames()).toEqual([bytes(7, bob.id, 1, 0, 2, 'abcde')])
  expect(lab.counters).toMatchObject({
    send_packets_recv: 2,
    send_packets_sent: 2,
    send_packets_dropped: 0,
    bytes_recv: 7,
    bytes_sent: 7,
  })
})

test('spec/relay.md §3.2: what comes in goes out from where it stands, not copied', () => {
  const lab = new Lab()
  const [alice, bob] = [lab.connect(1), lab.connect(2)]
  const sent: { message: Uint8Array; start: number; end: number }[] = []
  for (const { link } of [alice, bob]) {
    link.send = (message, start = 0, end = message.length) => sent.push({ message, start, end })
  }
  const message = datagramFor(bob.id, bytes('hi'))
  const long = bytes(0x40, 4, message.subarray(1))
  const ping = PING(1)
  for (const frame of [message, long, ping]) alice.link.onMessage(frame)
  expect(sent.map(({ start, end }) => [start, end])).toEqual([
    [0, 36],
    [1, 37],
    [0, 9],
  ])
  expect([message, long, ping].map((frame, index) => sent[index]!.message === frame)).toEqual([true, true, true])
})

test('spec/relay.md §3.2: a batch of segment size 0 becomes a single one, a long varint type a short one', () => {
  const lab = new Lab()
  const [alice, bob] = [lab.connect(1), lab.connect(2)]
  alice.link.feed(bytes(5, bob.id, 2, 0, 0, 'x'))
  alice.link.feed(bytes(0x40, 4, bob.id, 2, 'y'))
  alice.link.feed(bytes(0x80, 0, 0, 5, bob.id, 2, 0, 1, 'zz'))
  expect(bob.takeFrames()).toEqual([
    bytes(6, alice.id, 2, 'x'),
    bytes(6, alice.id, 2, 'y'),
    bytes(7, alice.id, 2, 0, 1, 'zz'),
  ])
})

test('spec/relay.md §4.1: a datagram for nobody is dropped and counted', () => {
  const lab = new Lab()
  const alice = lab.connect(1)
  alice.send(idOf(2), 'nobody')
  expect(lab.counters).toMatchObject({ send_packets_recv: 1, send_packets_sent: 0, send_packets_dropped: 1 })
  expect(alice.link.closedWith).toBeUndefined()
})

test('spec/relay.md §3.1: empty and over-long datagrams are dropped, their sender and receiver kept', () => {
  const lab = new Lab()
  const [alice, bob] = [lab.connect(1), lab.connect(2)]
  alice.send(bob, '')
  alice.link.feed(bytes(5, bob.id, 0, 0, 5))
  // body of 65,536 bytes: may be received, but not sent on
  alice.link.feed(datagramFor(bob.id, new Uint8Array(65_503)))
  expect(lab.counters).toMatchObject({ tom_unforwardable_frames: 3, send_packets_sent: 0 })
  alice.link.feed(datagramFor(bob.id, new Uint8Array(65_502)))
  expect(bob.takeFrames().map((frame) => frame.length)).toEqual([65_536])
  expect([alice, bob].map(({ link }) => link.closedWith)).toEqual([undefined, undefined])
})

test('ids are told apart by all of their bytes', () => {
  const lab = new Lab()
  const sender = lab.connect(0)
  const id = (last: number) => bytes(new Uint8Array(31), last)
  const receivers = [1, 2, 3].map((last) => lab.connect(id(last)))
  for (const receiver of [...receivers, ...receivers]) sender.send(receiver, `for ${receiver.id[31]}`)
  expect(receivers.map((receiver) => receiver.takeTexts())).toEqual([
    ['for 1', 'for 1'],
    ['for 2', 'for 2'],
    ['for 3', 'for 3'],
  ])
  receivers[1]!.link.end()
  sender.send(receivers[1]!, 'too late')
  sender.send(receivers[2]!, 'still there')
  sender.send(receivers[0]!, 'still there')
  expect([receivers[0]!.takeTexts(), receivers[2]!.takeTexts()]).toEqual([['still there'], ['still there']])
  expect(lab.counters.send_packets_dropped).toBe(1)
})

test('a receiver that left and came back is found again', () => {
  const lab = new Lab()
  const [alice, bob] = [lab.connect(1), lab.connect(2)]
  alice.send(bob, 'one')
  bob.link.end()
  alice.send(bob, 'two')
  const again = lab.connect(2)
  alice.send(bob, 'three')
  expect([bob.takeTexts(), again.takeTexts()]).toEqual([['one'], ['three']])
})

test('a client may send to itself', () => {
  const lab = new Lab()
  const alice = lab.connect(1)
  alice.send(alice, 'me')
  expect(alice.takeTexts()).toEqual(['me'])
  alice.link.end()
  expect(leftovers(lab)).toEqual({})
})

test('spec/relay.md §3.5: pings are answered with their bytes', () => {
  const lab = new Lab()
  const alice = lab.connect(1)
  for (const fill of [1, 2]) alice.link.feed(PING(fill))
  expect(alice.takeFrames()).toEqual([PONG(1), PONG(2)])
  expect(lab.counters).toMatchObject({ got_ping: 2, sent_pong: 2 })
})

test.each([
  ['an empty message', bytes(), 'length'],
  ['a ping of 7 bytes', bytes(9, new Uint8Array(7)), 'length'],
  ['a ping of 9 bytes', bytes(9, new Uint8Array(9)), 'length'],
  ['a pong of 0 bytes', bytes(10), 'length'],
  ['a datagram without ECN', bytes(4, new Uint8Array(32)), 'length'],
  ['a datagram shorter than an id', bytes(4, 1, 2, 3), 'length'],
  ['a batch without its segment size', bytes(5, new Uint8Array(33)), 'length'],
  ['a datagram of 65,537 bytes', bytes(4, new Uint8Array(65_537)), 'length'],
  ['a cut type', bytes(0x40), 'length'],
  ['ClientAuth again', bytes(1, new Uint8Array(97)), 'type'],
  ['a frame of servers', bytes(6, new Uint8Array(40)), 'type'],
  ['EndpointGone', bytes(8, new Uint8Array(32)), 'type'],
  ['Status', bytes(13, 1), 'type'],
  ['an unknown type', bytes(14), 'type'],
  ['an unknown type of eight bytes', bytes(0xff, new Uint8Array(7).fill(0xff)), 'type'],
])('spec/relay.md §3: %s drops its sender with a reason; nobody else notices', (_name, message, kind) => {
  const lab = new Lab()
  const [alice, bob, carol] = [lab.connect(1), lab.connect(2), lab.connect(3)]
  lab.takeEvents()
  alice.link.feed(message)
  expect(alice.link.closedWith).toEqual({ code: 1002, reason: 'protocol error' })
  expect(lab.takeEvents()).toEqual(['protocol-error', 'disconnected'])
  expect(lab.counters).toMatchObject({
    tom_protocol_errors_frame_type: kind === 'type' ? 1 : 0,
    tom_protocol_errors_frame_length: kind === 'length' ? 1 : 0,
    disconnects: 1,
  })
  bob.send(carol, 'still here')
  expect(carol.takeTexts()).toEqual(['still here'])
  expect(bob.takeFrames()).toEqual([])
})

test('what a dropped client still sends is not looked at', () => {
  const lab = new Lab()
  const [alice, bob] = [lab.connect(1), lab.connect(2)]
  alice.link.answersClose = false
  alice.link.feed(bytes(14))
  alice.link.closedWith = undefined
  alice.send(bob, 'more')
  alice.link.feed(bytes(14))
  expect(bob.takeFrames()).toEqual([])
  expect(lab.counters).toMatchObject({ tom_protocol_errors_frame_type: 1, send_packets_recv: 0, tom_links: 2 })
  alice.link.end()
  expect(lab.counters.tom_links).toBe(1)
})

test('spec/relay.md §3.3: EndpointGone goes to those that were sent to, when the last connection ends', () => {
  const lab = new Lab()
  const [alice, bob, carol] = [lab.connect(1), lab.connect(2), lab.connect(3)]
  alice.send(bob, 'hi')
  carol.send(alice, 'hello')
  const second = lab.connect(1)
  alice.link.end()
  expect(bob.takeFrames()).toHaveLength(1)
  second.link.end()
  expect(bob.takeFrames()).toEqual([bytes(8, alice.id)])
  expect(carol.takeFrames()).toEqual([])
  expect(lab.counters.tom_endpoint_gone).toBe(1)
})

test('spec/relay.md §3.3: one that left meanwhile hears nothing; one that came back does', () => {
  const lab = new Lab()
  const [alice, bob, carol] = [lab.connect(1), lab.connect(2), lab.connect(3)]
  alice.send(bob, 'hi')
  alice.send(carol, 'hi')
  bob.link.end()
  carol.link.end()
  const again = lab.connect(3)
  alice.link.end()
  expect(again.takeFrames()).toEqual([bytes(8, alice.id)])
  expect(lab.counters.tom_endpoint_gone).toBe(1)
  again.link.end()
  expect(leftovers(lab)).toEqual({})
})

test('spec/relay.md §3.3: a datagram that was dropped does not count as sent to', () => {
  const lab = new Lab({ limits: { queueDatagrams: 0, linkBytes: 1 } })
  const [alice, bob] = [lab.connect(1), lab.connect(2)]
  bob.link.isStalled = true
  lab.connect(3).send(bob, 'fills the link')
  alice.send(bob, 'dropped')
  expect(lab.counters.tom_queue_full_frames).toBe(1)
  alice.link.end()
  bob.link.unstall()
  expect(bob.takeFrames().map((frame) => frame[0])).toEqual([6])
})

test('spec/relay.md §4.8: the set of those to tell is bounded; those that left go first, then the oldest', () => {
  const lab = new Lab({ limits: { maxDestinations: 8 } })
  const sender = lab.connect(1000)
  const receivers = Array.from({ length: 10 }, (_, number) => lab.connect(number))
  for (const receiver of receivers.slice(0, 8)) sender.send(receiver, 'x')
  for (const receiver of receivers.slice(4, 8)) receiver.link.end()
  sender.send(receivers[8]!, 'x')
  sender.send(receivers[9]!, 'x')
  const more = Array.from({ length: 3 }, (_, number) => lab.connect(20 + number))
  for (const receiver of more) sender.send(receiver, 'x')
  for (const receiver of [...receivers, ...more]) receiver.takeFrames()
  sender.link.end()
  // 0…3, 8, 9, 20, 21 were in, then 22 came: the oldest two made room
  const told = [...receivers, ...more].map((receiver) => receiver.takeFrames().length)
  expect(told).toEqual([0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1])
})

test('spec/relay.md §3.3: who is sent to again after he was forgotten hears it still', () => {
  const lab = new Lab({ limits: { maxDestinations: 4 } })
  const sender = lab.connect(1000)
  const receivers = Array.from({ length: 5 }, (_, number) => lab.connect(number))
  for (const receiver of receivers) sender.send(receiver, 'x')
  sender.send(receivers[0]!, 'x')
  for (const receiver of receivers) receiver.takeFrames()
  sender.link.end()
  expect(receivers.map((receiver) => receiver.takeFrames().length)).toEqual([1, 0, 1, 1, 1])
})
