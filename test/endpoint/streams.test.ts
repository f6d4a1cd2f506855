import { expect, test } from 'vitest'
import { bytes, closeAfterEach, connectedPair, text } from './pair.ts'

closeAfterEach()

function pattern(length: number): Uint8Array {
  const data = new Uint8Array(length)
  for (let index = 0; index < length; index++) data[index] = (index * 31 + (index >>> 8)) & 0xff
  return data
}

test('a bidirectional stream echoes, and both halves learn that they are over', async () => {
  const { near, far } = await connectedPair()
  const stream = await near.openBi()
  await stream.send.write(bytes('hello'))
  await stream.send.finish()
  const echo = await far.acceptBi()
  await echo.send.write(await echo.recv.readToEnd(100))
  await echo.send.finish()
  expect(text(await stream.recv.readToEnd(100))).toBe('hello')
  expect(await stream.send.closed).toEqual({ kind: 'finished' })
  expect(await stream.send.stopped).toBeUndefined()
  expect(await stream.recv.read()).toBeUndefined()
})

test('a unidirectional stream in both directions', async () => {
  const { near, far } = await connectedPair()
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    const send = await from.openUni()
    await send.write(bytes('one way'))
    await send.finish()
    const recv = await to.acceptUni()
    expect(recv.id).toBe(send.id)
    expect(text(await recv.readToEnd(100))).toBe('one way')
  }
})

test('more than all buffers hold: the writer waits for the reader, nothing is lost', async () => {
  const settings = { sendBuffer: 100_000, streamReceiveWindow: 50_000, maxStreamReceiveWindow: 50_000 }
  const { near, far } = await connectedPair({ settings }, { settings })
  const data = pattern(2_000_000)
  const send = await near.openUni()
  let isWritten = false
  const written = send.write(data).then(async () => {
    isWritten = true
    await send.finish()
  })
  const recv = await far.acceptUni()
  const first = await recv.read(10)
  expect(first?.length).toBe(10)
  expect(isWritten).toBe(false)
  const rest = await recv.readToEnd(data.length)
  await written
  expect(Buffer.compare(rest, data.subarray(10))).toBe(0)
})

test('writes that wait are sent in the order of the calls, finish included', async () => {
  const settings = { sendBuffer: 10_000 }
  const { near, far } = await connectedPair({ settings })
  const send = await near.openUni()
  const parts = Array.from({ length: 10 }, (_, index) => new Uint8Array(20_000).fill(index))
  const writes = parts.map((part) => send.write(part))
  const finished = send.finish()
  const all = await (await far.acceptUni()).readToEnd(200_000)
  await Promise.all([...writes, finished])
  for (let index = 0; index < 10; index++) {
    expect(all.subarray(index * 20_000, (index + 1) * 20_000).every((byte) => byte === index)).toBe(true)
  }
})

test('a write that comes while an earlier one waits never slips into it', async () => {
  const { near, far } = await connectedPair({ settings: { sendBuffer: 10_000 } })
  const send = await near.openUni()
  const first = new Uint8Array(200_000).fill(1)
  let isDone = false
  const writes = [
    send.write(first).then(() => {
      isDone = true
    }),
  ]
  const received = far.acceptUni().then((recv) => recv.readToEnd(10_000_000))
  while (!isDone) {
    // each that waits is woken with all others: a slow machine must not make it thousands
    if (writes.length < 300) writes.push(send.write(Uint8Array.of(2)))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(writes)
  await send.finish()
  const all = await received
  expect(writes.length).toBeGreaterThan(10)
  expect(all.length).toBe(first.length + writes.length - 1)
  expect(all.indexOf(2)).toBe(first.length)
})

test('readToEnd with a limit refuses more and stops the stream', async () => {
  const { near, far, client } = await connectedPair()
  const send = await near.openUni()
  await send.write(new Uint8Array(2000))
  const recv = await far.acceptUni()
  await expect(recv.readToEnd(1000)).rejects.toMatchObject({ code: 'TOO_LONG', streamId: send.id, peer: client.id })
  expect(await send.stopped).toBe(0)
  await expect(recv.read()).rejects.toMatchObject({ code: 'STREAM_STOPPED' })
})

test('reset: reads fail with the code, later writes with STREAM_RESET', async () => {
  const { near, far } = await connectedPair()
  const send = await near.openUni()
  await send.write(bytes('x'))
  const recv = await far.acceptUni()
  await recv.read()
  const read = recv.read()
  send.reset(42)
  send.reset(43)
  await expect(read).rejects.toMatchObject({ code: 'STREAM_RESET', closeCode: 42 })
  await expect(recv.read()).rejects.toMatchObject({ code: 'STREAM_RESET', closeCode: 42 })
  expect(await send.closed).toEqual({ kind: 'reset', code: 42 })
  await expect(send.write(bytes('y'))).rejects.toMatchObject({ code: expect.stringMatching(/^STREAM_(RESET|OVER)$/) })
})

test('stop: a waiting writer fails with the code', async () => {
  const { near, far } = await connectedPair({ settings: { sendBuffer: 10_000 } })
  const send = await near.openUni()
  const write = send.write(new Uint8Array(5_000_000))
  const recv = await far.acceptUni()
  await recv.read()
  recv.stop(7)
  await expect(write).rejects.toMatchObject({ code: 'STREAM_STOPPED', closeCode: 7 })
  expect(await send.stopped).toBe(7)
  await expect(send.write(bytes('y'))).rejects.toMatchObject({ code: 'STREAM_STOPPED', closeCode: 7 })
})

test('writing after finish is misuse', async () => {
  const { near } = await connectedPair()
  const send = await near.openUni()
  await send.write(bytes('x'))
  await send.finish()
  await expect(send.write(bytes('y'))).rejects.toMatchObject({
    code: expect.stringMatching(/^STREAM_(FINISHED|OVER)$/),
  })
})

test('for await gives the chunks, and leaving the loop stops the stream', async () => {
  const { near, far } = await connectedPair()
  const send = await near.openUni()
  await send.write(bytes('abc'))
  const recv = await far.acceptUni()
  for await (const chunk of recv) {
    expect(text(chunk)).toBe('abc')
    break
  }
  expect(await send.stopped).toBe(0)
})

test('the Web Streams of both halves', async () => {
  const { near, far } = await connectedPair()
  const send = await near.openUni()
  const writer = send.writable.getWriter()
  await writer.write(bytes('web '))
  await writer.write(bytes('streams'))
  await writer.close()
  const recv = await far.acceptUni()
  expect(await new Response(recv.readable).text()).toBe('web streams')
})

test('opening waits while the peer allows no more streams', async () => {
  const { near, far } = await connectedPair({}, { settings: { maxStreamsBidi: 2 } })
  const [first] = [await near.openBi(), await near.openBi()]
  await expect(near.openBi({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ name: 'TimeoutError' })
  let isOpen = false
  const third = near.openBi().then((stream) => {
    isOpen = true
    return stream
  })
  await first.send.finish()
  const accepted = await far.acceptBi()
  await accepted.recv.readToEnd(10)
  expect(isOpen).toBe(false)
  await accepted.send.finish()
  await first.recv.readToEnd(10)
  expect((await third).send.id).toBe(8)
})

test('an AbortSignal ends every wait with its reason, and the stream goes on', async () => {
  const { near, far } = await connectedPair({ settings: { sendBuffer: 10_000 } })
  const reason = new Error('enough')
  const aborted = AbortSignal.abort(reason)
  const later = (): AbortSignal => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(reason), 10)
    return controller.signal
  }
  const { send, recv } = await near.openBi()
  await send.write(bytes('x'))
  for (const signal of [aborted, later()]) {
    await expect(recv.read(10, { signal })).rejects.toBe(reason)
    await expect(recv.readToEnd(10, { signal })).rejects.toBe(reason)
    await expect(near.acceptBi({ signal })).rejects.toBe(reason)
    await expect(near.acceptUni({ signal })).rejects.toBe(reason)
    await expect(near.readDatagram({ signal })).rejects.toBe(reason)
  }
  const echo = await far.acceptBi()
  await echo.send.write(bytes('still here'))
  expect(text((await recv.read())!)).toBe('still here')
  const full = (await near.openUni()).write(new Uint8Array(5_000_000), { signal: later() })
  await expect(full).rejects.toBe(reason)
})

test('many streams at once', async () => {
  const { near, far } = await connectedPair()
  const echoing = (async () => {
    for (let count = 0; count < 200; count++) {
      const { send, recv } = await far.acceptBi()
      recv.readToEnd(10_000).then(async (data) => {
        await send.write(data)
        await send.finish()
      })
    }
  })()
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const { send, recv } = await near.openBi()
      await send.write(bytes(`stream ${index}`))
      await send.finish()
      return text(await recv.readToEnd(100))
    }),
  )
  await echoing
  expect(answers).toEqual(Array.from({ length: 200 }, (_, index) => `stream ${index}`))
})
