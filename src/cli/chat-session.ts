/**
 * The talk of `tom chat`: commands of the input become messages, receipts and events are told, and the end of the input ends it once everything is delivered or kept by others. Knows
 * no network and no terminal: those are `chat.ts`'s and `chat-terminal.ts`'s.
 */
import { encodeUtf8, messageOf } from '../bytes/index.ts'
import type { ConnectTarget, WaitOptions } from '../endpoint/index.ts'
import type { IncomingMessage, NodePathEvent, PeerEvent, PeerInfo, ReceiptState } from '../envelope/index.ts'
import { type EndpointAddr, EndpointId, IdentityError, parseTarget } from '../identity/index.ts'
import { type ChatCommand, HELP } from './chat-command.ts'
import { Said, type SaidReceipt, type Unsettled } from './chat-said.ts'
import { findPeer } from './chat-who.ts'
import { Outbox } from './gossip-outbox.ts'
import { aborted, limited } from './run.ts'
import type { TalkReporter } from './tom-node-events.ts'
import { type BridgedReader, messageFields, pathOf, peerFields } from './tom-node-fields.ts'

/** Lines that may wait for a first peer; then the input waits. A guess. */
const MAX_WAITING = 256
/** Messages on their way at a time; then the input waits. A guess, far below what a node tracks. */
const MAX_OPEN = 256
/** Messages that may still be marked as read. */
const MAX_UNREAD = 1_000

/** What is needed of a `TomNode`. */
export interface TalkNode {
  readonly id: EndpointId
  send(to: ConnectTarget, bytes: Uint8Array): Promise<TalkReceipt>
  messages(options?: WaitOptions): AsyncIterable<IncomingMessage>
  peers(): readonly PeerInfo[]
  peer(id: EndpointId): PeerInfo | undefined
  peerEvents(options?: WaitOptions): AsyncIterable<PeerEvent>
  pathEvents(options?: WaitOptions): AsyncIterable<NodePathEvent>
}

/** What is needed of a `Receipt`. */
export interface TalkReceipt extends SaidReceipt, AsyncIterable<ReceiptState> {}

export interface TalkOptions {
  readonly node: TalkNode
  readonly reporter: TalkReporter
  /** Whom the talk is with; without it, with the first who comes. */
  readonly partner?: EndpointAddr
  /** Whoever sees the events is a person: what is told is read. Otherwise `read` says so. */
  readonly isRead: boolean
  /** After the end of the input, what is neither delivered nor kept by others is given up after this, ms. */
  readonly waitMs: number
  /** Then what others keep may still be delivered, or find a second keeper, within this, ms. */
  readonly keptGraceMs: number
  /** The end of the input is not the end: only an interruption is. */
  readonly isStaying: boolean
  readonly interrupted: AbortSignal
  /** Monotonic, ms. */
  now(): number
  /** Texts of the earlier stack, by a bridge that is trusted with them. Default: none are. */
  readonly readBridged?: BridgedReader
  /** For `/ticket`. */
  showTicket(): void
}

export interface TalkCounts {
  readonly said: number
  readonly delivered: number
  readonly kept: number
  readonly undelivered: number
  readonly received: number
}

type Target = EndpointAddr | EndpointId

interface Outgoing {
  readonly text: string
  /** Undefined: whoever the talk will be with. */
  readonly to: Target | undefined
}

export class Talk {
  readonly #options: TalkOptions
  readonly #outbox: Outbox<Outgoing>
  readonly #said = new Said()
  readonly #unread = new Map<string, IncomingMessage>()
  #partner: Target | undefined
  #lost = 0
  #received = 0

  constructor(options: TalkOptions) {
    this.#options = options
    this.#partner = options.partner
    this.#outbox = new Outbox({
      capacity: MAX_WAITING,
      isReady: () => this.#partner !== undefined && this.#said.openCount < MAX_OPEN,
      send: (line) => this.#send(line),
      lost: ({ text }, error) => this.#notSent(`not sent: ${JSON.stringify(excerpt(text))}: ${messageOf(error)}`),
    })
  }

  get counts(): TalkCounts {
    const { count, rest } = this.#said
    const kept = rest.filter(({ holders }) => holders > 0).length
    return {
      said: count,
      delivered: count - rest.length,
      kept,
      undelivered: rest.length - kept + this.#lost + this.#outbox.size,
      received: this.#received,
    }
  }

  /** What was said and is not delivered, oldest first. */
  get rest(): Unsettled[] {
    return this.#said.rest
  }

  /** Whom lines go to. */
  get partner(): EndpointId | undefined {
    return this.#partner === undefined ? undefined : idOf(this.#partner)
  }

  /**
   * Resolves when the talk is over: the input ended and what it said is delivered or kept by others (or `waitMs` went by), or it was interrupted. Rejects when the node ends under it. The
   * caller closes the node.
   */
  async run(commands: AsyncIterable<ChatCommand>): Promise<void> {
    const { interrupted, node } = this.#options
    const over = new AbortController()
    const { signal } = over
    if (this.#partner !== undefined) this.#tellPartner(idOf(this.#partner))
    const hearing = [
      each(node.peerEvents({ signal }), (event) => this.#onPeer(event), 'peers'),
      each(node.pathEvents({ signal }), (event) => this.#onPath(event), 'paths'),
      each(node.messages({ signal }), (message) => this.#onMessage(message), 'messages'),
    ]
    const talking = this.#talk(commands)
    // whichever loses ends by itself, when the node and the input are closed
    for (const task of [...hearing, talking]) task.catch(() => {})
    try {
      await Promise.race([...hearing, talking, aborted(interrupted)])
    } finally {
      over.abort(new Error('the talk is over'))
    }
  }

  /** Tells the sender that it was seen; nothing happens for a message that is not known or was marked before. */
  read(id: string, from?: string): void {
    for (const [key, message] of this.#unread) {
      if (message.id !== id || (from !== undefined && message.from.toString() !== from)) continue
      this.#unread.delete(key)
      message.markRead()
    }
  }

  // out

  async #talk(commands: AsyncIterable<ChatCommand>): Promise<void> {
    const { interrupted, isStaying } = this.#options
    for await (const command of commands) {
      if (command.kind === 'quit') return this.#drain()
      await this.#execute(command)
      if (interrupted.aborted) return
    }
    if (isStaying) return aborted(interrupted)
    return this.#drain()
  }

  async #execute(command: Exclude<ChatCommand, { kind: 'quit' }>): Promise<void> {
    const { reporter, node } = this.#options
    switch (command.kind) {
      case 'say':
        return this.#say(command.text, command.to)
      case 'to': {
        const target = this.#find(command.who)
        if (target !== undefined) this.#setPartner(target)
        return
      }
      case 'peers': {
        const peers = node.peers().map((peer) => ({ ...peerFields(peer), path: pathOf(peer) }))
        return reporter.event({ event: 'peers', peers })
      }
      case 'ticket':
        return this.#options.showTicket()
      case 'read':
        return this.read(command.id)
      case 'help':
        for (const line of HELP) reporter.note(line)
        return
      case 'too-long':
        return this.#notSent(`not sent: a line of ${command.bytes} bytes, which no message can carry`)
      case 'wrong':
        return reporter.note(command.note)
    }
  }

  async #say(text: string, who: string | undefined): Promise<void> {
    const { interrupted, reporter } = this.#options
    const to = who === undefined ? this.#partner : this.#find(who)
    if (who !== undefined && to === undefined) {
      this.#lost++
      return
    }
    if (to === undefined) reporter.event({ event: 'queued', text, waiting: this.#outbox.size + 1 })
    const line = { text, to }
    // while the others wait for somebody to come, this one knows where to go
    if (to !== undefined && this.#partner === undefined)
      await this.#send(line).catch((error) => this.#failedToSend(line, error))
    else if (!(await this.#outbox.put(line, interrupted))) this.#lost++
  }

  #failedToSend({ text }: Outgoing, error: unknown): void {
    this.#notSent(`not sent: ${JSON.stringify(excerpt(text))}: ${messageOf(error)}`)
  }

  #notSent(note: string): void {
    this.#lost++
    this.#options.reporter.note(note)
  }

  async #send({ text, to }: Outgoing): Promise<void> {
    const { node, reporter, now } = this.#options
    const target = to ?? this.#partner!
    const begin = now()
    const bytes = encodeUtf8(text)
    const receipt = await node.send(target, bytes)
    this.#said.add(receipt, excerpt(text))
    const id = idOf(target)
    reporter.event({ event: 'said', id: receipt.id, ...this.#addressee(id), text, bytes: bytes.length })
    this.#follow(receipt, id, begin)
  }

  /** Tells the states of a message from now on; never rejects. */
  async #follow(receipt: TalkReceipt, to: EndpointId, begin: number): Promise<void> {
    const { node, reporter, now } = this.#options
    try {
      for await (const { state, holders } of receipt) {
        const path = pathOf(node.peer(to))?.kind ?? null
        reporter.event({
          event: 'state',
          id: receipt.id,
          ...this.#addressee(to),
          state,
          holders,
          path,
          after_ms: round(now() - begin),
        })
        this.#settle(receipt)
      }
    } catch (error) {
      reporter.note(`message ${receipt.id}: ${messageOf(error)}`)
    }
    this.#settle(receipt)
  }

  #settle(receipt: TalkReceipt): void {
    this.#said.changed(receipt)
    this.#outbox.wake()
  }

  #addressee(id: EndpointId): { readonly to: string; readonly name: string } {
    return { to: id.toString(), name: this.#options.node.peer(id)?.name ?? '' }
  }

  /** Until nothing is on its way any more but what others keep. */
  async #drain(): Promise<void> {
    const { interrupted, reporter, waitMs, keptGraceMs } = this.#options
    const limit = limited(interrupted, waitMs)
    if (this.#outbox.size > 0 || this.#said.openCount > 0) reporter.note('waiting until everything is delivered')
    await this.#outbox.drained(limit)
    await this.#said.settled(limit, keptGraceMs)
  }

  // whom

  /** A peer that is known, or anybody by ticket or whole id. */
  #find(who: string): Target | undefined {
    const { node, reporter } = this.#options
    const known = node.peers().map((peer) => ({ id: peer.id.toString(), name: peer.name, peer }))
    const found = findPeer(known, who)
    let target: Target | undefined
    if ('peer' in found) target = found.peer.peer.id
    else target = stranger(who)
    if (target === undefined && 'problem' in found) reporter.note(found.problem)
    if (target === undefined || !idOf(target).equals(node.id)) return target
    reporter.note('that is you')
    return undefined
  }

  #setPartner(target: Target): void {
    this.#partner = target
    this.#tellPartner(idOf(target))
    this.#outbox.wake()
  }

  #tellPartner(id: EndpointId): void {
    const { node, reporter } = this.#options
    reporter.event({ event: 'to', id: id.toString(), name: node.peer(id)?.name ?? '' })
  }

  // in

  #onPeer({ kind, peer, name, role, isVerified }: PeerEvent): void {
    const { node, reporter } = this.#options
    const liveness = kind === 'changed' ? (node.peer(peer)?.liveness ?? 'online') : kind
    reporter.event({ event: 'peer', id: peer.toString(), name, liveness, role, verified: isVerified })
    if (this.#partner === undefined && liveness === 'online' && isVerified) this.#setPartner(peer)
  }

  #onPath({ peer, path }: NodePathEvent): void {
    const { node, reporter } = this.#options
    reporter.event({
      event: 'path',
      id: peer.toString(),
      name: node.peer(peer)?.name ?? '',
      path: pathOf({ path }),
    })
  }

  #onMessage(message: IncomingMessage): void {
    const { isRead, node, reporter } = this.#options
    this.#received++
    if (isRead) message.markRead()
    else this.#keepUnread(message)
    if (this.#partner === undefined) this.#setPartner(message.from)
    reporter.event({ event: 'message', ...messageFields(message, node, this.#options.readBridged) })
  }

  #keepUnread(message: IncomingMessage): void {
    this.#unread.set(`${message.from.toString()} ${message.id}`, message)
    if (this.#unread.size <= MAX_UNREAD) return
    const [oldest] = this.#unread.keys()
    this.#unread.delete(oldest!)
  }
}

/** Rejects when the source ends by itself. */
async function each<T>(source: AsyncIterable<T>, take: (item: T) => void, what: string): Promise<void> {
  for await (const item of source) take(item)
  throw new Error(`the node was closed: no more ${what}`)
}

function idOf(target: Target): EndpointId {
  return target instanceof EndpointId ? target : target.id
}

/** Somebody whom nobody told us of, by ticket or whole id. */
function stranger(who: string): EndpointAddr | undefined {
  try {
    return parseTarget(who)
  } catch (error) {
    if (error instanceof IdentityError) return undefined
    throw error
  }
}

function excerpt(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000
}
