import type { Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { WebSocketMemory, webSocketAccept } from '../../src/platform/node/index.ts'
import { closePayload } from '../../src/platform/websocket/frames.ts'
import {
  Cleanup,
  openSockets,
  StubSocket,
  tcpPair,
  turns,
  until,
  type Watched,
  watch,
  webSocket,
} from './support/loopback.ts'
import { frameBytes, hex, unhex } from './websocket/twin.ts'

const cleanup = new Cleanup()
afterEach(async () => {
  vi.useRealTimers()
  await cleanup.run()
})

async function linkPair(memory?: WebSocketMemory): Promise<{ client: Watched; server: Watched; sockets: Socket[] }> {
  const { client, server } = await tcpPair(cleanup)
  return {
    client: watch(webSocket(client, 'client', memory)),
    server: watch(webSocket(server, 'server', memory)),
    sockets: [client, server],
  }
}

function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = at * 31 + seed * 7 + (at >> 8)
  return bytes
}
const frame = (opcode: number, payload: Uint8Array | string, isMasked = false): Buffer =>
  Buffer.from(
    frameBytes({
      opcode,
      payload: typeof payload === 'string' ? unhex(payload) : payload,
      ...(isMasked && { mask: [1, 2, 3, 4] as const }),
    }),
  )

test('RFC 6455 §4.2.2: the accept key', () => {
  expect(webSocketAccept('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test.each([
  ['with shared buffers', () => new WebSocketMemory(2)],
  ['without', () => undefined],
])('messages of all sizes arrive whole and in order, both ways, %s', async (_name, memory) => {
  const { client, server } = await linkPair(memory())
  const sizes = [0, 1, 31, 32, 33, 125, 126, 1200, 4096, 65_000, 65_535, 65_536, 66_000, 300_000]
  const sent = [...sizes, ...sizes.toReversed(), ...Array<number>(200).fill(1200)].map((size, at) => pattern(size, at))
  for (const from of [client, server]) for (const message of sent) from.link.send(message)
  await until(() => client.messages.length === sent.length && server.messages.length === sent.length)
  for (const to of [client, server]) {
    expect(to.messages.every((message, at) => Buffer.compare(message, sent[at]!) === 0)).toBe(true)
    expect(to.link.queuedBytes).toBe(0)
  }
})

test('part of a memory is sent, and copied before send returns', async () => {
  const { client, server } = await linkPair()
  const memory = pattern(5000)
  client.link.send(memory, 100, 1300)
  client.link.send(memory, 7, 9)
  memory.fill(0)
  await until(() => server.messages.length === 2)
  expect(server.messages[0]).toEqual(pattern(5000).subarray(100, 1300))
  expect(server.messages[1]).toEqual(pattern(5000).subarray(7, 9))
})

test('what is sent in one turn is one write: at the tick, at flush, or at 64 KiB', async () => {
  const stub = new StubSocket()
  const link = webSocket(stub.asSocket(), 'server')
  expect(stub.calls).toEqual(['setNoDelay'])
  for (let count = 0; count < 20; count++) link.send(pattern(1000))
  expect(stub.writes).toHaveLength(0)
  expect(link.queuedBytes).toBe(20 * 1004)
  await turns(1)
  expect(stub.writes.map((write) => write.length)).toEqual([20 * 1004])
  expect(link.queuedBytes).toBe(0)

  link.send(pattern(10))
  link.flush()
  link.flush()
  expect(stub.writes).toHaveLength(2)
  for (let count = 0; count < 66; count++) link.send(pattern(1000))
  expect(stub.writes[2]!.length).toBe(66 * 1004)
  link.send(pattern(70_000))
  expect(stub.writes[3]!.length).toBe(70_010)
  await turns(1)
  expect(stub.writes).toHaveLength(4)
  link.terminate()
})

test('RFC 6455 §5.3: each message of a client has a mask of its own, a server masks nothing', async () => {
  const stub = new StubSocket()
  const link = webSocket(stub.asSocket(), 'client')
  for (let count = 0; count < 2000; count++) link.send(pattern(4))
  link.flush()
  const bytes = Buffer.concat(stub.writes)
  const masks = new Set<string>()
  for (let at = 0; at < bytes.length; at += 10) {
    expect([bytes[at], bytes[at + 1]]).toEqual([0x82, 0x84])
    const mask = bytes.subarray(at + 2, at + 6)
    expect(bytes.subarray(at + 6, at + 10).map((value, index) => value ^ mask[index]!)).toEqual(Buffer.from(pattern(4)))
    masks.add(hex(mask))
  }
  expect(masks.size).toBeGreaterThan(1990)
  link.terminate()
})

test('what the system does not take is counted; the rest is collected meanwhile, and onDrain says when it went', async () => {
  const stub = new StubSocket()
  stub.takesAll = false
  const watched = watch(webSocket(stub.asSocket(), 'server', new WebSocketMemory(1)))
  const { link } = watched
  link.send(pattern(1000))
  link.flush()
  expect(stub.writes).toHaveLength(1)
  expect(link.queuedBytes).toBe(1004)
  for (let count = 0; count < 300; count++) link.send(pattern(1000))
  link.flush()
  await turns(2)
  expect(stub.writes).toHaveLength(1)
  expect(link.queuedBytes).toBe(301 * 1004)

  const queued: number[] = []
  for (let taken = 0; taken < 6; taken++) {
    expect(watched.drains.count).toBe(link.queuedBytes > 0 && link.queuedBytes <= 65_536 ? 1 : 0)
    stub.takeOne()
    queued.push(link.queuedBytes)
  }
  expect(queued).toEqual(queued.toSorted((a, b) => b - a))
  expect(queued.at(-1)).toBe(0)
  // Once below the low mark, once empty.
  expect(watched.drains.count).toBe(2)
  const all = Buffer.concat(stub.writes)
  expect(all.length).toBe(301 * 1004)
  expect(all.equals(Buffer.concat(Array<Buffer>(301).fill(frame(2, pattern(1000)))))).toBe(true)
  expect(stub.writes.slice(1, -1).every((write) => write.length > 64_000)).toBe(true)
  link.terminate()
})

test('a buffer is used again only when the system has read it', async () => {
  const memory = new WebSocketMemory(1)
  const slow = new StubSocket()
  slow.takesAll = false
  const lent: unknown[] = []
  const take = memory.take.bind(memory)
  memory.take = (bytes) => {
    const buffer = take(bytes)
    lent.push(buffer)
    return buffer
  }
  const first = webSocket(slow.asSocket(), 'server', memory)
  const second = webSocket(new StubSocket().asSocket(), 'server', memory)
  const send = (link: typeof first): void => {
    link.send(pattern(10))
    link.flush()
  }
  send(first)
  send(second)
  expect(lent[1]).not.toBe(lent[0])
  slow.takeOne()
  await turns(1)
  send(second)
  expect(lent[2]).toBe(lent[0])
  send(second)
  expect(lent[3]).toBe(lent[0])
  first.terminate()
  second.terminate()
})

test('a callback that is late means the write that was taken, not the one under way', async () => {
  const stub = new StubSocket()
  const link = webSocket(stub.asSocket(), 'server')
  link.send(pattern(10))
  link.flush()
  stub.takesAll = false
  link.send(pattern(20))
  link.flush()
  await turns(2)
  expect(link.queuedBytes).toBe(22)
  stub.takeOne()
  expect(link.queuedBytes).toBe(0)
  link.terminate()
})

test('a buffer that was lost with its socket is replaced', async () => {
  const memory = new WebSocketMemory(1)
  const stub = new StubSocket()
  stub.takesAll = false
  const broken = watch(webSocket(stub.asSocket(), 'server', memory))
  broken.link.send(pattern(10))
  broken.link.flush()
  broken.link.terminate()
  await until(() => broken.ends.length === 1)
  const [first, second] = [memory.take(10), memory.take(10)]
  expect([first.isShared, second.isShared]).toEqual([true, false])
  const idle = watch(webSocket(new StubSocket().asSocket(), 'server', memory))
  memory.give(first)
  idle.link.send(pattern(10))
  idle.link.terminate()
  await until(() => idle.ends.length === 1)
  expect(memory.take(10)).toBe(first)
})

test('RFC 6455 §5.5.3: a ping is answered with its payload; of pings that had to wait, only the newest', async () => {
  const stub = new StubSocket()
  const watched = watch(webSocket(stub.asSocket(), 'server'))
  await turns(1)
  stub.push(frame(9, '0102', true))
  await until(() => stub.writes.length === 1)
  expect(hex(stub.writes[0]!)).toBe('8a020102')
  stub.takesAll = false
  for (let count = 0; count < 2000; count++) stub.push(frame(9, pattern(120, count), true))
  await until(() => watched.reads.length > 0 && stub.readableLength === 0)
  expect(watched.link.queuedBytes).toBeLessThan(66_000)
  stub.takeOne()
  stub.takeOne()
  expect(stub.writes.at(-1)!.equals(frame(10, pattern(120, 1999)))).toBe(true)
  watched.link.terminate()
})

test('spec/relay.md §1.5: text is skipped and counted, the connection kept', async () => {
  const { client, server } = await tcpPair(cleanup)
  const link = webSocket(server, 'server')
  const watched = watch(link)
  client.write(Buffer.concat([frame(1, '6869', true), frame(2, '07', true)]))
  await until(() => watched.messages.length === 1)
  expect([link.textMessages, hex(watched.messages[0]!), watched.ends]).toEqual([1, '07', []])
})

test.each(['server', 'client'] as const)('RFC 6455 §5.6: text both ways, our end is the %s', async (role) => {
  const { client, server } = await tcpPair(cleanup)
  const near = webSocket(role === 'server' ? server : client, role)
  const far = webSocket(role === 'server' ? client : server, role === 'server' ? 'client' : 'server')
  const heard: string[] = []
  const watched = watch(far)
  far.onText = (text) => heard.push(text)
  near.sendText('héllo €')
  near.send(Uint8Array.of(7))
  near.sendText('x'.repeat(200_000))
  near.sendText('\ud800!')
  await until(() => heard.length === 3)
  expect([heard[0], heard[1]!.length, heard[2]]).toEqual(['héllo €', 200_000, '\ufffd!'])
  expect([watched.messages.map(hex), far.textMessages, far.onText('') as unknown]).toEqual([['07'], 3, 4])
})

test('RFC 6455 §8.1: text that is no UTF-8 ends a link that reads text; after `close` none is delivered', async () => {
  const { client, server } = await tcpPair(cleanup)
  const link = webSocket(server, 'server')
  const watched = watch(link)
  const heard: string[] = []
  link.onText = (text) => heard.push(text)
  client.write(Buffer.concat([frame(1, '6869', true), frame(1, 'c328', true), frame(1, '6869', true)]))
  await until(() => watched.ends.length === 1)
  expect([heard, watched.ends[0]!.reason]).toEqual([['hi'], expect.stringContaining('UTF-8')])
  link.sendText('too late')
  const closing = await tcpPair(cleanup)
  const closed = webSocket(closing.server, 'server')
  closed.onText = (text) => heard.push(text)
  const ends = watch(closed).ends
  await turns(2)
  closed.close(1000, '')
  closing.client.write(Buffer.concat([frame(1, '6869', true), frame(8, '03e8', true)]))
  await until(() => ends.length === 1)
  expect(heard).toEqual(['hi'])
})

test('what came with the upgrade is delivered first, and not before there was time to set handlers', async () => {
  const { client, server } = await tcpPair(cleanup)
  const head = frame(2, '01', true)
  client.write(Buffer.concat([frame(2, '02', true), frame(2, '03', true)]))
  await until(() => server.bytesRead > 0 || server.readableLength > 0)
  const link = webSocket(server, 'server', undefined, { head })
  // One who got the link from a promise.
  await Promise.resolve()
  await new Promise((resolve) => process.nextTick(resolve))
  const watched = watch(link)
  await until(() => watched.messages.length === 3)
  expect(watched.messages.map(hex)).toEqual(['01', '02', '03'])
})

test('paused before it began, a link delivers nothing until it is resumed; onRead counts what was read', async () => {
  const { client, server } = await tcpPair(cleanup)
  const watched = watch(webSocket(server, 'server', undefined, { head: frame(2, '01', true) }))
  watched.link.pause()
  client.write(frame(2, '02', true))
  await turns(20)
  expect(watched.messages).toEqual([])
  watched.link.resume()
  await until(() => watched.messages.length === 2)
  expect(watched.reads.reduce((sum, bytes) => sum + bytes, 0)).toBe(14)
})

test('resumed or closed before it began, a link loses nothing', async () => {
  const head = (): Buffer => Buffer.concat([frame(2, '01', true), frame(8, '03e8', true)])
  const resumed = new StubSocket()
  const hears = watch(webSocket(resumed.asSocket(), 'server', undefined, { head: head() }))
  hears.link.pause()
  hears.link.resume()
  await new Promise((resolve) => process.nextTick(resolve))
  await until(() => hears.ends.length === 1)
  expect([hears.messages.map(hex), hears.ends[0]!.code]).toEqual([['01'], 1000])
  const closed = watch(webSocket(new StubSocket().asSocket(), 'server', undefined, { head: head() }))
  closed.link.close(1013, '')
  await until(() => closed.ends.length === 1)
  expect([closed.messages, closed.ends[0]!.code]).toEqual([[], 1000])
})

test('the other side had ended its half before the link began', async () => {
  const stub = new StubSocket()
  const watched = watch(webSocket(stub.asSocket(), 'server'))
  stub.push(null)
  // As a socket of Node does.
  stub.read(0)
  await until(() => watched.ends.length === 1)
  expect(watched.ends).toEqual([{ code: 1006, reason: 'the other side ended the connection' }])
})

test('a paused link is felt by the other side, and nothing is lost', async () => {
  const { client, server } = await linkPair()
  server.link.pause()
  const count = 200
  for (let index = 0; index < count; index++) client.link.send(pattern(60_000, index))
  await turns(50)
  expect(client.link.queuedBytes).toBeGreaterThan(1 << 20)
  expect(client.drains.count).toBe(0)
  server.link.resume()
  await until(() => server.messages.length === count)
  expect(server.messages.every((message, at) => message[0] === ((at * 7) & 0xff) && message.length === 60_000)).toBe(
    true,
  )
  expect(client.link.queuedBytes).toBe(0)
  expect(client.drains.count).toBeGreaterThan(0)
})

test('a message may be changed during the call', async () => {
  const { client, server } = await tcpPair(cleanup)
  const link = webSocket(server, 'server')
  const seen: string[] = []
  link.onMessage = (message) => {
    seen.push(hex(message))
    message.fill(0xff)
  }
  link.onClose = () => {}
  client.write(Buffer.concat([frame(2, '0102030405', true), frame(2, '0607', true)]))
  await until(() => seen.length === 2)
  expect(seen).toEqual(['0102030405', '0607'])
})

test('RFC 6455 §7.1: the closing handshake, from either side: both hear the code, and no socket stays', async () => {
  for (const closer of ['client', 'server'] as const) {
    const pair = await linkPair()
    const [near, far] = closer === 'client' ? [pair.client, pair.server] : [pair.server, pair.client]
    near.link.send(pattern(200_000))
    near.link.close(4001, 'enough')
    near.link.close(4002, 'again')
    near.link.send(pattern(3))
    far.link.send(pattern(4))
    await until(() => near.ends.length === 1 && far.ends.length === 1)
    expect(far.messages.map((message) => message.length)).toEqual([200_000])
    expect(near.messages).toEqual([])
    expect(far.ends).toEqual([{ code: 4001, reason: 'enough' }])
    expect(near.ends).toEqual([{ code: 4001, reason: '' }])
    await until(() => openSockets() === 0)
  }
})

test('RFC 6455 §5.5.1, §7.1: after Close nothing is sent, its answer is not answered, and a paused link hears it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { client, server } = await tcpPair(cleanup)
  const watched = watch(webSocket(server, 'server'))
  const heard: Buffer[] = []
  client.on('data', (chunk: Buffer) => heard.push(chunk))
  watched.link.pause()
  watched.link.close(1001, '')
  watched.link.send(pattern(5))
  client.write(Buffer.concat([frame(9, '01', true), frame(2, '02', true), frame(8, '03e9', true)]))
  await until(() => watched.ends.length === 1)
  expect(watched.messages).toEqual([])
  expect(watched.ends).toEqual([{ code: 1001, reason: '' }])
  await until(() => client.destroyed)
  expect(hex(Buffer.concat(heard))).toBe('880203e9')
  expect(vi.getTimerCount()).toBe(0)
  watched.link.send(pattern(5))
  watched.link.flush()
})

test('RFC 6455 §7.1: what was queued before the Close of the other side goes out, the answer last', async () => {
  const stub = new StubSocket()
  stub.takesAll = false
  const watched = watch(webSocket(stub.asSocket(), 'server'))
  for (let count = 0; count < 200; count++) watched.link.send(pattern(1000))
  stub.push(frame(8, '03e8', true))
  await turns(3)
  for (let taken = 0; taken < 6; taken++) stub.takeOne()
  await until(() => watched.ends.length === 1)
  const all = Buffer.concat(stub.writes)
  expect(all.length).toBe(200 * 1004 + 4)
  expect(hex(all.subarray(-4))).toBe('880203e8')
  expect(watched.ends).toEqual([{ code: 1000, reason: '' }])
})

test('RFC 6455 §7.1: a Close that nobody answers ends the link after 2 s', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const { client, server } = await tcpPair(cleanup)
  const watched = watch(webSocket(server, 'server'))
  watched.link.close(1001, '')
  client.resume()
  await turns(5)
  vi.advanceTimersByTime(1999)
  await turns(5)
  expect(watched.ends).toEqual([])
  vi.advanceTimersByTime(1)
  await until(() => watched.ends.length === 1)
  expect(watched.ends[0]!.code).toBe(1006)
  expect(vi.getTimerCount()).toBe(0)
})

test('RFC 6455 §7.1: a Close that the system does not take ends the link after 2 s, too', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const stub = new StubSocket()
  stub.takesAll = false
  const watched = watch(webSocket(stub.asSocket(), 'server'))
  watched.link.send(pattern(100))
  watched.link.flush()
  stub.push(frame(8, '03e8', true))
  await turns(3)
  vi.advanceTimersByTime(2000)
  await until(() => watched.ends.length === 1)
  expect(watched.ends).toEqual([{ code: 1000, reason: '' }])
  expect(vi.getTimerCount()).toBe(0)
})

test('an end without a word: 1006 on both sides, once, whoever it was', async () => {
  const { client, server } = await linkPair()
  client.link.send(pattern(100))
  client.link.terminate()
  client.link.terminate()
  client.link.send(pattern(100))
  client.link.close(1000, '')
  expect(client.ends).toEqual([])
  await until(() => client.ends.length === 1 && server.ends.length === 1)
  await turns(5)
  expect([client.ends.map(({ code }) => code), server.ends.map(({ code }) => code)]).toEqual([[1006], [1006]])
  expect(server.link.localAddress).toBe(undefined)
})

test('the other side ends its half of the connection: so do we', async () => {
  const { client, server } = await tcpPair(cleanup)
  const watched = watch(webSocket(server, 'server'))
  client.resume()
  client.end(frame(2, '01', true))
  await until(() => watched.ends.length === 1)
  expect(watched.messages.map(hex)).toEqual(['01'])
  expect(watched.ends[0]).toEqual({ code: 1006, reason: 'the other side ended the connection' })
  await until(() => openSockets() === 0)
})

test('the connection is reset: 1006 with the reason', async () => {
  const { client, server } = await tcpPair(cleanup)
  const watched = watch(webSocket(server, 'server'))
  await turns(2)
  client.resetAndDestroy()
  await until(() => watched.ends.length === 1)
  expect(watched.ends[0]!.code).toBe(1006)
  expect(watched.ends[0]!.reason).toMatch(/ECONNRESET/)
})

test.each([0, 3])('a socket that is over already, and whose end was told or not (%i turns)', async (wait) => {
  const { client, server } = await tcpPair(cleanup)
  server.destroy()
  client.destroy()
  for (let tick = 0; tick < 100 && !server.closed; tick++) await new Promise((resolve) => process.nextTick(resolve))
  await turns(wait)
  const late = watch(webSocket(server, 'server', undefined, { head: frame(2, '01', true) }))
  await until(() => late.ends.length > 0)
  await turns(3)
  expect(late.messages).toEqual([])
  expect(late.ends.map(({ code }) => code)).toEqual([1006])
})

test.each([
  ['c200', 1002],
  ['8201aa', 1002],
  ['82ff0000000000100001', 1009],
  ['888400000000 03e8c328', 1007],
])(
  'RFC 6455 §7.1.7: after %s the other side is told %i, what is on its way is dropped, and then it is over',
  async (bytes, code) => {
    const { client, server } = await tcpPair(cleanup, true)
    const watched = watch(webSocket(server, 'server'))
    const heard: Buffer[] = []
    let hasEnded = false
    client.on('end', () => {
      hasEnded = true
    })
    client.on('data', (chunk: Buffer) => heard.push(chunk))
    client.write(unhex(bytes))
    client.write(Buffer.alloc(500_000))
    await until(() => Buffer.concat(heard).length >= 4)
    const expected = frameBytes({ opcode: 8, payload: closePayload(code, '') })
    expect([...Buffer.concat(heard)]).toEqual(expected)
    expect(watched.messages).toEqual([])
    await until(() => hasEnded)
    await turns(30)
    expect(watched.ends).toEqual([])
    client.end()
    await until(() => watched.ends.length === 1)
    expect(watched.ends[0]!.code).toBe(1006)
    expect(watched.ends[0]!.reason).toContain(`(${code})`)
  },
)

test('handlers may end the link inside a call: nothing more is delivered from that chunk', async () => {
  for (const end of ['terminate', 'close'] as const) {
    const { client, server } = await tcpPair(cleanup)
    const watched = watch(webSocket(server, 'server'))
    watched.link.onMessage = (message) => {
      watched.messages.push(message.slice())
      if (end === 'terminate') watched.link.terminate()
      else watched.link.close(1000, '')
    }
    client.write(Buffer.concat([frame(2, '01', true), frame(2, '02', true), frame(8, '03e8', true)]))
    client.resume()
    await until(() => watched.ends.length === 1)
    expect(watched.messages).toHaveLength(1)
    expect(watched.ends[0]!.code).toBe(end === 'close' ? 1000 : 1006)
  }
})

test('localAddress is numeric, an IPv4 address also on a socket for both families', async () => {
  const { client, server } = await linkPair()
  expect([client.link.localAddress, server.link.localAddress]).toEqual(['127.0.0.1', '127.0.0.1'])
  const stub = new StubSocket()
  Object.assign(stub, { localAddress: '::ffff:192.0.2.7' })
  const link = webSocket(stub.asSocket(), 'server')
  expect(link.localAddress).toBe('192.0.2.7')
  link.terminate()
})
