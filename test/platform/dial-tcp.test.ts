import { EventEmitter } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { dialTcp, type Family, lookupSystem, resolveHost, sharedLookup } from '../../src/platform/node/dial-tcp.ts'
import { Cleanup, listen, openSockets, turns, until } from './support/loopback.ts'

const cleanup = new Cleanup()
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
afterEach(async () => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  await cleanup.run()
})

class StubSocket extends EventEmitter {
  destroyed = false
  destroy(): void {
    this.destroyed = true
  }
}

/** A dial whose look-ups and connections the test answers. */
class Stage {
  /** `address at ms`, in the order of the attempts. */
  readonly attempts: string[] = []
  readonly sockets: StubSocket[] = []
  readonly controller = new AbortController()
  outcome: { address: string } | { error: unknown } | undefined = undefined
  readonly #began = Date.now()
  readonly #lookups = new Map<Family, { resolve: (addresses: string[]) => void; reject: (error: Error) => void }>()

  constructor(options: { host?: string; preferIpv6?: boolean } = {}) {
    const dialled = dialTcp({
      host: options.host ?? 'relay.example',
      port: 443,
      preferIpv6: options.preferIpv6 ?? false,
      signal: this.controller.signal,
      lookup: (_host, family) => new Promise((resolve, reject) => this.#lookups.set(family, { resolve, reject })),
      connect: (address) => {
        const socket = new StubSocket()
        this.sockets.push(socket)
        this.attempts.push(`${address} at ${Date.now() - this.#began}`)
        return socket as unknown as Socket
      },
    })
    dialled.then(
      (socket) => {
        const index = this.sockets.indexOf(socket as unknown as StubSocket)
        this.outcome = { address: this.attempts[index]!.split(' ')[0]! }
      },
      (error: unknown) => {
        this.outcome = { error }
      },
    )
  }

  async found(family: Family, ...addresses: string[]): Promise<void> {
    this.#lookups.get(family)!.resolve(addresses)
    await settled()
  }

  async notFound(family: Family): Promise<void> {
    this.#lookups.get(family)!.reject(new Error(`getaddrinfo ENOTFOUND (${family})`))
    await settled()
  }

  async pass(ms: number): Promise<void> {
    vi.advanceTimersByTime(ms)
    await settled()
  }

  async connected(index: number): Promise<void> {
    this.sockets[index]!.emit('connect')
    await settled()
  }

  async fails(index: number, reason: string): Promise<void> {
    this.sockets[index]!.emit('error', new Error(reason))
    await settled()
  }

  get error(): unknown {
    return this.outcome !== undefined && 'error' in this.outcome ? this.outcome.error : undefined
  }
}

async function settled(): Promise<void> {
  for (let reaction = 0; reaction < 5; reaction++) await Promise.resolve()
}

test('spec/relay.md §5.2: the preferred family goes first, at once, then the families alternate every 250 ms', async () => {
  const stage = new Stage()
  await stage.found(4, '192.0.2.1', '192.0.2.2')
  expect(stage.attempts).toEqual(['192.0.2.1 at 0'])
  await stage.found(6, '2001:db8::1', '2001:db8::2')
  for (let step = 0; step < 4; step++) await stage.pass(250)
  expect(stage.attempts).toEqual(['192.0.2.1 at 0', '2001:db8::1 at 250', '192.0.2.2 at 500', '2001:db8::2 at 750'])
  await stage.connected(2)
  expect(stage.outcome).toEqual({ address: '192.0.2.2' })
  expect(stage.sockets.map(({ destroyed }) => destroyed)).toEqual([true, true, false, true])
  expect(stage.sockets[2]!.emit('error', new Error('nobody else listens'))).toBe(true)
})

test('spec/relay.md §5.2: IPv6 first when it is preferred', async () => {
  const stage = new Stage({ preferIpv6: true })
  await stage.found(6, '2001:db8::1')
  await stage.found(4, '192.0.2.1')
  await stage.pass(250)
  expect(stage.attempts).toEqual(['2001:db8::1 at 0', '192.0.2.1 at 250'])
  await stage.connected(0)
})

test('spec/relay.md §5.2: an address of the other family waits 50 ms for the preferred one', async () => {
  const waits = new Stage()
  await waits.found(6, '2001:db8::1')
  await waits.pass(49)
  expect(waits.attempts).toEqual([])
  await waits.pass(1)
  expect(waits.attempts).toEqual(['2001:db8::1 at 50'])
  await waits.found(4, '192.0.2.1')
  await waits.pass(250)
  expect(waits.attempts).toEqual(['2001:db8::1 at 50', '192.0.2.1 at 300'])
  await waits.connected(1)

  const inTime = new Stage()
  await inTime.found(6, '2001:db8::1')
  await inTime.pass(20)
  await inTime.found(4, '192.0.2.1')
  await inTime.pass(30)
  await inTime.pass(219)
  expect(inTime.attempts).toEqual(['192.0.2.1 at 20'])
  await inTime.pass(1)
  expect(inTime.attempts).toEqual(['192.0.2.1 at 20', '2001:db8::1 at 270'])
  await inTime.connected(0)
})

test('spec/relay.md §5.2: a host of one family only does not wait', async () => {
  const stage = new Stage()
  await stage.notFound(4)
  await stage.found(6, '2001:db8::1')
  expect(stage.attempts).toEqual(['2001:db8::1 at 0'])
  await stage.connected(0)

  const late = new Stage()
  await late.found(6, '2001:db8::1')
  await late.pass(10)
  await late.notFound(4)
  expect(late.attempts).toEqual(['2001:db8::1 at 10'])
  await late.connected(0)
})

test('spec/relay.md §5.2: the next attempt starts at once when none is left, not while another is under way', async () => {
  const stage = new Stage()
  await stage.found(4, '192.0.2.1', '192.0.2.2', '192.0.2.3')
  await stage.found(6)
  await stage.pass(10)
  await stage.fails(0, 'connect ECONNREFUSED 192.0.2.1:443')
  expect(stage.attempts).toEqual(['192.0.2.1 at 0', '192.0.2.2 at 10'])
  await stage.pass(250)
  expect(stage.attempts[2]).toBe('192.0.2.3 at 260')
  await stage.fails(1, 'refused')
  expect(stage.outcome).toBe(undefined)
  await stage.connected(2)
  expect(stage.outcome).toEqual({ address: '192.0.2.3' })
})

test('spec/relay.md §5.2: an attempt has 1.5 s; when all have failed, the error says why', async () => {
  const stage = new Stage()
  await stage.found(4, '192.0.2.1')
  await stage.notFound(6)
  await stage.pass(1499)
  expect(stage.outcome).toBe(undefined)
  await stage.pass(1)
  expect(stage.error).toMatchObject({ code: 'WEB_CONNECT' })
  expect((stage.error as Error).message).toMatch(/relay\.example port 443.*192\.0\.2\.1.*1500 ms/)
  expect(stage.sockets[0]!.destroyed).toBe(true)
})

test('look-ups that have ended are not blamed later', async () => {
  const stage = new Stage()
  await stage.found(4, ...Array.from({ length: 14 }, (_, at) => `192.0.2.${at}`))
  await stage.found(6)
  for (let step = 0; step < 20; step++) await stage.pass(250)
  expect(stage.attempts).toHaveLength(14)
  expect((stage.error as Error).message).toMatch(/and 10 more reasons$/)
  expect((stage.error as Error).message).not.toMatch(/look-up/)
  const one = new Stage()
  await one.found(4, '192.0.2.1', '192.0.2.2', '192.0.2.3')
  await one.notFound(6)
  for (let step = 0; step < 20; step++) await one.pass(250)
  expect((one.error as Error).message).not.toMatch(/look-up/)
})

test('an address that came after all others had failed is tried', async () => {
  const stage = new Stage()
  await stage.found(4, '192.0.2.1')
  await stage.fails(0, 'refused')
  await stage.pass(1000)
  expect(stage.outcome).toBe(undefined)
  await stage.found(6, '2001:db8::1')
  expect(stage.attempts[1]).toBe('2001:db8::1 at 1000')
  await stage.connected(1)
})

test('a host without addresses', async () => {
  const stage = new Stage()
  await stage.notFound(4)
  await stage.notFound(6)
  expect(stage.error).toMatchObject({ code: 'WEB_NAME' })
  expect((stage.error as Error).message).toMatch(/relay\.example.*ENOTFOUND/)
})

test('spec/relay.md §5.2: look-ups have 3 s', async () => {
  const stage = new Stage()
  await stage.pass(3000)
  expect(stage.error).toMatchObject({ code: 'WEB_NAME' })
  await stage.found(4, '192.0.2.1')
  expect(stage.attempts).toEqual([])

  const half = new Stage()
  await half.found(4, '192.0.2.1')
  await half.pass(250)
  await half.fails(0, 'refused')
  expect(half.outcome).toBe(undefined)
  await half.pass(2750)
  expect(half.error).toMatchObject({ code: 'WEB_CONNECT' })
})

test('an abort ends everything with its reason', async () => {
  const reason = new Error('the endpoint was closed')
  const stage = new Stage()
  await stage.found(4, '192.0.2.1', '192.0.2.2')
  await stage.pass(250)
  stage.controller.abort(reason)
  await settled()
  expect(stage.error).toBe(reason)
  expect(stage.sockets.map(({ destroyed }) => destroyed)).toEqual([true, true])

  const early = new Stage()
  early.controller.abort(reason)
  await settled()
  expect(early.error).toBe(reason)
  await early.found(4, '192.0.2.1')
  expect(early.attempts).toEqual([])

  const aborted = dialTcp({
    host: '127.0.0.1',
    port: 1,
    preferIpv6: false,
    signal: AbortSignal.abort(reason),
    lookup: lookupSystem,
  })
  await expect(aborted).rejects.toBe(reason)
})

test('a numeric address needs no look-up; the socket is real, and nothing else stays open', async () => {
  const listener = createServer()
  const port = await listen(listener)
  const accepted = new Promise<Socket>((resolve) => listener.once('connection', resolve))
  const socket = cleanup.add(
    await dialTcp({
      host: '127.0.0.1',
      port,
      preferIpv6: true,
      signal: new AbortController().signal,
      lookup: () => Promise.reject(new Error('not asked')),
    }),
  )
  expect(socket.remotePort).toBe(port)
  cleanup.add(await accepted)
  listener.close()
  expect(socket.listenerCount('error')).toBe(1)
})

test('nobody listens: the error has the system’s words', async () => {
  const listener = createServer()
  const port = await listen(listener)
  listener.close()
  await turns(2)
  const dialled = dialTcp({
    host: '127.0.0.1',
    port,
    preferIpv6: false,
    signal: new AbortController().signal,
    lookup: lookupSystem,
  })
  await expect(dialled).rejects.toMatchObject({ code: 'WEB_CONNECT', message: expect.stringMatching(/ECONNREFUSED/) })
  await until(() => openSockets() === 0)
})

test('resolveHost: both families, numeric addresses as they are, an abort, a silent resolver', async () => {
  const lookup = (_host: string, family: Family) =>
    family === 4 ? Promise.resolve(['192.0.2.1', '192.0.2.1']) : Promise.resolve(['2001:db8::1'])
  expect(await resolveHost('relay.example', lookup)).toEqual(['192.0.2.1', '2001:db8::1'])
  expect(await resolveHost('::1', lookup)).toEqual(['::1'])
  const none = () => Promise.reject(new Error('ENOTFOUND'))
  await expect(resolveHost('relay.example', none)).rejects.toMatchObject({ code: 'WEB_NAME' })
  const only = (_host: string, family: Family) => (family === 6 ? Promise.resolve(['2001:db8::1']) : none())
  expect(await resolveHost('relay.example', only)).toEqual(['2001:db8::1'])

  const never = () => new Promise<string[]>(() => {})
  await expect(resolveHost('relay.example', never, AbortSignal.abort(new Error('early')))).rejects.toThrow('early')
  const controller = new AbortController()
  const aborted = resolveHost('relay.example', never, controller.signal)
  controller.abort(new Error('later'))
  await expect(aborted).rejects.toThrow('later')
  const slow = resolveHost('relay.example', (_host, family) =>
    family === 4 ? Promise.resolve(['192.0.2.1']) : never(),
  )
  await settled()
  vi.advanceTimersByTime(3000)
  expect(await slow).toEqual(['192.0.2.1'])
  expect(await resolveHost('localhost', lookupSystem)).toContain('127.0.0.1')
})

test('equal questions to the system share one answer while it is awaited', async () => {
  const asked: string[] = []
  const answers: ((addresses: string[]) => void)[] = []
  const lookup = sharedLookup((host, family) => {
    asked.push(`${host} ${family}`)
    return new Promise((resolve, reject) => {
      answers.push((addresses) => (addresses.length > 0 ? resolve(addresses) : reject(new Error('ENOTFOUND'))))
    })
  })
  const first = [lookup('a.example', 4), lookup('a.example', 6), lookup('b.example', 4), lookup('a.example', 4)]
  expect(asked).toEqual(['a.example 4', 'a.example 6', 'b.example 4'])
  for (const answer of answers) answer(['192.0.2.1'])
  expect(await Promise.all(first)).toHaveLength(4)
  const again = lookup('a.example', 4)
  expect(asked).toHaveLength(4)
  answers[3]!([])
  await expect(again).rejects.toThrow('ENOTFOUND')
  void lookup('a.example', 4)
  expect(asked).toHaveLength(5)
})
