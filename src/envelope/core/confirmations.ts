/**
 * Tells those who keep a message that they need not any more: each holder straight, and the swarm, for holders we do not know of. Collected for a moment, so that many
 * deliveries are one word (spec/envelope.md §6, BAK-3).
 */
import { encodeIdList } from '../wire/body-codec.ts'
import type { PeerKey } from '../wire/envelope.ts'
import { type Context, sendSigned } from './context.ts'

export class Confirmations {
  readonly #context: Context
  readonly #ofHolders = new Map<PeerKey, string[]>()
  readonly #ofSwarm: string[] = []
  #dueAt = Number.POSITIVE_INFINITY

  constructor(context: Context) {
    this.#context = context
  }

  /** `holder` keeps `id`, which is delivered. */
  tell(holder: PeerKey, id: string): void {
    const ids = this.#ofHolders.get(holder)
    if (ids === undefined) this.#ofHolders.set(holder, [id])
    else ids.push(id)
    this.#arm()
  }

  /** Somebody we do not know may keep `id`, which we have. */
  tellAll(id: string): void {
    this.#ofSwarm.push(id)
    this.#arm()
  }

  deadline(): number {
    return this.#dueAt
  }

  tick(): void {
    if (this.#context.clock.now >= this.#dueAt) this.flush()
  }

  flush(): void {
    const { clock, key, sealer, settings, world } = this.#context
    this.#dueAt = Number.POSITIVE_INFINITY
    const type = 'BackupConfirmDelivery'
    for (const [holder, ids] of this.#ofHolders) {
      for (const some of slices(ids, settings.confirmAtOnce))
        sendSigned(this.#context, holder, type, encodeIdList(some))
    }
    this.#ofHolders.clear()
    for (const some of slices(this.#ofSwarm, settings.confirmAtOnce)) {
      // a signed envelope to ourselves is how we say something to everybody
      const { wire } = sealer.seal({ to: key, type, payload: encodeIdList(some), timestamp: clock.wall })
      world.broadcast(wire)
    }
    this.#ofSwarm.length = 0
  }

  #arm(): void {
    const { clock, settings } = this.#context
    this.#dueAt = Math.min(this.#dueAt, clock.now + settings.confirmAfterMs)
  }
}

function* slices(ids: readonly string[], length: number): Generator<readonly string[]> {
  for (let start = 0; start < ids.length; start += length) yield ids.slice(start, start + length)
}
