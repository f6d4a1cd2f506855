/**
 * A port mapper in a host of the lab, over the real platform but for its clock, which the test may set forward. Says every mapping and every datagram
 * that reaches the mapped socket as a JSON line; takes `forward SECONDS`, `network`, `probe` and `close`.
 */
import { createInterface } from 'node:readline'
import { formatSocketAddress } from '../../src/bytes/index.ts'
import { PortMapper, probePortMapping } from '../../src/holepunch/index.ts'
import type { Timer } from '../../src/platform/index.ts'
import { LazyTimer } from '../../src/platform/lazy-timer.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'

/** A clock that leaps: whoever waits for a time it has passed is called. */
class LeapingPlatform extends NodePlatform {
  #leapt = 0
  readonly #armed = new Map<Timer, number>()

  override readonly now = (): number => performance.now() + this.#leapt

  override createTimer(callback: () => void): Timer {
    const inner = new LazyTimer(this.now, this.defer, () => {
      this.#armed.delete(timer)
      callback()
    })
    const timer: Timer = {
      arm: (at) => {
        this.#armed.set(timer, at)
        inner.arm(at)
      },
      cancel: () => {
        this.#armed.delete(timer)
        inner.cancel()
      },
    }
    return timer
  }

  leap(ms: number): void {
    this.#leapt += ms
    for (const [timer, at] of [...this.#armed]) {
      // it sleeps by the clock as it was
      timer.cancel()
      timer.arm(at)
    }
  }
}

const say = (line: unknown): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const platform = new LeapingPlatform()
const socket = await platform.bindUdp({ host: '0.0.0.0', port: 0 })
socket.onMessage = (data, host) => say({ event: 'datagram', text: Buffer.from(data).toString(), host })
const mapper = new PortMapper({
  platform,
  onChange: (mapping) =>
    say({
      event: 'mapping',
      protocol: mapping?.protocol ?? 'none',
      external: mapping === undefined ? '' : formatSocketAddress(mapping.external),
    }),
  onError: (error) => say({ event: 'error', error: String(error) }),
})
say({ event: 'ready', port: socket.port })
mapper.start(socket.port)

for await (const line of createInterface({ input: process.stdin })) {
  const [command, value] = line.split(' ')
  if (command === 'forward') platform.leap(Number(value) * 1000)
  else if (command === 'network') mapper.networkChanged()
  else if (command === 'probe')
    say({ event: 'probe', ...(await probePortMapping(platform, new AbortController().signal)) })
  else if (command === 'close') break
}
await mapper.close()
await socket.close()
say({ event: 'closed' })
// Then nothing is left, and the process ends by itself.
process.stdin.destroy()
