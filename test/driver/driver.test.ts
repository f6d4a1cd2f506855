import { describe, expect, test } from 'vitest'
import { Driver, type RelayCarrier } from '../../src/driver/index.ts'
import type { Connection, ConnectionEvent, DatagramSlots, Engine, Incoming, Transmit } from '../../src/quic/index.ts'
import { VirtualPlatform } from './virtual-platform.ts'

const NEVER = Number.POSITIVE_INFINITY

/** Sends what the test puts into `toSend`, and remembers what the driver asked of it. */
class StubConnection {
  readonly handle: number
  readonly slots: DatagramSlots
  readonly toSend: { route: number; text: string }[] = []
  readonly events: ConnectionEvent[] = []
  readonly ticks: number[] = []
  readonly blockedRoutes: number[] = []
  readonly writableRoutes: number[] = []
  readonly doubted: number[] = []
  at = NEVER
  throwsInPoll = false

  constructor(handle: number, slots: DatagramSlots) {
    this.handle = handle
    this.slots = slots
  }

  poll(_now: number, out: Transmit): boolean {
    if (this.throwsInPoll) throw new Error('a defect')
    const next = this.toSend[0]
    if (next === undefined) return false
    const slot = this.slots.acquire()
    if (slot < 0) return false
    this.toSend.shift()
    const bytes = new TextEncoder().encode(next.text)
    this.slots.bytes.set(bytes, this.slots.offset(slot))
    out.slot = slot
    out.length = bytes.length
    out.route = next.route
    return true
  }

  deadline(): number {
    return this.at
  }

  tick(now: number): void {
    this.ticks.push(now)
    this.at = NEVER
  }

  nextEvent(): ConnectionEvent | undefined {
    return this.events.shift()
  }

  blocked(route: number): void {
    this.blockedRoutes.push(route)
  }

  writable(route: number): void {
    this.writableRoutes.push(route)
  }

  doubt(route: number): void {
    this.doubted.push(route)
  }

  close(): void {
    this.events.push({ type: 'closed', reason: { kind: 'idle-timeout' } }, { type: 'drained' })
  }
}

class StubEngine {
  readonly slots: DatagramSlots
  readonly made: StubConnection[] = []
  readonly received: { text: string; route: number }[] = []
  readonly receivedAt: number[] = []
  readonly incoming: { route: number }[] = []
  /** Which connection a datagram beginning with this letter belongs to. */
  readonly owners = new Map<string, StubConnection>()
  isClosed = false

  constructor(slots: DatagramSlots) {
    this.slots = slots
  }

  connect(): StubConnection {
    const connection = new StubConnection(this.made.length, this.slots)
    this.made.push(connection)
    return connection
  }

  receive(slot: number, length: number, route: number, now: number): StubConnection | undefined {
    const start = this.slots.offset(slot)
    const text = new TextDecoder().decode(this.slots.bytes.subarray(start, start + length))
    this.received.push({ text, route })
    this.receivedAt.push(now)
    return this.owners.get(text[0]!)
  }

  poll(): boolean {
    return false
  }

  nextIncoming(): { route: number } | undefined {
    return this.incoming.shift()
  }

  close(): void {
    this.isClosed = true
  }
}

/** Remembers what was sent, and how much of it was flushed. */
class StubRelays implements RelayCarrier {
  readonly sent: { url: string; peer: number; text: string }[] = []
  flushed = 0
  readonly blocked = new Set<string>()

  send(url: string, peer: Uint8Array, datagram: Uint8Array): void {
    this.sent.push({ url, peer: peer[0]!, text: new TextDecoder().decode(datagram) })
  }

  flush(): void {
    this.flushed = this.sent.length
  }

  isBlocked(url: string): boolean {
    return this.blocked.has(url)
  }
}

function create(slotCount = 256, slotSize = 2048) {
  const relays = new StubRelays()
  const platform = new VirtualPlatform()
  let engine: StubEngine | undefined
  const events: ConnectionEvent[] = []
  const faults: unknown[] = []
  const incoming: Incoming[] = []
  const driver = new Driver({
    platform,
    slots: { count: slotCount, size: slotSize },
    relays,
    createEngine: (slots) => {
      engine = new StubEngine(slots)
      return engine as unknown as Engine
    },
    onIncoming: (one) => incoming.push(one),
    onFault: (error) => faults.push(error),
  })
  const socket = platform.socket('0.0.0.0', 4433)
  driver.addSocket(socket)
  const route = driver.route('192.0.2.1', 1000)!
  const dial = (onEvent: (event: ConnectionEvent) => void = (event) => events.push(event)): StubConnection =>
    driver.connect({ peer: new Uint8Array(32), alpns: [], routes: [route] }, { onEvent }) as unknown as StubConnection
  const touch = (connection: StubConnection): void => driver.touch(connection as unknown as Connection)
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  return { platform, driver, relays, engine: engine!, socket, route, dial, touch, events, faults, incoming, bytes }
}

test('a round sends until the connection has nothing left, and gives every slot back', () => {
  const { platform, driver, socket, route, dial, touch } = create()
  const connection = dial()
  connection.toSend.push({ route, text: 'one' }, { route, text: 'two' })
  touch(connection)
  touch(connection)
  expect(socket.sent).toEqual([])
  platform.settle()
  expect(socket.sent.map(({ data }) => new TextDecoder().decode(data))).toEqual(['one', 'two'])
  expect(socket.sent[0]).toMatchObject({ host: '192.0.2.1', port: 1000 })
  expect(driver.slots.inUse).toBe(1)
  expect(driver.stats).toMatchObject({ datagramsSent: 2, bytesSent: 6, rounds: 1 })
})

test('a burst is cut at 64 datagrams and goes on in the next turn of the event loop', () => {
  const { platform, socket, route, dial, touch } = create()
  const connection = dial()
  for (let index = 0; index < 150; index++) connection.toSend.push({ route, text: 'x' })
  connection.at = platform.time
  touch(connection)
  platform.turn()
  expect(socket.sent.length).toBe(64)
  expect(platform.nextTimer).toBe(NEVER)
  platform.turn()
  expect(socket.sent.length).toBe(128)
  platform.settle()
  expect(socket.sent.length).toBe(150)
  expect(connection.ticks.length).toBeGreaterThan(0)
})

test('received datagrams reach the engine at once, with an interned route; servicing waits for the end of the turn', () => {
  const { platform, engine, socket, dial, bytes, driver } = create()
  const connection = dial()
  platform.settle()
  engine.owners.set('a', connection)
  const rounds = driver.stats.rounds
  connection.events.push({ type: 'confirmed' })
  socket.onMessage(bytes('a1'), '192.0.2.9', 5)
  socket.onMessage(bytes('a2'), '192.0.2.9', 5)
  socket.onMessage(bytes('?'), '192.0.2.9', 6)
  expect(engine.received.map(({ text }) => text)).toEqual(['a1', 'a2', '?'])
  expect(engine.received[0]?.route).toBe(engine.received[1]?.route)
  expect(engine.received[0]?.route).not.toBe(engine.received[2]?.route)
  expect(connection.events.length).toBe(1)
  platform.settle()
  expect(connection.events.length).toBe(0)
  expect(driver.stats.rounds).toBe(rounds + 1)
})

test('datagrams that are empty or larger than a slot are refused', () => {
  const { engine, socket, driver } = create()
  socket.onMessage(new Uint8Array(0), '192.0.2.9', 5)
  socket.onMessage(new Uint8Array(2049), '192.0.2.9', 5)
  expect(engine.received).toEqual([])
  expect(driver.stats.datagramsRefused).toBe(2)
})

test('one timer serves the earliest deadline of all connections, and is off when there is none', () => {
  const { platform, dial, touch } = create()
  const [first, second] = [dial(), dial()]
  first.at = platform.time + 50
  second.at = platform.time + 20
  touch(first)
  touch(second)
  platform.settle()
  expect(platform.nextTimer).toBe(1020)
  platform.advance(30)
  expect(second.ticks).toEqual([1020])
  expect(first.ticks).toEqual([])
  platform.advance(30)
  expect(first.ticks).toEqual([1050])
  expect(platform.nextTimer).toBe(NEVER)
})

test('a deadline that stays in the past is retried a millisecond later, not at once', () => {
  const { platform, dial, touch } = create()
  const connection = dial()
  connection.tick = (now) => connection.ticks.push(now)
  connection.at = 1
  touch(connection)
  platform.advance(5)
  expect(connection.ticks).toEqual([1001, 1002, 1003, 1004, 1005])
})

test('events go to the handler of the connection, and what it throws breaks nothing', () => {
  const { platform, dial, touch, events, faults } = create()
  const bad = dial(() => {
    throw new Error('the application')
  })
  const good = dial()
  for (const connection of [bad, good]) {
    connection.events.push({ type: 'connected' }, { type: 'confirmed' })
    touch(connection)
  }
  platform.settle()
  expect(events.map(({ type }) => type)).toEqual(['connected', 'confirmed'])
  expect(faults.length).toBe(2)
})

test('an engine that throws costs its connection only: closed and drained are delivered', () => {
  const { platform, driver, dial, touch, events, faults } = create()
  const connection = dial()
  connection.throwsInPoll = true
  touch(connection)
  platform.settle()
  expect(faults.length).toBe(1)
  expect(events).toMatchObject([{ type: 'closed', reason: { kind: 'local-transport', code: 1 } }, { type: 'drained' }])
  expect(driver.connectionCount).toBe(0)
})

/** A connection whose handshake is complete: `connected` was delivered. */
function opened(bed: ReturnType<typeof create>, onEvent?: (event: ConnectionEvent) => void): StubConnection {
  const connection = bed.dial(onEvent)
  connection.events.push({ type: 'connected' })
  bed.touch(connection)
  bed.platform.settle()
  return connection
}

const texts = ({ socket }: ReturnType<typeof create>): string[] =>
  socket.sent.map(({ data }) => new TextDecoder().decode(data))

test('what the application does is sent in the same turn, once no promise reaction waits', () => {
  const bed = create()
  const { platform, socket, route, touch, driver } = bed
  const connection = opened(bed)
  const { rounds } = driver.stats
  for (const text of ['a', 'b', 'c']) {
    connection.toSend.push({ route, text })
    touch(connection)
  }
  expect(socket.sent.length).toBe(0)
  platform.react()
  expect(texts(bed)).toEqual(['a', 'b', 'c'])
  expect(driver.stats.rounds).toBe(rounds + 1)
  expect(platform.turn()).toBe(0)
})

test('events are handed out before anything is sent: the answer to them goes with the rest', () => {
  const bed = create()
  const { platform, engine, socket, route, touch, bytes } = bed
  const sentAtEvent: number[] = []
  const connection: StubConnection = opened(bed, ({ type }) => {
    if (type !== 'confirmed') return
    sentAtEvent.push(socket.sent.length)
    connection.toSend.push({ route, text: 'answer' })
    touch(connection)
  })
  engine.owners.set('a', connection)
  connection.toSend.push({ route, text: 'ack' })
  connection.events.push({ type: 'confirmed' })
  socket.onMessage(bytes('a1'), '192.0.2.1', 1000)
  platform.turn()
  expect(sentAtEvent).toEqual([0])
  expect(texts(bed)).toEqual(['ack', 'answer'])
  expect(platform.turn()).toBe(0)
})

test('the end of the handshake is sent before the application hears of it', () => {
  const bed = create()
  const { platform, socket, route, dial, touch } = bed
  const sentAtEvent: number[] = []
  const connection: StubConnection = dial(() => sentAtEvent.push(socket.sent.length))
  connection.toSend.push({ route, text: 'finished' })
  connection.events.push({ type: 'connected' })
  touch(connection)
  platform.settle()
  expect(sentAtEvent).toEqual([1])
})

test('where nobody can tell when the reactions are done, a turn passes', () => {
  const bed = create()
  const { platform, socket, route, touch } = bed
  const connection: StubConnection = opened(bed, () => {})
  platform.afterReactions = undefined
  connection.toSend.push({ route, text: 'x' })
  connection.events.push({ type: 'confirmed' })
  touch(connection)
  platform.react()
  expect(socket.sent.length).toBe(0)
  platform.turn()
  expect(socket.sent.length).toBe(1)
  expect(connection.events).toEqual([])
})

test('between two bursts a turn passes, whatever the application does meanwhile', () => {
  const bed = create()
  const { platform, socket, route, touch } = bed
  const [first, second] = [opened(bed), opened(bed)]
  for (let index = 0; index < 100; index++) first.toSend.push({ route, text: 'x' })
  touch(first)
  platform.react()
  expect(socket.sent.length).toBe(64)
  second.toSend.push({ route, text: 'y' })
  touch(second)
  platform.react()
  expect(socket.sent.length).toBe(64)
  platform.turn()
  expect(socket.sent.length).toBe(101)
})

test('fast-path.md §4: a burst ends at 256 kB as well', () => {
  const bed = create(64, 16_384)
  const { platform, socket, route, touch } = bed
  const connection = opened(bed)
  for (let index = 0; index < 40; index++) connection.toSend.push({ route, text: 'x'.repeat(16_000) })
  touch(connection)
  platform.react()
  expect(socket.sent.length).toBe(17)
  platform.settle()
  expect(socket.sent.length).toBe(40)
})

test('the clock is read once a batch of datagrams and once a round', () => {
  const bed = create()
  const { platform, engine, socket, bytes } = bed
  engine.owners.set('a', opened(bed))
  const before = platform.readings
  for (let index = 0; index < 20; index++) socket.onMessage(bytes('a'), '192.0.2.1', 1000)
  expect(platform.readings).toBe(before + 1)
  platform.turn()
  expect(platform.readings).toBe(before + 2)
  platform.time += 5
  socket.onMessage(bytes('a'), '192.0.2.1', 1000)
  expect(platform.readings).toBe(before + 3)
  expect(engine.receivedAt.at(-1)).toBe(platform.time)
})

test('without a free slot the connection waits until the socket lets one go', () => {
  const { platform, driver, socket, route, dial, touch } = create(4)
  const connection = dial()
  socket.isFull = true
  for (let index = 0; index < 5; index++) connection.toSend.push({ route, text: 'x' })
  touch(connection)
  platform.settle()
  expect(socket.sent.length).toBe(3)
  expect(driver.slots.available).toBe(0)
  socket.drain(1)
  platform.settle()
  expect(socket.sent.length).toBe(4)
  socket.isFull = false
  socket.drain()
  platform.settle()
  expect(socket.sent.length).toBe(5)
  expect(driver.slots.inUse).toBe(1)
})

test('received datagrams find a slot even when all others are queued', () => {
  const { platform, engine, socket, route, dial, touch, bytes } = create(4)
  const connection = dial()
  socket.isFull = true
  for (let index = 0; index < 5; index++) connection.toSend.push({ route, text: 'x' })
  touch(connection)
  platform.settle()
  socket.onMessage(bytes('ack'), '192.0.2.1', 1000)
  expect(engine.received.length).toBe(1)
})

test('a socket whose queue is long blocks the route once, and frees it when the queue is short', () => {
  const { platform, socket, route, dial, touch } = create()
  const connection = dial()
  socket.isFull = true
  for (let index = 0; index < 70; index++) connection.toSend.push({ route, text: 'x' })
  touch(connection)
  platform.settle()
  expect(connection.blockedRoutes).toEqual([route])
  socket.drain(40)
  expect(connection.writableRoutes).toEqual([])
  socket.drain(20)
  expect(connection.writableRoutes).toEqual([route])
})

test('a connection holds the routes it sends on; after drained they may be forgotten', () => {
  const { platform, driver, socket, route, dial, touch } = create()
  const connection = dial()
  const other = driver.route('192.0.2.2', 2000)!
  connection.toSend.push({ route: other, text: 'x' })
  touch(connection)
  platform.settle()
  for (let index = 0; index < 5000; index++) socket.onMessage(Uint8Array.of(64), '203.0.113.1', 1 + index)
  expect(driver.routes.entry(route)).toBeDefined()
  expect(driver.routes.entry(other)).toBeDefined()
  driver.closeConnection(connection as unknown as Connection, 0, '')
  platform.settle()
  expect(driver.connectionCount).toBe(0)
  for (let index = 0; index < 5000; index++) socket.onMessage(Uint8Array.of(64), '203.0.113.2', 1 + index)
  expect(driver.routes.entry(route)).toBeUndefined()
  expect(driver.routes.entry(other)).toBeUndefined()
})

test('an undecided incoming connection holds its route', () => {
  const { platform, driver, engine, socket, incoming, bytes } = create()
  socket.onMessage(bytes('initial'), '192.0.2.7', 7)
  const { route } = engine.received[0]!
  engine.incoming.push({ route, ignore: () => {} } as { route: number })
  platform.settle()
  expect(incoming.length).toBe(1)
  for (let index = 0; index < 5000; index++) socket.onMessage(Uint8Array.of(64), '203.0.113.1', 1 + index)
  expect(driver.routes.entry(route)).toBeDefined()
  driver.ignore(incoming[0]!)
  for (let index = 0; index < 5000; index++) socket.onMessage(Uint8Array.of(64), '203.0.113.2', 1 + index)
  expect(driver.routes.entry(route)).toBeUndefined()
})

test('what goes to a socket that was taken out is lost, and its slot comes back', () => {
  const { platform, driver, socket, route, dial, touch } = create()
  const connection = dial()
  socket.onError(new Error('broken'))
  connection.toSend.push({ route, text: 'x' })
  touch(connection)
  platform.settle()
  expect(socket.isClosed).toBe(true)
  expect(driver.sockets).toEqual([])
  expect(driver.stats.datagramsUnroutable).toBe(1)
  expect(driver.slots.inUse).toBe(1)
  expect(driver.route('192.0.2.1', 1)).toBeUndefined()
})

test('close leaves nothing behind: no slot, timer, socket, round', async () => {
  const { platform, driver, engine, socket, route, dial, touch } = create()
  const connection = dial()
  socket.isFull = true
  connection.toSend.push({ route, text: 'x' })
  connection.at = platform.time + 10
  touch(connection)
  platform.settle()
  touch(connection)
  await driver.close()
  await driver.close()
  expect(driver.slots.inUse).toBe(0)
  expect(socket.isClosed).toBe(true)
  expect(engine.isClosed).toBe(true)
  expect(platform.nextTimer).toBe(NEVER)
  const { rounds } = driver.stats
  platform.settle()
  socket.onMessage(Uint8Array.of(64), '192.0.2.1', 1000)
  expect(engine.received).toEqual([])
  expect(driver.stats.rounds).toBe(rounds)
})

describe('relays', () => {
  const URL = 'https://relay.example/'
  const peer = new Uint8Array(32).fill(7)

  /** A connection with one route over UDP and one through the relay. */
  function relayed() {
    const it = create()
    const connection = it.dial()
    const relay = it.driver.relayRoute(URL, peer)
    const send = (route: number, ...texts: string[]): void => {
      for (const text of texts) connection.toSend.push({ route, text })
      it.touch(connection)
      it.platform.settle()
    }
    return { ...it, connection, relay, send }
  }

  test('datagrams to a relay route go to the carrier, are flushed at the end of the round, and keep no slot', () => {
    const { relays, relay, route, send, driver, socket } = relayed()
    send(relay, 'one', 'two')
    expect(relays.sent).toEqual(['one', 'two'].map((text) => ({ url: URL, peer: 7, text })))
    expect(relays.flushed).toBe(2)
    expect(driver.slots.inUse).toBe(1)
    send(route, 'three')
    expect([relays.sent.length, socket.sent.length]).toEqual([2, 1])
  })

  test('what comes through a relay reaches the engine with the route of that relay and peer', () => {
    const { driver, engine, bytes, relay } = relayed()
    driver.receiveRelayed(URL, peer, bytes('x'))
    driver.receiveRelayed(URL, new Uint8Array(32).fill(8), bytes('y'))
    driver.receiveRelayed('https://other.example/', peer, bytes('z'))
    const [one, two, three] = engine.received
    expect(one).toEqual({ text: 'x', route: relay })
    expect(new Set([relay, two?.route, three?.route]).size).toBe(3)
  })

  test('a full relay stops its connections after the datagram that filled it, and lets them go on', () => {
    const { driver, relays, connection, relay, send } = relayed()
    relays.blocked.add(URL)
    driver.relayChanged(URL, false)
    send(relay, 'one')
    expect([connection.blockedRoutes, connection.doubted]).toEqual([[relay], []])
    driver.relayChanged(URL, false)
    expect(connection.writableRoutes).toEqual([])
    relays.blocked.delete(URL)
    driver.relayChanged(URL, false)
    expect(connection.writableRoutes).toEqual([relay])
  })

  test('a lost relay stops and doubts the routes of every connection at once, and of no other relay', () => {
    const { driver, connection, relay, send, dial, platform, touch } = relayed()
    const other = driver.relayRoute('https://other.example/', peer)
    send(relay, 'one')
    send(other, 'two')
    const second = dial()
    second.toSend.push({ route: other, text: 'three' })
    touch(second)
    platform.settle()
    driver.relayChanged(URL, true)
    expect([connection.blockedRoutes, connection.doubted]).toEqual([[relay], [relay]])
    expect([second.blockedRoutes, second.doubted]).toEqual([[], []])
    driver.relayChanged(URL, false)
    expect(connection.writableRoutes).toEqual([relay])
  })

  test('a socket that drains does not open a relay that is lost', () => {
    const { driver, socket, connection, relay, route, send } = relayed()
    send(relay, 'one')
    driver.relayChanged(URL, true)
    socket.isFull = true
    send(route, 'two')
    socket.drain()
    expect(connection.writableRoutes).toEqual([])
  })

  test('a peer that left its relay is doubted, not blocked; unknown ones are no news', () => {
    const { driver, connection, relay, send } = relayed()
    send(relay, 'one')
    driver.relayPeerGone(URL, new Uint8Array(32).fill(9))
    driver.relayPeerGone('https://unknown.example/', peer)
    expect(connection.doubted).toEqual([])
    driver.relayPeerGone(URL, peer)
    expect([connection.doubted, connection.blockedRoutes]).toEqual([[relay], []])
  })

  test('a driver without a carrier has no relay routes', () => {
    const platform = new VirtualPlatform()
    const driver = new Driver({
      platform,
      createEngine: (slots) => new StubEngine(slots) as unknown as Engine,
      onIncoming: () => {},
    })
    expect(() => driver.relayRoute(URL, peer)).toThrow('no relays')
  })
})
