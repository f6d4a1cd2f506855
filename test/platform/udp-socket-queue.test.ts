import { EventEmitter } from 'node:events'
import { expect, test, vi } from 'vitest'

/** A dgram socket whose send queue the test controls: loopback never fills one. */
class StubSocket extends EventEmitter {
  queue = 0
  grants = 1_000_000
  received = 0
  bind(_options: unknown, listening: () => void): void {
    setImmediate(listening)
  }
  address() {
    return { address: '127.0.0.1', port: 4433 }
  }
  setRecvBufferSize(bytes: number): void {
    if (bytes > this.grants) throw new Error('ENOBUFS')
    this.received = bytes
  }
  getRecvBufferSize(): number {
    return this.received
  }
  setSendBufferSize(): void {}
  getSendBufferSize(): number {
    return 1
  }
  getSendQueueCount(): number {
    return this.queue
  }
  send(): void {}
  close(callback: () => void): void {
    setImmediate(callback)
  }
}

const stubs: StubSocket[] = []
vi.mock('node:dgram', () => ({
  createSocket: () => {
    const stub = new StubSocket()
    stubs.push(stub)
    return stub
  },
}))
const { bindNodeUdp } = await import('../../src/platform/node/udp-socket.ts')

async function bind() {
  const socket = await bindNodeUdp({ host: '127.0.0.1', port: 0, receiveBufferSize: 6_000_000 })
  const stub = stubs[stubs.length - 1]!
  const done: number[] = []
  return {
    socket,
    stub,
    done,
    send: (name: number) => socket.send(new Uint8Array(9), 0, 9, 'x', 1, () => done.push(name)),
  }
}

test('a queued datagram keeps its buffer until the queue has let go of it, oldest first', async () => {
  const { socket, stub, done, send } = await bind()
  send(1)
  expect(done).toEqual([1])
  stub.queue = 1
  send(2)
  stub.queue = 2
  send(3)
  stub.queue = 3
  send(4)
  expect(socket.queued).toBe(3)
  expect(done).toEqual([1])
  stub.queue = 1
  await vi.waitFor(() => expect(done).toEqual([1, 2, 3]))
  stub.queue = 0
  await vi.waitFor(() => expect(done).toEqual([1, 2, 3, 4]))
  send(5)
  expect(done).toEqual([1, 2, 3, 4, 5])
  await socket.close()
})

test('closing gives every queued buffer back', async () => {
  const { socket, stub, done, send } = await bind()
  stub.queue = 1
  send(1)
  await socket.close()
  expect(done).toEqual([1])
})

test('a refused buffer size is halved until it is granted', async () => {
  const { socket } = await bind()
  expect(socket.receiveBufferSize).toBe(750_000)
  await socket.close()
})

test('spec/endpoint.md §11.4: single socket errors are ignored, eight in a row are reported once', async () => {
  const { socket, stub } = await bind()
  let reported = 0
  socket.onError = () => reported++
  for (let index = 0; index < 7; index++) stub.emit('error', new Error('ECONNRESET'))
  stub.emit('message', Buffer.alloc(1), { address: '127.0.0.1', port: 1 })
  for (let index = 0; index < 7; index++) stub.emit('error', new Error('ECONNRESET'))
  expect(reported).toBe(0)
  for (let index = 0; index < 5; index++) stub.emit('error', new Error('ECONNRESET'))
  expect(reported).toBe(1)
  await socket.close()
})
