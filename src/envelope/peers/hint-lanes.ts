/**
 * Queues for peers that only unsigned announcements speak of, one for each neighbour that brings them: who floods pushes out only what he brought himself (W10).
 * Knows which lane is whose; the queues are `PeerStore`'s.
 */
import type { PeerKey } from '../wire/envelope.ts'
import type { PeerQueues } from './peer-queues.ts'

export class HintLanes {
  readonly #queues: PeerQueues
  readonly #first: number
  /** Whose lane it is; undefined: nobody's yet. */
  readonly #sources: (PeerKey | undefined)[]
  #turn = 0

  /** Lanes are the queues from `first` on, `count` of them. */
  constructor(queues: PeerQueues, first: number, count: number) {
    this.#queues = queues
    this.#first = first
    this.#sources = new Array<PeerKey | undefined>(count).fill(undefined)
  }

  /** With more sources than lanes they change hands in turn; what is in them stays. */
  laneOf(source: PeerKey): number {
    let index = this.#sources.indexOf(source)
    if (index < 0) {
      index = this.#turn
      this.#turn = (this.#turn + 1) % this.#sources.length
      this.#sources[index] = source
    }
    return this.#first + index
  }

  /** -1: all are empty. */
  fullest(): number {
    let fullest = -1
    let most = 0
    for (let lane = this.#first; lane < this.#first + this.#sources.length; lane++) {
      const size = this.#queues.size(lane)
      if (size <= most) continue
      most = size
      fullest = lane
    }
    return fullest
  }
}
