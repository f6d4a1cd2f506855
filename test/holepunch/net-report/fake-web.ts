/** HTTP in virtual time: relays that answer after so many ms, refuse, or say nothing. */
import { Alarms } from '../../../src/holepunch/net-report/alarms.ts'
import type { HttpAnswer, HttpGetOptions, Platform, WebClient, WebSocketLink } from '../../../src/platform/index.ts'

export interface FakeHost {
  /** Undefined: never answers. */
  latencyMs?: number
  /** Default 204. */
  status?: number
  /** The connection is refused, after the latency. */
  isRefused?: boolean
  headers?: Readonly<Record<string, string>>
}

export interface FakeRequest {
  readonly at: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

export class FakeWeb implements WebClient {
  canSetHeaders = true
  /** By the start of the URL, `http://relay.test/`. */
  readonly hosts = new Map<string, FakeHost>()
  readonly names = new Map<string, readonly string[]>()
  readonly requests: FakeRequest[] = []
  readonly lookUps: string[] = []
  /** Requests that nobody has aborted and that have no answer yet. */
  open = 0
  /** Set by tests of clients that do not do what they should. */
  isDeaf = false
  lookUpMs = 0
  readonly #platform: Pick<Platform, 'now' | 'createTimer'>
  readonly #alarms: Alarms

  constructor(platform: Pick<Platform, 'now' | 'createTimer'>) {
    this.#platform = platform
    this.#alarms = new Alarms(platform)
  }

  get({ url, headers = {}, signal }: HttpGetOptions): Promise<HttpAnswer> {
    this.requests.push({ at: this.#platform.now(), url, headers })
    const host = [...this.hosts].find(([start]) => url.startsWith(start))?.[1]
    if (this.isDeaf) return new Promise(() => {})
    return this.#later(host?.latencyMs, signal, () => {
      if (host?.isRefused === true) throw new Error(`cannot reach ${url}`)
      return {
        status: host?.status ?? 204,
        header: (name) => host?.headers?.[name.toLowerCase()],
      }
    })
  }

  resolve(name: string, signal?: AbortSignal): Promise<readonly string[]> {
    this.lookUps.push(name)
    return this.#later(this.lookUpMs, signal, () => {
      const found = this.names.get(name)
      if (found === undefined) throw new Error(`no such name: ${name}`)
      return found
    })
  }

  openWebSocket(): Promise<WebSocketLink> {
    return Promise.reject(new Error('no WebSockets here'))
  }

  #later<T>(ms: number | undefined, signal: AbortSignal | undefined, answer: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.open++
      const settle = (call: () => void): void => {
        this.open--
        call()
      }
      const cancel =
        ms === undefined
          ? () => {}
          : this.#alarms.after(ms, () => {
              settle(() => {
                try {
                  resolve(answer())
                } catch (error) {
                  reject(error)
                }
              })
              signal?.removeEventListener('abort', onAbort)
            })
      const onAbort = (): void => {
        cancel()
        settle(() => reject(signal!.reason))
      }
      if (signal?.aborted === true) onAbort()
      else signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
