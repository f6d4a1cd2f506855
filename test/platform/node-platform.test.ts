import { expect, test } from 'vitest'
import { NodePlatform } from '../../src/platform/node/index.ts'
import type { UdpSocket } from '../../src/platform/platform.ts'

const platform = new NodePlatform()

function next(socket: UdpSocket): Promise<{ text: string; host: string; port: number }> {
  return new Promise((resolve) => {
    socket.onMessage = (data, host, port) => resolve({ text: Buffer.from(data).toString(), host, port })
  })
}

test('a datagram goes from a slice of a larger memory to a numeric address, and done is called at once', async () => {
  const left = await platform.bindUdp({ host: '127.0.0.1', port: 0 })
  const right = await platform.bindUdp({ host: '127.0.0.1', port: 0 })
  const arrived = next(right)
  let done = 0
  left.send(new TextEncoder().encode('..hello..'), 2, 5, '127.0.0.1', right.port, () => done++)
  expect(done).toBe(1)
  expect(left.queued).toBe(0)
  expect(await arrived).toEqual({ text: 'hello', host: '127.0.0.1', port: left.port })
  await Promise.all([left.close(), right.close()])
})

test('the receive buffer is asked for high and read back', async () => {
  const socket = await platform.bindUdp({ host: '127.0.0.1', port: 0 })
  expect(socket.receiveBufferSize).toBeGreaterThanOrEqual(212_992)
  await socket.close()
})

test('nobody listens, port 0, a name instead of an address, a closed socket: done is called and nothing is thrown', async () => {
  const gone = await platform.bindUdp({ host: '127.0.0.1', port: 0 })
  const { port } = gone
  await gone.close()
  const socket = await platform.bindUdp({ host: '127.0.0.1', port: 0 })
  let done = 0
  const count = (): number => done++
  const data = new Uint8Array(10)
  socket.send(data, 0, 10, '127.0.0.1', port, count)
  socket.send(data, 0, 10, '127.0.0.1', 0, count)
  socket.send(data, 0, 10, 'example.invalid', 9, count)
  await new Promise((resolve) => setTimeout(resolve, 10))
  const closing = socket.close()
  expect(socket.close()).toBe(closing)
  socket.send(data, 0, 10, '127.0.0.1', port, count)
  await closing
  expect(done).toBe(4)
})

test('binding a port in use rejects with the system error', async () => {
  const first = await platform.bindUdp({ host: '127.0.0.1', port: 0 })
  await expect(platform.bindUdp({ host: '127.0.0.1', port: first.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  await first.close()
})

test('the clock is monotonic, the random source fills everything, interfaces are numeric', () => {
  expect(platform.now()).toBeLessThanOrEqual(platform.now())
  const bytes = new Uint8Array(64)
  platform.random.fill(bytes)
  expect(bytes.some((value) => value !== 0)).toBe(true)
  for (const { host, family } of platform.interfaces()) expect(host.includes(':')).toBe(family === 6)
})

test('afterReactions: every promise reaction comes first, and no turn of the event loop passes', async () => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    setTimeout(() => {
      setImmediate(() => {
        order.push('turn')
        resolve()
      })
      platform.afterReactions(() => order.push('after'))
      const chain = async (): Promise<void> => {
        for (let step = 0; step < 5; step++) await Promise.resolve()
        order.push('chain')
      }
      void chain()
    }, 0)
  })
  expect(order).toEqual(['chain', 'after', 'turn'])
})

test('fast-path.md §4: 1,452 bytes on Linux, 1,200 elsewhere, 16,000 to ourselves', () => {
  expect(platform.maxDatagramSize).toBe(process.platform === 'linux' ? 1452 : 1200)
  expect(platform.maxLoopbackDatagramSize).toBe(16_000)
})

test('a datagram of 16,000 bytes to ourselves arrives whole', async () => {
  const [left, right] = [
    await platform.bindUdp({ host: '127.0.0.1', port: 0 }),
    await platform.bindUdp({ host: '127.0.0.1', port: 0 }),
  ]
  const arrived = new Promise<number>((resolve) => {
    right.onMessage = (data) => resolve(data.length)
  })
  left.send(new Uint8Array(16_000), 0, 16_000, '127.0.0.1', right.port, () => {})
  expect(await arrived).toBe(16_000)
  await Promise.all([left.close(), right.close()])
})
