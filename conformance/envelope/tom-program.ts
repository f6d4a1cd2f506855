/** A ToM node on native iroh, in a process of its own: `tom-native tom`, with types. What its commands and events mean is described in conformance/README.md. */

import type { MessageType } from '../../src/envelope/wire/message-type.ts'
import type { Json } from '../../test/envelope/wire/serde-bodies.ts'
import { NativeProgram } from '../native-program.ts'
import { bytesOf, hexOf, type SignatureState } from './envelope-program.ts'

/** Of an envelope to the node; keys are 64 hex digits. */
interface Arrived {
  /** Whose connection brought it. */
  readonly link: string
  readonly from: string
  readonly via: readonly string[]
  /** When it came. */
  readonly ttl: number
  readonly signature: SignatureState
}

export type TomEvent =
  | (Arrived & {
      readonly event: 'message'
      readonly id: string
      readonly type: MessageType
      readonly timestamp: number
      readonly encrypted: boolean
      readonly size: number
      /** The plaintext. */
      readonly hex: string
    })
  | (Arrived & { readonly event: 'ack'; readonly original: string; readonly kind: string })
  | (Arrived & { readonly event: 'read'; readonly original: string; readonly readAt: number })
  /** `listed`: it was named in `via`. */
  | {
      readonly event: 'forwarded'
      readonly link: string
      readonly id: string
      readonly type: MessageType
      readonly from: string
      readonly to: string
      readonly next: string
      readonly listed: boolean
    }
  /** Groups, backups, announcements: consumed, whoever they are for. */
  | {
      readonly event: 'other'
      readonly link: string
      readonly signature: SignatureState
      readonly envelope: { readonly id: string; readonly from: string; readonly to: string; readonly type: MessageType }
    }
  | { readonly event: 'duplicate'; readonly id: string; readonly from: string }
  | { readonly event: 'refused'; readonly link: string; readonly reason: string }
  | { readonly event: 'v1'; readonly link: string; readonly envelope: Json }
  | { readonly event: 'unsent'; readonly peer: string; readonly message: string }
  | {
      readonly event: 'announce'
      /** The last hop of gossip. */
      readonly from: string
      readonly announce: { readonly node_id: string; readonly username: string; readonly roles: readonly string[] }
    }
  | {
      readonly event: 'role-change'
      readonly from: string
      readonly change: { readonly node_id: string; readonly new_role: string }
      readonly valid: boolean
    }
  | { readonly event: 'unknown-gossip'; readonly from: string; readonly size: number; readonly hex: string }
  | { readonly event: 'neighbor-up' | 'neighbor-down'; readonly peer: string }
  | { readonly event: 'lagged' }

export interface NativeTomOptions {
  /** Default `native`. */
  readonly name?: string
  /** 64 hex digits; default fresh. */
  readonly secret?: string
  /** Tickets. */
  readonly bootstrap?: readonly string[]
  /** 64 hex digits. */
  readonly topic?: string
  /** Of gossip; default `/iroh-gossip/1`. */
  readonly alpn?: string
  /** Default 10,000, as upstream. */
  readonly announceMs?: number
  /** Answers as `tom-stress responder` does. */
  readonly isResponder?: boolean
  /** Without address discovery. */
  readonly relay?: string
  /** False: no UDP socket, so everything goes through the relay. */
  readonly ip?: boolean
  /** Messages are counted, not told. */
  readonly isQuiet?: boolean
  /** 10 messages a second from each author and 20 at once, as upstream; others are refused without a word to him. */
  readonly isRateLimited?: boolean
}

export interface TomDraft {
  readonly to: string
  readonly via?: readonly string[]
  /** Default Chat. */
  readonly type?: MessageType
  readonly payload: Uint8Array
  /** Default true for Chat. */
  readonly isEncrypted?: boolean
  readonly isUnsigned?: boolean
  readonly id?: string
  /** Default now. */
  readonly timestamp?: number
  readonly ttl?: number
}

export interface TomStatus {
  readonly ticket: string
  readonly neighbors: readonly string[]
  /** That it dialled. */
  readonly connections: number
  readonly received: number
  readonly sent: number
}

/** Stop it, or it lives as long as this process. */
export class NativeTom {
  readonly id: string
  readonly ticket: string
  readonly #program: NativeProgram<TomEvent>

  private constructor(program: NativeProgram<TomEvent>) {
    this.id = String(program.hello.id)
    this.ticket = String(program.hello.ticket)
    this.#program = program
  }

  /** `binary`: from `buildNative`. */
  static async start(binary: string, options: NativeTomOptions = {}): Promise<NativeTom> {
    return new NativeTom(await NativeProgram.start<TomEvent>(binary, ['tom', ...argsOf(options)], 'listening'))
  }

  get events(): readonly TomEvent[] {
    return this.#program.events
  }

  get pid(): number {
    return this.#program.pid
  }

  /** To the first hop, or straight to the recipient; returns the id and the bytes once they are written. Rejects with NativeError. */
  async send(draft: TomDraft): Promise<{ id: string; wire: Uint8Array }> {
    const { payload, type = 'Chat', isEncrypted = type === 'Chat', isUnsigned, ...rest } = draft
    const line = await this.#program.request({
      cmd: 'send',
      type,
      payload: hexOf(payload),
      encrypt: isEncrypted,
      unsigned: isUnsigned === true,
      ...rest,
    })
    return { id: String(line.id), wire: bytesOf(line.wire) }
  }

  /** Any bytes as one frame. */
  async sendFrame(to: string, frame: Uint8Array): Promise<void> {
    await this.#program.request({ cmd: 'send-frame', to, hex: hexOf(frame) })
  }

  /** A receipt for the message with that id. */
  async markRead(to: string, original: string): Promise<void> {
    await this.#program.request({ cmd: 'read', to, original })
  }

  async gossip(content: Uint8Array): Promise<void> {
    await this.#program.request({ cmd: 'gossip', hex: hexOf(content) })
  }

  async announce(): Promise<void> {
    await this.#program.request({ cmd: 'announce' })
  }

  /** Where peers are. */
  async addPeers(tickets: readonly string[]): Promise<void> {
    await this.#program.request({ cmd: 'add-peers', tickets })
  }

  async joinPeers(tickets: readonly string[]): Promise<void> {
    await this.#program.request({ cmd: 'join-peers', tickets })
  }

  async status(): Promise<TomStatus> {
    return (await this.#program.request({ cmd: 'status' })) as unknown as TomStatus
  }

  /** All of that kind so far. */
  all<E extends TomEvent['event']>(event: E): Extract<TomEvent, { event: E }>[] {
    return this.events.filter((each): each is Extract<TomEvent, { event: E }> => each.event === event)
  }

  /** The first event, past or future, that matches. Rejects after `limitMs`. */
  waitFor<E extends TomEvent['event']>(
    event: E,
    matches: (event: Extract<TomEvent, { event: E }>) => boolean = () => true,
    limitMs = 10_000,
  ): Promise<Extract<TomEvent, { event: E }>> {
    return this.#program.waitFor(event, matches, limitMs)
  }

  stop(): Promise<void> {
    return this.#program.stop()
  }
}

function argsOf(options: NativeTomOptions): string[] {
  const {
    bootstrap = [],
    relay,
    ip,
    isResponder,
    isQuiet,
    announceMs,
    name,
    topic,
    alpn,
    secret,
    isRateLimited,
  } = options
  const args: string[] = []
  const values = { name, topic, alpn, secret, 'announce-ms': announceMs }
  for (const [flag, value] of Object.entries(values)) if (value !== undefined) args.push(`--${flag}`, String(value))
  for (const ticket of bootstrap) args.push('--bootstrap', ticket)
  // a relay without address discovery: iroh would wait for it
  if (relay !== undefined) args.push('--relay', relay, '--relay-quic-port', 'none')
  if (ip === false) args.push('--no-ip')
  if (isResponder === true) args.push('--responder')
  if (isQuiet === true) args.push('--quiet')
  if (isRateLimited === true) args.push('--rate-limit')
  return args
}
