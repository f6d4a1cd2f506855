import { expect, test } from 'vitest'
import { ALPN, bind, bytes, closeAfterEach, connectedPair, text } from './pair.ts'

closeAfterEach()

test('both sides know each other, the protocol, and the path', async () => {
  const { near, far, client, server } = await connectedPair()
  expect(near.remoteId.equals(server.id)).toBe(true)
  expect(far.remoteId.equals(client.id)).toBe(true)
  expect([near.side, far.side]).toEqual(['client', 'server'])
  expect(near.alpn).toEqual(bytes(ALPN))
  expect(far.alpnText).toBe(ALPN)
  expect(near.paths()).toMatchObject([
    { id: 0, kind: 'direct', remote: server.boundAddresses()[0], selected: true, mtu: expect.any(Number) },
  ])
  expect(near.rtt()).toBeGreaterThan(0)
  const stream = await near.openBi()
  await stream.send.write(bytes('x'))
  expect(near.stats()).toMatchObject({ streamsOpened: 1 })
})

test('both sides export the same keying material', async () => {
  const { near, far } = await connectedPair()
  const context = bytes('context')
  expect(near.exportKeyingMaterial('label', context, 32)).toEqual(far.exportKeyingMaterial('label', context, 32))
})

test('datagrams both ways, and one that is too large', async () => {
  const { near, far } = await connectedPair()
  near.sendDatagram(bytes('ping'))
  expect(text(await far.readDatagram())).toBe('ping')
  await far.sendDatagramWait(bytes('pong'))
  expect(text(await near.readDatagram())).toBe('pong')
  const max = near.maxDatagramSize!
  expect(max).toBeGreaterThan(1100)
  near.sendDatagram(new Uint8Array(max))
  expect((await far.readDatagram()).length).toBe(max)
  expect(() => near.sendDatagram(new Uint8Array(65_000))).toThrow(/at most/)
})

test('a peer that takes no datagrams', async () => {
  const { near } = await connectedPair({}, { settings: { maxDatagramFrameSize: 0 } })
  expect(near.maxDatagramSize).toBeUndefined()
  expect(() => near.sendDatagram(bytes('x'))).toThrow(/no datagrams/)
})

test('close reasons: the closing side, and the other one', async () => {
  const { near, far, client, server } = await connectedPair()
  near.close(42, 'that was it')
  near.close(43, 'too late')
  expect(await near.closed).toMatchObject({ code: 'LOCALLY_CLOSED', closeCode: 42, peer: server.id })
  expect(await far.closed).toMatchObject({
    code: 'PEER_CLOSED',
    closeCode: 42,
    reason: 'that was it',
    peer: client.id,
    message: expect.stringContaining('that was it'),
  })
  expect(far.closeReason).toBe(await far.closed)
  far.close(1, '')
})

test('the server closes', async () => {
  const { near, far } = await connectedPair()
  far.close(7, bytes('bytes as reason'))
  expect(await near.closed).toMatchObject({ code: 'PEER_CLOSED', closeCode: 7, reason: 'bytes as reason' })
})

test('every wait is rejected when the connection ends', async () => {
  const settings = { sendBuffer: 10_000 }
  const { near, far } = await connectedPair({ settings }, { settings: { maxStreamsUni: 1 } })
  const { send, recv } = await near.openBi()
  await send.write(bytes('x'))
  const full = await near.openUni()
  const waits = [
    near.acceptBi(),
    near.acceptUni(),
    near.openUni(),
    near.readDatagram(),
    recv.read(),
    recv.readToEnd(10),
    full.write(new Uint8Array(5_000_000)),
  ]
  const results = Promise.allSettled(waits)
  far.close(9, 'bye')
  for (const result of await results) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'PEER_CLOSED', closeCode: 9 } })
  }
  expect(await send.closed).toMatchObject({ kind: 'connection-closed', error: { closeCode: 9 } })
  for (const late of [near.openBi(), near.acceptBi(), near.readDatagram(), send.write(bytes('y')), recv.read()]) {
    await expect(late).rejects.toMatchObject({ code: 'PEER_CLOSED' })
  }
  expect(() => near.sendDatagram(bytes('x'))).toThrow(expect.objectContaining({ code: 'PEER_CLOSED' }))
})

test('what arrived before the close can still be read', async () => {
  const { near, far } = await connectedPair()
  const send = await far.openUni()
  await send.write(bytes('last words'))
  await send.finish()
  const recv = await near.acceptUni()
  await expect.poll(() => near.stats().streamBytesReceived).toBe(10)
  far.close(0, '')
  await near.closed
  expect(text(await recv.readToEnd(100))).toBe('last words')
})

test('close codes that are none are refused', async () => {
  const { near } = await connectedPair()
  expect(() => near.close(-1)).toThrow(RangeError)
  expect(() => near.close(1.5)).toThrow(RangeError)
})

test('path events end with the connection', async () => {
  const { near, far } = await connectedPair()
  const events = near.pathEvents()
  far.close(0, '')
  const seen: string[] = []
  for await (const event of events) seen.push(event.type)
  expect(seen).toEqual(['closed'])
  expect(await near.pathEvents().next()).toEqual({ value: undefined, done: true })
})

test('leaving the path events early forgets the reader', async () => {
  const { near } = await connectedPair()
  const events = near.pathEvents()
  const pending = events.next()
  near.close(0, '')
  expect((await pending).value).toMatchObject({ type: 'closed', id: 0, kind: 'direct' })
  await events.return?.()
})

test('idle: a peer that is gone is noticed after the idle timeout; keep-alive holds a quiet connection open', async () => {
  // side by side, since both wait
  const [idle, alive] = await Promise.all(
    [
      { maxIdleTimeoutMs: 200, keepAliveMs: 0 },
      { maxIdleTimeoutMs: 300, keepAliveMs: 50 },
    ].map((settings) => connectedPair({ settings }, { settings })),
  )
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect(alive!.near.closeReason).toBeUndefined()
  expect(alive!.far.closeReason).toBeUndefined()
  const ended = { code: 'IDLE_TIMEOUT', message: expect.stringContaining('connect again') }
  expect(await idle!.near.closed).toMatchObject(ended)
})

test('two connections between the same endpoints are independent', async () => {
  const { client, server, near } = await connectedPair()
  const accepted = server.accept()
  const second = await client.connect(server.addr(), ALPN)
  const far = (await accepted)!
  near.close(1, '')
  await near.closed
  const stream = await second.openUni()
  await stream.write(bytes('alive'))
  expect(text((await (await far.acceptUni()).read())!)).toBe('alive')
})

test('over IPv6 loopback', async () => {
  const client = await bind({ bind: ['[::1]:0'] })
  const server = await bind({ bind: ['[::1]:0'] })
  const accepted = server.accept()
  const near = await client.connect(server.ticket(), ALPN)
  expect(near.paths()[0]?.remote).toBe(server.boundAddresses()[0])
  expect((await accepted)?.remoteId.equals(client.id)).toBe(true)
})

test('fast-path.md §4: a transfer to this very host grows the datagrams to 16,000 bytes, unless the settings say otherwise', async () => {
  for (const [settings, mtu] of [
    [{}, 16_000],
    [{ maxMtu: 1452 }, 1452],
  ] as const) {
    const { near, far } = await connectedPair({ settings })
    const send = await near.openUni()
    const received = far.acceptUni().then((recv) => recv.readToEnd(1_000_000))
    await send.write(new Uint8Array(1_000_000))
    await send.finish()
    expect((await received).length).toBe(1_000_000)
    await expect.poll(() => near.paths()[0]!.mtu).toBe(mtu)
  }
})
