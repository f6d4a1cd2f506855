/** Who is registered at the signalling server, as it says, within bounds. What changed is told in full lists as well as one by one, and comes out the same. */
import type { PeerKey } from '../wire/envelope.ts'
import type { V1Participant } from './types.ts'

export interface RosterChange {
  readonly joined: readonly V1Participant[]
  readonly left: readonly V1Participant[]
}

export class Roster {
  readonly #capacity: number
  #known = new Map<PeerKey, V1Participant>()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get size(): number {
    return this.#known.size
  }

  has(id: PeerKey): boolean {
    return this.#known.has(id)
  }

  get(id: PeerKey): V1Participant | undefined {
    return this.#known.get(id)
  }

  list(): V1Participant[] {
    return [...this.#known.values()]
  }

  /** The whole list anew; of one that is on it twice the last counts. */
  replace(participants: readonly V1Participant[]): RosterChange {
    const before = this.#known
    this.#known = new Map()
    for (const participant of participants) {
      if (this.#known.size >= this.#capacity) break
      this.#known.set(participant.id, participant)
    }
    return {
      joined: this.list().filter(({ id }) => !before.has(id)),
      left: [...before.values()].filter(({ id }) => !this.#known.has(id)),
    }
  }

  /** False: it was there, or there is no room. */
  join(participant: V1Participant): boolean {
    const isNew = !this.#known.has(participant.id)
    if (isNew && this.#known.size >= this.#capacity) return false
    this.#known.set(participant.id, participant)
    return isNew
  }

  leave(id: PeerKey): boolean {
    return this.#known.delete(id)
  }
}
