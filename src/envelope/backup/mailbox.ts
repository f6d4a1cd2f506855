/**
 * Which undelivered messages we keep and for whom, ours and those that others asked us to keep (spec/envelope.md §6.1, BAK-2, BAK-6, L2a, L2b). In memory only: what shall
 * survive a crash is the journal's. Who may ask is not decided here: everything put in has been verified.
 */
import { LIFETIME_MS, MAX_ENVELOPE_LENGTH, type PeerKey } from '../wire/envelope.ts'
import type { StoredMessage } from './stored-message.ts'

export interface MailboxSettings {
  /** Messages in all (BAK-6). */
  readonly maxMessages: number
  /** Bytes of envelopes in all (BAK-6). */
  readonly maxBytes: number
  /** Of others, for one recipient (BAK-6). */
  readonly maxPerRecipient: number
  /** Of others, from one sender (BAK-6). */
  readonly maxPerSender: number
  /** Of our own, at most half of all, so that we stay of use to others; a guess. */
  readonly maxOwnMessages: number
  readonly maxOwnBytes: number
  /** Nodes remembered that keep a message besides us (spec/envelope.md §6.1). */
  readonly maxHolders: number
}

const DEFAULTS: MailboxSettings = {
  maxMessages: 10_000,
  maxBytes: 64 * 1024 * 1024,
  maxPerRecipient: 500,
  maxPerSender: 200,
  maxOwnMessages: 5_000,
  maxOwnBytes: 32 * 1024 * 1024,
  maxHolders: 5,
}

export type PutResult =
  /** `message` is what is kept: with its expiry clamped. `pushedOut` had to make room. */
  | { readonly isKept: true; readonly message: StoredMessage; readonly pushedOut: readonly StoredMessage[] }
  | {
      readonly isKept: false
      readonly reason: 'expired' | 'full-recipient' | 'full-sender' | 'too-large' | 'known'
    }

/** All messages of one sender, the oldest first. */
class Sender {
  readonly messages = new Map<string, StoredMessage>()
  bytes = 0
}

export class Mailbox {
  readonly #self: PeerKey
  readonly #settings: MailboxSettings
  /** The oldest first; replacing a message leaves it in its place. */
  readonly #messages = new Map<string, StoredMessage>()
  readonly #senders = new Map<PeerKey, Sender>()
  readonly #recipients = new Map<PeerKey, Set<string>>()
  #bytes = 0
  /** Nothing expires before; may be too early after a removal. */
  #deadline = Number.POSITIVE_INFINITY

  constructor(self: PeerKey, settings: Partial<MailboxSettings> = {}) {
    this.#self = self
    const wanted = { ...DEFAULTS, ...settings }
    // so that there is always something of others that can make room
    this.#settings = {
      ...wanted,
      maxOwnMessages: Math.min(wanted.maxOwnMessages, Math.floor(wanted.maxMessages / 2)),
      maxOwnBytes: Math.min(wanted.maxOwnBytes, Math.floor(wanted.maxBytes / 2)),
    }
  }

  get size(): number {
    return this.#messages.size
  }

  /** Of envelopes. */
  get bytes(): number {
    return this.#bytes
  }

  /** When `expire` may have something to do, ms since 1970; Infinity when there is nothing. */
  deadline(): number {
    return this.#deadline
  }

  /**
   * Keeps a message until the earliest of what it says, 24 h after its envelope's `timestamp`, and 24 h from now (BAK-2). A sender or a recipient who has too much is refused
   * more; when all is full, the oldest message of the sender who has most goes, never one of ours for one of others.
   */
  put(message: StoredMessage, timestamp: number, wall: number): PutResult {
    const expiresAt = Math.min(message.expiresAt, timestamp + LIFETIME_MS, wall + LIFETIME_MS)
    // the negation catches NaN
    if (!(expiresAt > wall)) return { isKept: false, reason: 'expired' }
    const { length } = message.wire
    const { maxBytes, maxOwnBytes } = this.#settings
    if (length > Math.min(MAX_ENVELOPE_LENGTH, maxBytes - maxOwnBytes)) return { isKept: false, reason: 'too-large' }
    const key = keyOf(message.id, message.from)
    if (this.#messages.has(key)) return { isKept: false, reason: 'known' }
    const pushedOut: StoredMessage[] = []
    if (message.from === this.#self) {
      if (!this.#hasOwnRoom(length)) return { isKept: false, reason: 'full-sender' }
    } else {
      if ((this.#senders.get(message.from)?.messages.size ?? 0) >= this.#settings.maxPerSender)
        return { isKept: false, reason: 'full-sender' }
      const box = this.#foreignFor(message.to)
      if (box.length >= this.#settings.maxPerRecipient) {
        const victim = this.#oldestOfCrowd(box, message.from)
        if (victim === undefined) return { isKept: false, reason: 'full-recipient' }
        this.#take(victim, pushedOut)
      }
    }
    this.#makeRoom(message, pushedOut)
    const holders = message.holders.slice(0, this.#settings.maxHolders)
    const kept: StoredMessage = { ...message, expiresAt, holders }
    this.#add(key, kept)
    return { isKept: true, message: kept, pushedOut }
  }

  /** What a journal held. The expiry stands as it was clamped when it was put in. Returns what could not be kept. */
  restore(messages: readonly StoredMessage[], wall: number): StoredMessage[] {
    const refused: StoredMessage[] = []
    for (const message of messages) {
      const result = this.put(message, Number.POSITIVE_INFINITY, wall)
      if (result.isKept) refused.push(...result.pushedOut)
      else refused.push(message)
    }
    return refused
  }

  get(id: string, from: PeerKey): StoredMessage | undefined {
    return this.#messages.get(keyOf(id, from))
  }

  has(id: string, from: PeerKey): boolean {
    return this.#messages.has(keyOf(id, from))
  }

  /** Ours and others', the oldest first. */
  forRecipient(to: PeerKey): readonly StoredMessage[] {
    const keys = this.#recipients.get(to)
    return keys === undefined ? [] : Array.from(keys, (key) => this.#messages.get(key)!)
  }

  /** Those with mail. */
  recipients(): Iterable<PeerKey> {
    return this.#recipients.keys()
  }

  /** Those we sent, the oldest first. */
  own(): StoredMessage[] {
    return [...(this.#senders.get(this.#self)?.messages.values() ?? [])]
  }

  /** The message as it is kept from now on; undefined when nothing changed: not kept, known, or more holders than are remembered. */
  noteHolder(id: string, from: PeerKey, holder: PeerKey): StoredMessage | undefined {
    const key = keyOf(id, from)
    const known = this.#messages.get(key)
    if (known === undefined || known.holders.includes(holder)) return undefined
    if (known.holders.length >= this.#settings.maxHolders) return undefined
    const changed: StoredMessage = { ...known, holders: [...known.holders, holder] }
    this.#messages.set(key, changed)
    this.#senders.get(from)!.messages.set(key, changed)
    return changed
  }

  remove(id: string, from: PeerKey): StoredMessage | undefined {
    const message = this.#messages.get(keyOf(id, from))
    if (message !== undefined) this.#delete(message)
    return message
  }

  /** Removes what has expired, and returns it. */
  expire(wall: number): StoredMessage[] {
    if (wall < this.#deadline) return []
    const expired: StoredMessage[] = []
    let deadline = Number.POSITIVE_INFINITY
    for (const message of this.#messages.values()) {
      if (message.expiresAt <= wall) expired.push(message)
      else if (message.expiresAt < deadline) deadline = message.expiresAt
    }
    for (const message of expired) this.#delete(message)
    this.#deadline = deadline
    return expired
  }

  #hasOwnRoom(length: number): boolean {
    const own = this.#senders.get(this.#self)
    if (own === undefined) return length <= this.#settings.maxOwnBytes
    return own.messages.size < this.#settings.maxOwnMessages && own.bytes + length <= this.#settings.maxOwnBytes
  }

  #foreignFor(to: PeerKey): StoredMessage[] {
    const messages: StoredMessage[] = []
    for (const key of this.#recipients.get(to) ?? []) {
      const message = this.#messages.get(key)!
      if (message.from !== this.#self) messages.push(message)
    }
    return messages
  }

  /** In the full box of a recipient: the oldest of whoever has most there, when that is at least two more than `from` has; else nobody shall make room. */
  #oldestOfCrowd(box: readonly StoredMessage[], from: PeerKey): StoredMessage | undefined {
    const counts = new Map<PeerKey, number>()
    for (const message of box) counts.set(message.from, (counts.get(message.from) ?? 0) + 1)
    let fullest = (counts.get(from) ?? 0) + 1
    let crowd: PeerKey | undefined
    for (const [sender, count] of counts) {
      if (count <= fullest) continue
      fullest = count
      crowd = sender
    }
    return crowd === undefined ? undefined : box.find((message) => message.from === crowd)
  }

  #makeRoom(message: StoredMessage, pushedOut: StoredMessage[]): void {
    while (this.#messages.size >= this.#settings.maxMessages) {
      this.#take(
        this.#oldestOfFullest(message.from, 1, (sender) => sender.messages.size),
        pushedOut,
      )
    }
    const { length } = message.wire
    while (this.#bytes + length > this.#settings.maxBytes) {
      this.#take(
        this.#oldestOfFullest(message.from, length, (sender) => sender.bytes),
        pushedOut,
      )
    }
  }

  /** Of others' messages. `from` counts with what it is about to add; where several have as much, the one whose name came first, which is the oldest sender. */
  #oldestOfFullest(from: PeerKey, added: number, measure: (sender: Sender) => number): StoredMessage {
    let fullest: Sender | undefined
    let most = 0
    for (const [key, sender] of this.#senders) {
      if (key === this.#self) continue
      const share = measure(sender) + (key === from ? added : 0)
      if (share <= most) continue
      most = share
      fullest = sender
    }
    // others have something: ours are at most half of what there is room for
    return fullest!.messages.values().next().value!
  }

  #take(victim: StoredMessage, pushedOut: StoredMessage[]): void {
    this.#delete(victim)
    pushedOut.push(victim)
  }

  #add(key: string, message: StoredMessage): void {
    this.#messages.set(key, message)
    let sender = this.#senders.get(message.from)
    if (sender === undefined) {
      sender = new Sender()
      this.#senders.set(message.from, sender)
    }
    sender.messages.set(key, message)
    sender.bytes += message.wire.length
    const box = this.#recipients.get(message.to)
    if (box === undefined) this.#recipients.set(message.to, new Set([key]))
    else box.add(key)
    this.#bytes += message.wire.length
    if (message.expiresAt < this.#deadline) this.#deadline = message.expiresAt
  }

  #delete(message: StoredMessage): void {
    const key = keyOf(message.id, message.from)
    this.#messages.delete(key)
    const sender = this.#senders.get(message.from)!
    sender.messages.delete(key)
    sender.bytes -= message.wire.length
    if (sender.messages.size === 0) this.#senders.delete(message.from)
    const box = this.#recipients.get(message.to)!
    box.delete(key)
    if (box.size === 0) this.#recipients.delete(message.to)
    this.#bytes -= message.wire.length
    if (this.#messages.size === 0) this.#deadline = Number.POSITIVE_INFINITY
  }
}

/** Keys have a fixed length: no two messages share one, whatever stands in their ids. */
function keyOf(id: string, from: PeerKey): string {
  return from + id
}
