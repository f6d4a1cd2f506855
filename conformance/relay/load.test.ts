/**
 * The load generator of the relay benchmarks at a relay that is made to do wrong: what is lost must be counted, what is changed must be an error. Nothing of the
 * product takes part.
 */
import { execFile } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'

const { TOM_NATIVE: native } = process.env
if (native === undefined) throw new Error('TOM_NATIVE is not set: start this with `npm run conformance`')

/** What happens to the `index`-th datagram frame: it is forwarded as it is returned, or lost. */
type Treatment = (frame: Buffer, index: number) => Buffer | undefined

/** Believes every client, and knows nothing but datagrams. Returns `ip:port`. */
async function start(treat: Treatment): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  const clients = new Map<string, WebSocket>()
  let forwarded = 0
  server.on('connection', (socket) => {
    let own: Buffer | undefined
    socket.send(Buffer.alloc(17))
    socket
      .on('error', () => {})
      .on('message', (message: Buffer) => {
        const peer = message.subarray(1, 33)
        if (own === undefined) {
          own = Buffer.from(peer)
          clients.set(own.toString('hex'), socket)
          socket.send(Buffer.of(2))
          return
        }
        const frame = Buffer.from(message)
        own.copy(frame, 1)
        frame[0]! += 2
        const treated = treat(frame, forwarded++)
        if (treated !== undefined) clients.get(peer.toString('hex'))?.send(treated)
      })
  })
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Said {
  readonly event: string
  readonly message?: string
  readonly [name: string]: unknown
}

async function load(address: string, ...args: readonly string[]): Promise<Said> {
  const all = ['relay-load', '--server', address, '--ms', '200', '--warm-up-ms', '50', ...args]
  const { stdout } = await promisify(execFile)(native as string, all).catch((error: { stdout: string }) => error)
  return JSON.parse(stdout) as Said
}

test('nothing lost: what was sent is what came', async () => {
  const address = await start((frame) => frame)
  const result = await load(address, '--do', 'forward', '--batch', '10', '--pairs', '3')
  expect(result).toMatchObject({ event: 'result', lost: 0 })
  expect(result.datagrams).toBeGreaterThan(100)
  expect(result.bytes).toBe((result.datagrams as number) * 1200)
})

test('every tenth frame lost: a tenth is counted as lost', async () => {
  const address = await start((frame, index) => (index % 10 === 9 ? undefined : frame))
  const { sent, lost } = await load(address, '--do', 'forward', '--size', '100')
  expect((lost as number) / (sent as number)).toBeCloseTo(0.1, 2)
})

test.each<[string, Treatment]>([
  ['a byte of the contents', (frame) => frame.fill(0, 500, 501)],
  ['the sender', (frame) => frame.fill(0, 1, 33)],
  ['the length', (frame) => frame.subarray(0, -1)],
])('%s changed: an error', async (_, treat) => {
  const address = await start((frame, index) => (index === 20 ? treat(frame, index) : frame))
  expect(await load(address, '--do', 'forward')).toMatchObject({
    event: 'error',
    message: '1 frames did not arrive as they were sent',
  })
})

test('round trips: a relay that waits 5 ms each way adds 10 ms', async () => {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  const address = await start((frame) => {
    Atomics.wait(pause, 0, 0, 5)
    return frame
  })
  const { p50Us } = await load(address, '--do', 'latency', '--count', '20', '--warm-ups', '2')
  expect(p50Us).toBeGreaterThan(10_000)
  expect(p50Us).toBeLessThan(20_000)
  expect((await load(address, '--do', 'latency', '--direct', '--count', '20')).p50Us).toBeLessThan(5_000)
})

test('accepts: those that were denied are none', async () => {
  const address = await start((frame) => frame)
  expect((await load(address, '--do', 'accept', '--sources', '50')).accepts).toBeGreaterThan(10)
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  server.on('connection', (socket) => socket.send(Buffer.from('\x03\x02no', 'latin1')))
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const denied = await load(`127.0.0.1:${(server.address() as AddressInfo).port}`, '--do', 'accept')
  expect(denied).toMatchObject({ event: 'error', message: expect.stringContaining('denied') })
})
