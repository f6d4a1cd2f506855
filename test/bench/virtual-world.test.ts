import { expect, test } from 'vitest'
import { VirtualWorld } from '../../bench/counts/virtual-world.ts'

test('datagrams take the link, in order and at its rate, and arrive once a turn', async () => {
  const world = new VirtualWorld()
  const [left, right] = [world.open('10.0.0.1'), world.open('10.0.0.2')]
  const arrived: [number, number, string][] = []
  const memory = new Uint8Array(8192).fill(7)
  const all = new Promise<void>((resolve) => {
    right.onMessage = (data, host) => {
      arrived.push([Math.round(world.now * 10) / 10, data.length, host])
      if (arrived.length === 40) resolve()
    }
  })
  let freed = 0
  // 1,250 bytes at 1 Gbit/s are 10 µs
  for (let index = 0; index < 40; index++) left.send(memory, 1250, 1250, '10.0.0.2', 4433, () => freed++)
  await world.run(all)
  expect(freed).toBe(40)
  expect(arrived.every(([, length, host]) => length === 1250 && host === '10.0.0.1')).toBe(true)
  const turns = new Map<number, number>()
  for (const [at] of arrived) turns.set(at, (turns.get(at) ?? 0) + 1)
  expect([...turns.values()].reduce((sum, count) => sum + count)).toBe(40)
  // 0.4 ms on the link, then 0.1 ms of delay: no turn has more than 0.1 ms of datagrams
  expect(Math.max(...turns.values())).toBeLessThanOrEqual(11)
  expect(turns.size).toBeGreaterThanOrEqual(4)
  expect(world.now).toBeGreaterThanOrEqual(1000.5)
})

test('a datagram goes to the socket with its address, and says who sent it', async () => {
  const world = new VirtualWorld()
  const sockets = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((host) => world.open(host))
  const arrived: [string, string, number][] = []
  const both = new Promise<void>((resolve) => {
    for (const socket of sockets)
      socket.onMessage = ([first], host) => {
        arrived.push([host, socket.host, first!])
        if (arrived.length === 2) resolve()
      }
  })
  sockets[0]!.send(Uint8Array.of(7), 0, 1, '10.0.0.3', 4433, () => {})
  sockets[1]!.send(Uint8Array.of(9), 0, 1, '10.0.0.3', 4433, () => {})
  // there is nobody: it is lost
  sockets[1]!.send(Uint8Array.of(8), 0, 1, '10.0.0.9', 4433, () => {})
  await world.run(both)
  expect(arrived).toEqual([
    ['10.0.0.1', '10.0.0.3', 7],
    ['10.0.0.2', '10.0.0.3', 9],
  ])
})

test('timers fire in virtual time, and a world in which nothing can happen says so', async () => {
  const world = new VirtualWorld()
  const platform = world.platform(1)
  const fired: number[] = []
  const timer = platform.createTimer(() => fired.push(world.now))
  timer.arm(5000)
  await expect(world.run(new Promise(() => {}))).rejects.toThrow(/nothing is left to happen, at 5000 ms/)
  expect(fired).toEqual([5000])
})

test('a seed gives the same randomness again, another seed another', () => {
  const draw = (seed: number): string => {
    const out = new Uint8Array(16)
    new VirtualWorld().platform(seed).random.fill(out)
    return Buffer.from(out).toString('hex')
  }
  expect(draw(1)).toBe(draw(1))
  expect(draw(1)).not.toBe(draw(2))
})
