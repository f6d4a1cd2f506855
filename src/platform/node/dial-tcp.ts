/**
 * Opens a TCP connection to a host that may have addresses of both families (spec/relay.md §5.2; RFC 8305 in spirit): both looked up side by side,
 * attempts staggered and alternating between the families, the first to stand wins and the others are destroyed.
 */
import { lookup } from 'node:dns'
import { connect, isIP, type Socket } from 'node:net'
import { WebError } from '../web-error.ts'
import { ignoreError } from './socket-step.ts'

/** All ms, all of spec/relay.md §5.2. */
const LOOKUP_TIMEOUT_MS = 3000
const ATTEMPT_TIMEOUT_MS = 1500
const STAGGER_MS = 250
/** How long an address of the other family waits for the preferred one's. */
const PREFERENCE_MS = 50

/** An error message names this many different reasons. */
const MOST_REASONS = 4

export type Family = 4 | 6

/** Numeric addresses of one family; rejects when there are none. */
export type LookupFamily = (host: string, family: Family) => Promise<readonly string[]>

/** Asks the system, so that its hosts file and whatever else it is told to use count. */
export const lookupSystem: LookupFamily = (host, family) =>
  new Promise((resolve, reject) => {
    lookup(host, { family, all: true }, (error, found) => {
      if (error === null) resolve(found.map(({ address }) => address))
      else reject(error)
    })
  })

/**
 * The same, but whoever asks while an equal question is under way shares its answer. The system's look-ups cannot be called off and hold one of few
 * threads each: dialling again and again must not pile them up.
 */
export function sharedLookup(lookup: LookupFamily): LookupFamily {
  const underWay = new Map<string, Promise<readonly string[]>>()
  return (host, family) => {
    const question = `${family} ${host}`
    const asked = underWay.get(question)
    if (asked !== undefined) return asked
    const answer = lookup(host, family).finally(() => underWay.delete(question))
    underWay.set(question, answer)
    return answer
  }
}

export interface DialTcpOptions {
  /** A name, or a numeric address without brackets. */
  readonly host: string
  readonly port: number
  readonly preferIpv6: boolean
  readonly signal: AbortSignal
  readonly lookup: LookupFamily
  /** Begins a connection to a numeric address; default: Node's. */
  readonly connect?: (address: string, port: number) => Socket
}

const connectSystem = (address: string, port: number): Socket =>
  connect({ host: address, port, noDelay: true, autoSelectFamily: false })

/** Resolves with a connected socket without Nagle's delay. Rejects with WebError WEB_NAME or WEB_CONNECT, or the signal's reason. */
export function dialTcp(options: DialTcpOptions): Promise<Socket> {
  return new Promise((resolve, reject) => new TcpDial(options, resolve, reject).start())
}

/** Numeric addresses of both families, IPv4 first. Rejects with WebError WEB_NAME, or the signal's reason. */
export function resolveHost(host: string, lookup: LookupFamily, signal?: AbortSignal): Promise<readonly string[]> {
  if (isIP(host) !== 0) return Promise.resolve([host])
  return new Promise((resolve, reject) => {
    const found: Record<Family, readonly string[]> = { 4: [], 6: [] }
    const reasons: string[] = []
    let open = 2
    const settle = (): boolean => {
      if (open < 0) return false
      open = -1
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      return true
    }
    const finish = (): void => {
      if (!settle()) return
      const all = [...new Set([...found[4], ...found[6]])]
      if (all.length > 0) resolve(all)
      else reject(new WebError('WEB_NAME', `${host} has no address: ${describe(reasons)}`))
    }
    const onAbort = (): void => {
      if (settle()) reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      reasons.push(`no answer within ${LOOKUP_TIMEOUT_MS} ms`)
      finish()
    }, LOOKUP_TIMEOUT_MS)
    if (signal?.aborted) {
      onAbort()
      return
    }
    signal?.addEventListener('abort', onAbort)
    for (const family of [4, 6] as const) {
      lookup(host, family).then(
        (addresses) => {
          found[family] = addresses
          if (--open === 0) finish()
        },
        (error: Error) => {
          reasons.push(error.message)
          if (--open === 0) finish()
        },
      )
    }
  })
}

class TcpDial {
  readonly #options: DialTcpOptions
  readonly #resolve: (socket: Socket) => void
  readonly #reject: (error: unknown) => void
  readonly #preferred: Family
  /** Addresses not tried yet, in the order they came. */
  readonly #queues: Record<Family, string[]> = { 4: [], 6: [] }
  /** Families whose look-up has not ended. */
  readonly #lookups = new Set<Family>()
  readonly #attempts = new Map<Socket, ReturnType<typeof setTimeout>>()
  readonly #reasons: string[] = []
  #hadAddress = false
  /** Of the last attempt. */
  #family: Family | undefined = undefined
  #waitedForPreferred = false
  /** Until the next attempt may start. */
  #pause: ReturnType<typeof setTimeout> | undefined = undefined
  #lookupTimer: ReturnType<typeof setTimeout> | undefined = undefined
  #isOver = false

  constructor(options: DialTcpOptions, resolve: (socket: Socket) => void, reject: (error: unknown) => void) {
    this.#options = options
    this.#resolve = resolve
    this.#reject = reject
    this.#preferred = options.preferIpv6 ? 6 : 4
  }

  start(): void {
    const { host, signal, lookup } = this.#options
    if (signal.aborted) {
      this.#reject(signal.reason)
      return
    }
    signal.addEventListener('abort', this.#onAbort)
    const numeric = isIP(host)
    if (numeric !== 0) {
      this.#queues[numeric === 6 ? 6 : 4].push(host)
      this.#hadAddress = true
      this.#advance()
      return
    }
    this.#lookups.add(4).add(6)
    this.#lookupTimer = setTimeout(() => {
      this.#reasons.push(`no answer to the name look-up within ${LOOKUP_TIMEOUT_MS} ms`)
      this.#lookups.clear()
      this.#advance()
    }, LOOKUP_TIMEOUT_MS)
    for (const family of [4, 6] as const) {
      lookup(host, family).then(
        (addresses) => this.#found(family, addresses, undefined),
        (error: Error) => this.#found(family, [], error.message),
      )
    }
  }

  #found(family: Family, addresses: readonly string[], reason: string | undefined): void {
    if (this.#isOver || !this.#lookups.delete(family)) return
    if (this.#lookups.size === 0) clearTimeout(this.#lookupTimer)
    this.#queues[family].push(...addresses)
    if (addresses.length > 0) this.#hadAddress = true
    if (reason !== undefined) this.#reasons.push(reason)
    this.#advance()
  }

  /** Starts an attempt when one may start, and gives up when nothing can come any more. */
  #advance(): void {
    if (this.#isOver || (this.#pause !== undefined && this.#attempts.size > 0)) return
    const queues = this.#queues
    if (queues[4].length + queues[6].length === 0) {
      if (this.#lookups.size === 0 && this.#attempts.size === 0) this.#giveUp()
      return
    }
    const preferred = this.#preferred
    const isFirst = this.#family === undefined
    if (isFirst && queues[preferred].length === 0 && this.#lookups.has(preferred) && !this.#waitedForPreferred) {
      this.#pauseFor(PREFERENCE_MS)
      return
    }
    const wanted: Family = isFirst ? preferred : this.#family === 4 ? 6 : 4
    const other: Family = wanted === 4 ? 6 : 4
    this.#family = queues[wanted].length > 0 ? wanted : other
    this.#attempt(queues[this.#family].shift()!)
    clearTimeout(this.#pause)
    this.#pause = undefined
    this.#pauseFor(STAGGER_MS)
  }

  #pauseFor(ms: number): void {
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined
      this.#waitedForPreferred = true
      this.#advance()
    }, ms)
  }

  #attempt(address: string): void {
    const { port } = this.#options
    const socket = (this.#options.connect ?? connectSystem)(address, port)
    const timer = setTimeout(
      () => this.#failed(socket, `${address} port ${port} did not answer within ${ATTEMPT_TIMEOUT_MS} ms`),
      ATTEMPT_TIMEOUT_MS,
    )
    this.#attempts.set(socket, timer)
    socket.on('error', ignoreError)
    socket.once('error', (error) => this.#failed(socket, error.message))
    socket.once('connect', () => {
      if (!this.#attempts.has(socket)) return
      clearTimeout(timer)
      this.#attempts.delete(socket)
      socket.removeAllListeners('error')
      socket.on('error', ignoreError)
      this.#finish()
      this.#resolve(socket)
    })
  }

  #failed(socket: Socket, reason: string): void {
    const timer = this.#attempts.get(socket)
    if (timer === undefined) return
    clearTimeout(timer)
    this.#attempts.delete(socket)
    socket.destroy()
    this.#reasons.push(reason)
    this.#advance()
  }

  readonly #onAbort = (): void => {
    this.#finish()
    this.#reject(this.#options.signal.reason)
  }

  #giveUp(): void {
    const { host, port } = this.#options
    this.#finish()
    const why = describe(this.#reasons)
    this.#reject(
      this.#hadAddress
        ? new WebError('WEB_CONNECT', `cannot connect to ${host} port ${port}: ${why}`)
        : new WebError('WEB_NAME', `cannot connect to ${host}: it has no address: ${why}`),
    )
  }

  #finish(): void {
    this.#isOver = true
    this.#options.signal.removeEventListener('abort', this.#onAbort)
    clearTimeout(this.#pause)
    clearTimeout(this.#lookupTimer)
    for (const [socket, timer] of this.#attempts) {
      clearTimeout(timer)
      socket.destroy()
    }
    this.#attempts.clear()
  }
}

function describe(reasons: readonly string[]): string {
  const different = [...new Set(reasons)]
  const shown = different.slice(0, MOST_REASONS).join('; ')
  return different.length > MOST_REASONS ? `${shown}; and ${different.length - MOST_REASONS} more reasons` : shown
}
