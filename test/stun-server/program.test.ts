/** The server as the lab runs it: a program of its own, asked over the loopback. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { SideSockets, StunProber } from '../../src/holepunch/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'

const PROGRAM = fileURLToPath(new URL('./program.ts', import.meta.url))
const running = new Set<ReturnType<typeof spawn>>()

afterEach(() => {
  for (const child of running) child.kill('SIGKILL')
})

async function start(...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  running.add(child)
  child.once('exit', () => running.delete(child))
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return { child, ready: JSON.parse(line) as { event: string; addresses: string[] } }
}

async function ask(server: string) {
  const platform = new NodePlatform({ proxy: null })
  const sockets = await SideSockets.bind(platform, ['127.0.0.1'])
  const prober = new StunProber({ platform, driver: () => sockets })
  sockets.onMessage = (packet) => prober.onForeign(packet)
  try {
    return (await prober.probe([server])).samples
  } finally {
    prober.close()
    await sockets.close()
  }
}

test('one line when it is ready, answers, and an end in order', async () => {
  const { child, ready } = await start('--bind', '127.0.0.1:0', '--bind', '127.0.0.1:0')
  expect(ready).toEqual({
    event: 'ready',
    addresses: [expect.stringMatching(/^127\.0\.0\.1:\d+$/), expect.any(String)],
  })
  expect(await ask(ready.addresses[1]!)).toMatchObject([{ name: ready.addresses[1] }])
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  expect(await exit).toEqual([0, null])
})
