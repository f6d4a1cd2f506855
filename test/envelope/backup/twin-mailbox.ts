/** The mailbox once more, slow and obvious: one list, and each rule as a sentence over it. */
import type { MailboxSettings, PutResult } from '../../../src/envelope/backup/mailbox.ts'
import type { StoredMessage } from '../../../src/envelope/backup/stored-message.ts'
import { HOUR } from './support.ts'

type Settings = Partial<MailboxSettings>

export class TwinMailbox {
  messages: StoredMessage[] = []
  readonly #self: string
  readonly #settings: Required<Settings>
  /** Senders in the order in which they began to have something. */
  #senders: string[] = []

  constructor(self: string, settings: Settings) {
    this.#self = self
    this.#settings = settings as Required<Settings>
  }

  get bytes(): number {
    return sum(this.messages)
  }

  deadline(): number {
    return Math.min(...this.messages.map(({ expiresAt }) => expiresAt))
  }

  put(message: StoredMessage, timestamp: number, wall: number): PutResult {
    const { maxMessages, maxBytes, maxPerRecipient, maxPerSender, maxOwnMessages, maxOwnBytes } = this.#settings
    const expiresAt = Math.min(message.expiresAt, timestamp + 24 * HOUR, wall + 24 * HOUR)
    const { length } = message.wire
    if (expiresAt <= wall) return { isKept: false, reason: 'expired' }
    if (length > maxBytes - maxOwnBytes) return { isKept: false, reason: 'too-large' }
    if (this.#find(message.id, message.from) !== undefined) return { isKept: false, reason: 'known' }
    const same = this.messages.filter(({ from }) => from === message.from)
    const isOwn = message.from === this.#self
    if (isOwn ? same.length >= maxOwnMessages || sum(same) + length > maxOwnBytes : same.length >= maxPerSender)
      return { isKept: false, reason: 'full-sender' }
    const pushedOut: StoredMessage[] = []
    const box = this.messages.filter(({ from, to }) => from !== this.#self && to === message.to)
    if (!isOwn && box.length >= maxPerRecipient) {
      const count = (key: string): number => box.filter(({ from }) => from === key).length
      const most = Math.max(...box.map(({ from }) => count(from)))
      if (most < count(message.from) + 2) return { isKept: false, reason: 'full-recipient' }
      this.#take(box.find(({ from }) => count(from) === most)!, pushedOut)
    }
    while (this.messages.length >= maxMessages)
      this.#take(
        this.#oldestOfFullest(message, (list) => list.length),
        pushedOut,
      )
    while (this.bytes + length > maxBytes) this.#take(this.#oldestOfFullest(message, sum), pushedOut)
    const kept = { ...message, expiresAt, holders: message.holders.slice(0, this.#settings.maxHolders) }
    this.messages.push(kept)
    if (!this.#senders.includes(kept.from)) this.#senders.push(kept.from)
    return { isKept: true, message: kept, pushedOut }
  }

  remove(id: string, from: string): StoredMessage | undefined {
    const message = this.#find(id, from)
    if (message !== undefined) this.#take(message, [])
    return message
  }

  noteHolder(id: string, from: string, holder: string): StoredMessage | undefined {
    const message = this.#find(id, from)
    if (message === undefined || message.holders.includes(holder)) return undefined
    if (message.holders.length >= this.#settings.maxHolders) return undefined
    const changed = { ...message, holders: [...message.holders, holder] }
    this.messages[this.messages.indexOf(message)] = changed
    return changed
  }

  expire(wall: number): StoredMessage[] {
    const expired = this.messages.filter(({ expiresAt }) => expiresAt <= wall)
    for (const message of expired) this.#take(message, [])
    return expired
  }

  #find(id: string, from: string): StoredMessage | undefined {
    return this.messages.find((message) => message.id === id && message.from === from)
  }

  #oldestOfFullest(added: StoredMessage, measure: (list: StoredMessage[]) => number): StoredMessage {
    const shares = this.#senders
      .filter((sender) => sender !== this.#self)
      .map((sender) => {
        const list = this.messages.filter(({ from }) => from === sender)
        return { list, share: measure(sender === added.from ? [...list, added] : list) }
      })
    const most = Math.max(...shares.map(({ share }) => share))
    return shares.find(({ share }) => share === most)!.list[0]!
  }

  #take(message: StoredMessage, pushedOut: StoredMessage[]): void {
    this.messages = this.messages.filter((kept) => kept !== message)
    if (!this.messages.some(({ from }) => from === message.from))
      this.#senders = this.#senders.filter((sender) => sender !== message.from)
    pushedOut.push(message)
  }
}

function sum(messages: readonly StoredMessage[]): number {
  return messages.reduce((bytes, { wire }) => bytes + wire.length, 0)
}
