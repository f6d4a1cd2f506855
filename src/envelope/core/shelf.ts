/** The mailbox with what hangs on it: whatever leaves it leaves the journal and the courier, too (L1d, L2a). */
import type { StoredMessage } from '../backup/stored-message.ts'
import type { PeerKey } from '../wire/envelope.ts'
import type { Context } from './context.ts'
import type { Courier } from './courier.ts'

export class Shelf {
  /** Set by whoever wants to know that a message of ours is kept no longer. */
  onOwnGone: (id: string) => void = () => {}
  readonly #context: Context
  readonly #courier: Courier

  constructor(context: Context, courier: Courier) {
    this.#context = context
    this.#courier = courier
  }

  /** What it was; undefined: it was not kept. */
  remove(id: string, from: PeerKey): StoredMessage | undefined {
    const message = this.#context.mailbox.remove(id, from)
    if (message !== undefined) this.#gone(id, from)
    return message
  }

  /** The mailbox has let them go by itself, to make room or because their day is over. */
  left(messages: readonly StoredMessage[]): void {
    for (const { id, from } of messages) this.#gone(id, from)
  }

  deadline(): number {
    const { clock, mailbox } = this.#context
    return clock.nowAt(mailbox.deadline())
  }

  tick(): void {
    const { clock, mailbox } = this.#context
    if (mailbox.deadline() <= clock.wall) this.left(mailbox.expire(clock.wall))
  }

  #gone(id: string, from: PeerKey): void {
    this.#courier.forget(id, from)
    if (from === this.#context.key) this.onOwnGone(id)
    this.#context.world.persist({ kind: 'drop', id, from }, () => {})
  }
}
