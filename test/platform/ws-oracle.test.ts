import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { NodeWebSocket, WebSocketMemory, webSocketAccept } from '../../src/platform/node/index.ts'
import { Cleanup, listen, MAX_MESSAGE, openSockets, until, type Watched, watch } from './support/loopback.ts'
import { certificates, webClient } from './support/servers.ts'

const cleanup = new Cleanup()
afterEach(async () => {
  await cleanup.run()
  expect(openSockets()).toBe(0)
})

/** The other end, by another author. */
interface Other {
  readonly socket: WebSocket
  readonly heard: string[]
  readonly messages: Buffer[]
}

function listenTo(socket: WebSocket): Other {
  cleanup.add(socket)
  const other: Other = { socket, heard: [], messages: [] }
  socket.on('message', (data, isBinary) => {
    if (isBinary) other.messages.push(data as Buffer)
    else other.heard.push('text')
  })
  socket.on('ping', (data) => other.heard.push(`ping ${data.toString()}`))
  socket.on('pong', (data) => other.heard.push(`pong ${data.toString()}`))
  socket.on('close', (code, reason) => other.heard.push(`close ${code} ${reason.toString()}`))
  socket.on('error', () => {})
  return other
}

const PATHS = [
  ['our client, their server', false, 'client'],
  ['our client, their server, TLS', true, 'client'],
  ['their client, our server', false, 'server'],
  ['their client, our server, TLS', true, 'server'],
] as const

async function connect(usesTls: boolean, role: 'client' | 'server'): Promise<{ ours: Watched; theirs: Other }> {
  const server = usesTls ? createTlsServer(certificates) : createServer()
  cleanup.add(server)
  const scheme = usesTls ? 'wss' : 'ws'
  const port = await listen(server)
  if (role === 'client') {
    const accepting = new WebSocketServer({ server, maxPayload: MAX_MESSAGE, handleProtocols: () => 'second' })
    const accepted = new Promise<WebSocket>((resolve) => accepting.once('connection', resolve))
    const link = await webClient().openWebSocket({
      url: `${scheme}://relay.test:${port}/`,
      protocols: ['first', 'second'],
      maxMessageSize: MAX_MESSAGE,
    })
    cleanup.add(link)
    expect(link.protocol).toBe('second')
    return { ours: watch(link), theirs: listenTo(await accepted) }
  }
  const memory = new WebSocketMemory(2)
  const accepted = new Promise<Watched>((resolve) => {
    server.once('upgrade', (request, socket, head) => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${webSocketAccept(request.headers['sec-websocket-key']!)}\r\n\r\n`,
      )
      const options = { role, protocol: '', head, maxMessageSize: MAX_MESSAGE, memory } as const
      resolve(watch(cleanup.add(new NodeWebSocket(socket as Socket, options))))
    })
  })
  const theirs = listenTo(
    new WebSocket(`${scheme}://localhost:${port}/`, { ca: certificates.ca, maxPayload: MAX_MESSAGE }),
  )
  await until(() => theirs.socket.readyState === WebSocket.OPEN)
  return { ours: await accepted, theirs }
}

const SIZES = [0, 1, 125, 126, 1200, 16_384, 65_535, 65_536, 200_000, MAX_MESSAGE]

function content(size: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at++) bytes[at] = at * 13 + (at >> 8)
  return bytes
}

test.each(PATHS)('RFC 6455 §5: messages, fragments, text, pings, and the end; %s', async (_name, usesTls, role) => {
  const { ours, theirs } = await connect(usesTls, role)
  const sent = SIZES.map(content)
  for (const message of sent) {
    ours.link.send(message)
    theirs.socket.send(message)
  }
  theirs.socket.ping('are you there')
  theirs.socket.send('text', { fin: false })
  theirs.socket.send(' goes by')
  for (const [at, size] of [500, 0, 40_000].entries()) {
    theirs.socket.send(content(size), { fin: at === 2, binary: true })
    theirs.socket.ping(`between ${at}`)
  }
  await until(() => ours.messages.length === sent.length + 1 && theirs.messages.length === sent.length)
  expect(theirs.messages.every((message, at) => message.equals(sent[at]!))).toBe(true)
  expect(ours.messages.slice(0, -1).every((message, at) => sent[at]!.equals(message))).toBe(true)
  expect(Buffer.concat([content(500), content(40_000)]).equals(ours.messages.at(-1)!)).toBe(true)
  await until(() => theirs.heard.length === 4)
  expect(theirs.heard).toEqual(['pong are you there', 'pong between 0', 'pong between 1', 'pong between 2'])

  theirs.socket.close(4002, 'their end')
  await until(() => ours.ends.length === 1 && theirs.heard.length === 5)
  expect(ours.ends).toEqual([{ code: 4002, reason: 'their end' }])
  expect(theirs.heard.at(-1)).toBe('close 4002 ')
})

test.each(PATHS)('RFC 6455 §7: our end, and refusals either way; %s', async (_name, usesTls, role) => {
  const closing = await connect(usesTls, role)
  closing.ours.link.close(1012, 'a restart')
  await until(() => closing.ours.ends.length === 1 && closing.theirs.heard.length === 1)
  expect(closing.theirs.heard).toEqual(['close 1012 a restart'])
  expect(closing.ours.ends).toEqual([{ code: 1012, reason: 'a restart' }])

  const ending = await connect(usesTls, role)
  ending.ours.link.terminate()
  await until(() => ending.theirs.heard.length === 1)
  expect(ending.theirs.heard).toEqual(['close 1006 '])

  const flooded = await connect(usesTls, role)
  flooded.theirs.socket.send(Buffer.alloc(MAX_MESSAGE + 1))
  await until(() => flooded.ours.ends.length === 1 && flooded.theirs.heard.length === 1)
  expect(flooded.theirs.heard).toEqual(['close 1009 '])
  expect(flooded.ours.ends[0]!.reason).toMatch(/1009/)

  const flooding = await connect(usesTls, role)
  flooding.ours.link.send(new Uint8Array(MAX_MESSAGE + 1))
  await until(() => flooding.ours.ends.length === 1)
  expect(flooding.ours.ends[0]!.code).toBe(1009)
})

test.each(PATHS)('back-pressure and pauses; %s', async (_name, usesTls, role) => {
  const { ours, theirs } = await connect(usesTls, role)
  theirs.socket.pause()
  const message = content(50_000)
  for (let count = 0; count < 200; count++) ours.link.send(message)
  ours.link.flush()
  await until(() => ours.link.queuedBytes < 200 * 50_000)
  expect(ours.link.queuedBytes).toBeGreaterThan(1 << 20)
  theirs.socket.resume()
  await until(() => theirs.messages.length === 200)
  await until(() => ours.link.queuedBytes === 0)
  expect(ours.drains.count).toBeGreaterThan(0)

  ours.link.pause()
  for (let count = 0; count < 100; count++) theirs.socket.send(message)
  await until(() => theirs.socket.bufferedAmount > 0)
  const before = ours.messages.length
  ours.link.resume()
  await until(() => ours.messages.length === 100)
  expect(before).toBeLessThan(100)
})
