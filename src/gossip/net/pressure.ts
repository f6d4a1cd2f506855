/**
 * Back-pressure: who wants to broadcast waits while a neighbour's queue is full, but never for a peer that takes nothing, and not for long while others have
 * room (spec/gossip.md §3.9, §11.2 N3).
 */
import { WaitQueue } from '../../endpoint/index.ts'
import type { TimerOwner } from './deadlines.ts'
import type { Outbox } from './outbox.ts'
import type { NetSettings } from './settings.ts'

/** So long one slow neighbour may hold up an author whose other neighbours have room, ms. A guess. */
const PATIENCE_MS = 2_000

export interface PressureHost {
  readonly settings: NetSettings
  now(): number
  schedule<T>(at: number, owner: TimerOwner<T>, what: T): void
}

export class Pressure implements TimerOwner<undefined> {
  readonly #host: PressureHost
  /** Outboxes that are full, stalled or not. */
  readonly #full = new Set<Outbox>()
  readonly #news = new WaitQueue()
  #isChecking = false

  constructor(host: PressureHost) {
    this.#host = host
  }

  /** Undefined: there is room on all of `outboxes()`. Otherwise resolves when there is, or nobody should wait any longer. */
  room(topic: string, outboxes: () => Iterable<Outbox>): Promise<void> | undefined {
    for (const outbox of this.#full) if (outbox.topic === topic && outbox.isPressing) return this.#wait(outboxes)
    return undefined
  }

  changed(outbox: Outbox): void {
    if (outbox.isFull) this.#full.add(outbox)
    else this.#full.delete(outbox)
    if (!outbox.isPressing) this.#news.wake()
    this.#check()
  }

  /** Whoever waits looks again: all may be over. */
  wake(): void {
    this.#news.wake()
  }

  /** Looks for stalled peers, as long as there are full queues. */
  fire(): void {
    this.#isChecking = false
    for (const outbox of [...this.#full]) outbox.check()
    this.#news.wake()
    this.#check()
  }

  async #wait(outboxes: () => Iterable<Outbox>): Promise<void> {
    const since = this.#host.now()
    for (;;) {
      let isPressed = false
      let hasRoom = false
      for (const outbox of outboxes()) {
        if (outbox.isPressing) isPressed = true
        else if (!outbox.isFull) hasRoom = true
      }
      if (!isPressed || (hasRoom && this.#host.now() - since >= PATIENCE_MS)) return
      await this.#news.wait()
    }
  }

  #check(): void {
    if (this.#isChecking || this.#full.size === 0) return
    this.#isChecking = true
    this.#host.schedule(this.#host.now() + this.#host.settings.stallCheckMs, this, undefined)
  }
}
