import { expect, test } from 'vitest'
import { parseResponseHead, readResponseHead, requestHead } from '../../src/platform/node/http-head.ts'
import { StubSocket, turns } from './support/loopback.ts'

const failed = (reason: string): Error => new Error(reason)

/** Gives a reader these chunks, each in a turn of its own. */
async function read(chunks: readonly string[], signal = new AbortController().signal) {
  const socket = new StubSocket()
  const reading = readResponseHead(socket.asSocket(), signal, failed)
  const outcome = reading.then(
    ({ head, rest }) => ({
      status: head.status,
      headers: Object.fromEntries(head.headers),
      rest: rest.toString('latin1'),
    }),
    (error: Error) => error.message,
  )
  for (const chunk of chunks) {
    socket.push(Buffer.from(chunk, 'latin1'))
    await turns(1)
  }
  return { socket, outcome }
}

test('RFC 9112 §3: a request line by line, and no way out of a line', () => {
  const lines: [string, string][] = [
    ['Host', 'a.example:8443'],
    ['X-Empty', ''],
  ]
  expect(requestHead('GET /a?b=c', lines)).toBe('GET /a?b=c HTTP/1.1\r\nHost: a.example:8443\r\nX-Empty: \r\n\r\n')
  for (const [name, value] of [
    ['a b', 'c'],
    ['a\r\nb', 'c'],
    ['', 'c'],
    ['authorization', 'Bearer x\r\nHost: evil'],
    ['authorization', 'Bearer \u{1f600}'],
    ['authorization', 'a\0b'],
  ] as const) {
    expect(() => requestHead('GET /', [[name, value]]), name).toThrow(expect.objectContaining({ code: 'WEB_URL' }))
  }
})

test('RFC 9112 §4, §5: a head, names in any case, values trimmed, equal names joined', () => {
  const head = parseResponseHead(
    'HTTP/1.1 101 Switching Protocols\r\nUPGRADE: websocket\r\nx-a:1\r\nX-B:\t 2 3 \r\nX-A: 4\r\nEmpty:',
  )
  expect(head).toMatchObject({ status: 101, statusText: 'Switching Protocols' })
  expect(typeof head === 'object' && Object.fromEntries(head.headers)).toEqual({
    upgrade: 'websocket',
    'x-a': '1, 4',
    'x-b': '2 3',
    empty: '',
  })
  expect(parseResponseHead('HTTP/1.1 204')).toMatchObject({ status: 204, statusText: '' })
  expect(parseResponseHead('HTTP/1.0 200 OK')).toMatchObject({ status: 200 })
  expect(parseResponseHead('HTTP/1.1 404 ')).toMatchObject({ status: 404 })
})

test.each([
  ['HTTP/2 200'],
  ['HTTP/1.1 20 OK'],
  ['HTTP/1.1 2000 OK'],
  ['HTTP/1.1 099 OK'],
  ['http/1.1 200 OK'],
  ['SSH-2.0-OpenSSH'],
  [' HTTP/1.1 200 OK'],
  ['HTTP/1.1 200 O\nK'],
  ['HTTP/1.1 200 OK\r\nno colon'],
  ['HTTP/1.1 200 OK\r\nspace before : x'],
  ['HTTP/1.1 200 OK\r\na: b\r\n folded'],
  ['HTTP/1.1 200 OK\r\na: b\nc: d'],
  ['HTTP/1.1 200 OK\r\na: b\rc'],
  ['HTTP/1.1 200 OK\r\na: \0'],
  ['HTTP/1.1 200 OK\r\n: b'],
  [`HTTP/1.1 200 OK${'\r\na: b'.repeat(201)}`],
])('RFC 9112 §2.2, §5.1, §5.2: %j is refused', (text) => {
  expect(parseResponseHead(text)).toEqual(expect.any(String))
})

test('a line of blanks takes no longer than any other: this test would take minutes', () => {
  for (const line of [`a: x${' '.repeat(16_000)}y`, `a:${' '.repeat(16_000)}x`, `a:${' \t'.repeat(8000)}\0`]) {
    for (let count = 0; count < 300; count++) parseResponseHead(`HTTP/1.1 200 OK\r\n${line}`)
  }
  const head = parseResponseHead('HTTP/1.1 200 OK\r\na: \t\r\nb:\xa0c\t')
  expect(typeof head === 'object' && Object.fromEntries(head.headers)).toEqual({ a: '', b: '\xa0c' })
})

test('a head that comes byte by byte, and what stands behind it', async () => {
  const text = 'HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest'
  const { socket, outcome } = await read([...text.slice(0, -4), text.slice(-4)])
  expect(await outcome).toEqual({ status: 200, headers: { a: 'b' }, rest: '' })
  expect(socket.isPaused()).toBe(true)
  expect(socket.read().toString()).toBe('rest')
  const joined = await read([text])
  expect(await joined.outcome).toEqual({ status: 200, headers: { a: 'b' }, rest: 'rest' })
  expect(joined.socket.eventNames().filter((name) => ['data', 'error', 'end', 'close'].includes(String(name)))).toEqual(
    [],
  )
})

test('RFC 9110 §15.2: informational answers are passed over, a few of them', async () => {
  const { outcome } = await read([
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 101 Up\r\n\r\n\x82\0',
  ])
  expect(await outcome).toEqual({ status: 101, headers: {}, rest: '\x82\0' })
  const many = await read(['HTTP/1.1 100 Continue\r\n\r\n'.repeat(9)])
  expect(await many.outcome).toBe('too many informational answers')
  expect(many.socket.destroyed).toBe(true)
})

test('a head larger than 16 KiB is refused, however it comes', async () => {
  const line = `a: ${'x'.repeat(1000)}\r\n`
  for (const chunks of [
    ['HTTP/1.1 200 OK\r\n', ...Array<string>(17).fill(line)],
    [`HTTP/1.1 200 OK\r\n${line.repeat(17)}\r\n`],
  ]) {
    const { socket, outcome } = await read(chunks)
    expect(await outcome).toMatch(/larger than 16384 bytes/)
    expect(socket.destroyed).toBe(true)
  }
  const { outcome } = await read([`HTTP/1.1 200 OK\r\n${line.repeat(16)}\r\n`])
  expect(await outcome).toMatchObject({ status: 200 })
})

test('an end, an error, a close, an abort: each is the outcome, and the socket is destroyed', async () => {
  const ended = await read(['HTTP/1.1 200'])
  ended.socket.push(null)
  expect(await ended.outcome).toBe('the other side ended the connection')
  const broken = await read([])
  broken.socket.on('error', () => {})
  broken.socket.destroy(new Error('read ECONNRESET'))
  expect(await broken.outcome).toBe('read ECONNRESET')
  const closed = await read([])
  closed.socket.destroy()
  expect(await closed.outcome).toBe('the connection was closed')
  const controller = new AbortController()
  const aborted = await read(['HTTP/1.1 2'], controller.signal)
  controller.abort(new Error('enough'))
  expect(await aborted.outcome).toBe('enough')
  for (const { socket } of [ended, broken, closed, aborted]) expect(socket.destroyed).toBe(true)
  expect(await (await read([], AbortSignal.abort(new Error('before')))).outcome).toBe('before')
})
