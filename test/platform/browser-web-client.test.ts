import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BrowserPlatform } from '../../src/platform/browser/index.ts'
import type { WebSocketOptions } from '../../src/platform/index.ts'
import { watch } from './support/loopback.ts'

/** A browser's WebSocket whose network is the test. */
class StubWebSocket {
  static readonly made: StubWebSocket[] = []
  readonly url: string
  readonly protocols: readonly string[]
  protocol = ''
  binaryType = 'blob'
  bufferedAmount = 0
  onopen: (() => void) | null = null
  onmessage: ((event: { data: unknown }) => void) | null = null
  onclose: ((event: { code: number; reason: string }) => void) | null = null
  readonly sent: (Uint8Array | string)[] = []
  readonly closed: unknown[][] = []
  constructor(url: string, protocols: readonly string[]) {
    if (protocols.includes('bad name')) throw new SyntaxError('a protocol that is no token')
    this.url = url
    this.protocols = protocols
    StubWebSocket.made.push(this)
  }
  send(data: Uint8Array | string): void {
    this.sent.push(data.slice())
    this.bufferedAmount += data.length
  }
  close(...values: unknown[]): void {
    if (typeof values[0] === 'number' && values[0] !== 1000 && (values[0] < 3000 || values[0] > 4999))
      throw new Error('InvalidAccessError')
    if (new TextEncoder().encode(String(values[1] ?? '')).length > 123) throw new SyntaxError('reason too long')
    this.closed.push(values)
  }
}

const { web } = new BrowserPlatform()
const OPTIONS: WebSocketOptions = {
  url: 'wss://relay.test/relay?token=a',
  protocols: ['two', 'one'],
  maxMessageSize: 100,
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  vi.stubGlobal('WebSocket', StubWebSocket)
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.unstubAllGlobals()
  StubWebSocket.made.length = 0
})

async function open(options: Partial<WebSocketOptions> = {}) {
  const opening = web.openWebSocket({ ...OPTIONS, ...options })
  const stub = StubWebSocket.made.at(-1)!
  stub.protocol = 'one'
  stub.onopen!()
  return { stub, ...watch(await opening) }
}

test('spec/relay.md §1.7: a WebSocket without headers, binary', async () => {
  expect(web.canSetHeaders).toBe(false)
  expect(web.resolve).toBe(undefined)
  const headers = vi.fn(() => ({ authorization: 'Bearer a' }))
  const { stub, link } = await open({ headers })
  expect([stub.url, stub.protocols, stub.binaryType]).toEqual([
    'wss://relay.test/relay?token=a',
    ['two', 'one'],
    'arraybuffer',
  ])
  expect(headers).not.toHaveBeenCalled()
  expect([link.protocol, link.localAddress]).toEqual(['one', undefined])
})

test('messages both ways; text is skipped while nobody wants it', async () => {
  const { stub, link, messages, ends } = await open()
  link.send(Uint8Array.of(1, 2, 3, 4), 1, 3)
  link.send(Uint8Array.of(5))
  link.flush()
  expect(stub.sent).toEqual([Uint8Array.of(2, 3), Uint8Array.of(5)])
  stub.onmessage!({ data: Uint8Array.of(7, 8).buffer })
  stub.onmessage!({ data: 'text' })
  stub.onmessage!({ data: 'x'.repeat(101) })
  stub.onmessage!({ data: new ArrayBuffer(0) })
  expect(messages).toEqual([Uint8Array.of(7, 8), new Uint8Array(0)])
  expect(ends).toEqual([])
  link.pause()
  link.resume()
})

test('RFC 6455 §5.6: text both ways; its size counts in bytes of UTF-8', async () => {
  const { stub, link, ends } = await open()
  const heard: string[] = []
  link.onText = (text) => heard.push(text)
  link.sendText('héllo')
  expect(stub.sent).toEqual(['héllo'])
  for (const data of ['hi', 'x'.repeat(100), '€'.repeat(33)]) stub.onmessage!({ data })
  expect([heard.map((text) => text.length), ends]).toEqual([[2, 100, 33], []])
  stub.onmessage!({ data: '€'.repeat(34) })
  expect([heard.length, ends, stub.closed.length]).toEqual([
    3,
    [{ code: 1006, reason: expect.stringContaining('102 bytes') }],
    1,
  ])
  link.sendText('too late')
  expect(stub.sent).toEqual(['héllo'])
})

test('a text of more characters than bytes are taken ends the link; a long queue of text is looked at until it drained', async () => {
  const tooLong = await open()
  tooLong.link.onText = () => {}
  tooLong.stub.onmessage!({ data: 'x'.repeat(101) })
  expect(tooLong.ends).toHaveLength(1)
  const { stub, link, drains } = await open()
  link.sendText('x'.repeat(70_000))
  stub.bufferedAmount = 0
  vi.advanceTimersByTime(20)
  expect(drains.count).toBe(1)
})

test('spec/relay.md §1.7: a refusal, whatever it was, is an error that names the host', async () => {
  const opening = web.openWebSocket(OPTIONS)
  StubWebSocket.made[0]!.onclose!({ code: 1006, reason: '' })
  await expect(opening).rejects.toMatchObject({
    name: 'WebError',
    code: 'WEB_CONNECT',
    message: expect.stringContaining('relay.test'),
    status: undefined,
  })
  await expect(web.openWebSocket({ ...OPTIONS, protocols: ['bad name'] })).rejects.toMatchObject({ code: 'WEB_URL' })
})

test('an abort before, during and after opening', async () => {
  const reason = new Error('enough')
  await expect(web.openWebSocket({ ...OPTIONS, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  expect(StubWebSocket.made).toHaveLength(0)
  const controller = new AbortController()
  const opening = web.openWebSocket({ ...OPTIONS, signal: controller.signal })
  controller.abort(reason)
  await expect(opening).rejects.toBe(reason)
  expect(StubWebSocket.made[0]!.closed).toEqual([[]])
  expect([StubWebSocket.made[0]!.onopen, StubWebSocket.made[0]!.onclose]).toEqual([null, null])
  const later = new AbortController()
  const { stub, ends } = await open({ signal: later.signal })
  later.abort()
  expect([stub.closed, ends]).toEqual([[], []])
})

test('queuedBytes is what the browser holds; onDrain comes once it has fell, and timers run only until then', async () => {
  const { stub, link, drains } = await open()
  link.send(new Uint8Array(1000))
  expect(link.queuedBytes).toBe(1000)
  expect(vi.getTimerCount()).toBe(0)
  link.send(new Uint8Array(100_000))
  link.send(new Uint8Array(100_000))
  expect(vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(50)
  expect(drains.count).toBe(0)
  stub.bufferedAmount = 65_536
  vi.advanceTimersByTime(10)
  expect([drains.count, vi.getTimerCount(), link.queuedBytes]).toEqual([1, 0, 65_536])
  link.send(new Uint8Array(1))
  link.terminate()
  expect(vi.getTimerCount()).toBe(1)
  await Promise.resolve()
  expect(link.queuedBytes).toBe(0)
})

test('the other side closes', async () => {
  const { stub, link, ends } = await open()
  stub.onclose!({ code: 1012, reason: 'a restart' })
  expect(ends).toEqual([{ code: 1012, reason: 'a restart' }])
  link.send(Uint8Array.of(1))
  link.close(1000, '')
  link.terminate()
  await Promise.resolve()
  expect([stub.sent, stub.closed, ends.length]).toEqual([[], [], 1])
})

test('our Close: the codes that pages may say, reasons that fit, nothing delivered meanwhile, 2 s at most', async () => {
  const said: [number, string, unknown[]][] = [
    [1000, 'bye', [1000, 'bye']],
    [4999, '', [4999, '']],
    [1002, 'no', []],
    [1012, 'a restart', []],
    [1000, 'é'.repeat(100), [1000, 'é'.repeat(61)]],
  ]
  for (const [code, reason, expected] of said) {
    const { stub, link, ends, messages } = await open()
    link.close(code, reason)
    link.close(4000, 'again')
    link.send(Uint8Array.of(1))
    stub.onmessage!({ data: new ArrayBuffer(1) })
    expect([stub.closed, stub.sent, messages, ends]).toEqual([[expected], [], [], []])
    stub.onclose!({ code, reason: '' })
    expect(ends).toEqual([{ code, reason: '' }])
    expect(vi.getTimerCount()).toBe(0)
  }
  const { link, ends } = await open()
  link.close(1000, '')
  vi.advanceTimersByTime(1999)
  expect(ends).toEqual([])
  vi.advanceTimersByTime(1)
  expect(ends).toMatchObject([{ code: 1006 }])
})

test('terminate: over at once, told a moment later, and once', async () => {
  const { stub, link, ends, messages } = await open()
  link.terminate()
  stub.onmessage!({ data: new ArrayBuffer(1) })
  expect(ends).toEqual([])
  await Promise.resolve()
  expect([ends.length, ends[0]!.code, messages, stub.closed]).toEqual([1, 1006, [], [[]]])
  expect([stub.onmessage, stub.onclose]).toEqual([null, null])
})

test('a message that is too large ends the link', async () => {
  const { stub, ends, messages } = await open()
  stub.onmessage!({ data: new ArrayBuffer(100) })
  stub.onmessage!({ data: new ArrayBuffer(101) })
  expect(messages).toHaveLength(1)
  expect(ends).toMatchObject([{ code: 1006, reason: expect.stringContaining('101 bytes') }])
  expect(stub.closed).toEqual([[]])
})

test('spec/relay.md §6.2: a probe by fetch: no cache, no cookies, no redirects; at most 8 KiB of the body', async () => {
  let pulls = 0
  let cancelled = false
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => {
        pulls++
        controller.enqueue(new Uint8Array(3000))
      },
      cancel: () => {
        cancelled = true
      },
    },
    { highWaterMark: 0 },
  )
  const fetched = vi.fn(async () => new Response(body, { status: 200, headers: { 'X-Test': 'a' } }))
  vi.stubGlobal('fetch', fetched)
  const { signal } = new AbortController()
  const answer = await web.get({ url: 'https://relay.test/ping', headers: { accept: '*/*' }, signal })
  expect([answer.status, answer.header('x-test'), answer.header('absent')]).toEqual([200, 'a', undefined])
  expect(fetched).toHaveBeenCalledWith('https://relay.test/ping', {
    headers: { accept: '*/*' },
    cache: 'no-store',
    credentials: 'omit',
    redirect: 'error',
    referrerPolicy: 'no-referrer',
    signal,
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect([pulls, cancelled]).toEqual([3, true])
})

test('a probe that fails, one that is aborted, and a body that breaks off', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('Failed to fetch')
  })
  await expect(web.get({ url: 'https://relay.test/ping' })).rejects.toMatchObject({
    code: 'WEB_CONNECT',
    message: 'cannot reach relay.test: Failed to fetch',
  })
  const controller = new AbortController()
  vi.stubGlobal('fetch', async () => {
    controller.abort(new Error('enough'))
    throw new DOMException('aborted', 'AbortError')
  })
  await expect(web.get({ url: 'https://relay.test/ping', signal: controller.signal })).rejects.toThrow('enough')
  await expect(web.get({ url: 'https://relay.test/ping', signal: controller.signal })).rejects.toThrow('enough')
  const broken = new ReadableStream({ pull: (stream) => stream.error(new Error('broke')) })
  vi.stubGlobal('fetch', async () => new Response(broken, { status: 404 }))
  expect((await web.get({ url: 'https://relay.test/ping' })).status).toBe(404)
  await new Promise((resolve) => setImmediate(resolve))
})
