/** A swarm in which gossip brings every announcement to everybody at once: what its members hear, and what they know of its size from what they have heard. */
import { Presence } from '../../../src/envelope/peers/presence.ts'
import { SimRandom } from '../../sim/support/random.ts'

/** How many numbers are at or above a position: a Fenwick tree. */
class Marks {
  readonly #sums: Int32Array

  constructor(size: number) {
    this.#sums = new Int32Array(size + 1)
  }

  add(position: number, by: number): void {
    for (let index = position + 1; index < this.#sums.length; index += index & -index) this.#sums[index]! += by
  }

  below(position: number): number {
    let sum = 0
    for (let index = position; index > 0; index -= index & -index) sum += this.#sums[index]!
    return sum
  }
}

/** Events by time: a heap. */
export class Agenda {
  readonly #heap: { readonly at: number; readonly node: number }[] = []

  get size(): number {
    return this.#heap.length
  }

  push(at: number, node: number): void {
    const heap = this.#heap
    const event = { at, node }
    let index = heap.push(event) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (heap[parent]!.at <= at) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = event
  }

  pop(): { at: number; node: number } {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++
      if (heap[child]!.at >= last.at) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
    return first
  }
}

export interface SwarmRun {
  readonly nodes: number
  /** All start within it, ms. */
  readonly startMs: number
  readonly untilMs: number
  /** Each node gets a new neighbour so often, ms on average; undefined: only twice, at its start. */
  readonly neighborEveryMs?: number
}

/** When each announcement was made, in order. */
export function announcementsOf({ nodes, startMs, untilMs, neighborEveryMs }: SwarmRun): number[] {
  const random = new SimRandom(`swarm of ${nodes}`)
  const made: number[] = []
  const marks = new Marks(nodes * 40 + 1_000)
  const lastOf = new Int32Array(nodes).fill(-1)
  const agenda = new Agenda()
  const members = Array.from({ length: nodes }, (_, node) => {
    const startAt = random.between(0, startMs)
    agenda.push(startAt, node)
    return {
      presence: new Presence({ random: random.fork(`${node}`) }),
      startAt,
      isStarted: false,
      heardFrom: 0,
      neighborAt: startAt + random.between(50, 3_000),
      neighbors: 0,
    }
  })
  while (agenda.size > 0) {
    const { at, node } = agenda.pop()
    if (at > untilMs) break
    const member = members[node]!
    if (!member.isStarted) {
      member.isStarted = true
      member.heardFrom = made.length
      member.presence.started(at)
    }
    if (member.neighborAt <= at) {
      member.presence.neighborUp(at)
      const pauseMs = ++member.neighbors < 2 ? 3_000 : (neighborEveryMs ?? Number.POSITIVE_INFINITY)
      member.neighborAt = pauseMs === Number.POSITIVE_INFINITY ? pauseMs : at + random.between(0, 2 * pauseMs)
    }
    const known = marks.below(made.length) - marks.below(member.heardFrom)
    if (member.presence.tick(at, known)) {
      if (lastOf[node]! >= 0) marks.add(lastOf[node]!, -1)
      lastOf[node] = made.length
      marks.add(made.length, 1)
      made.push(at)
    }
    const next = Math.min(member.presence.deadline(), member.neighborAt)
    if (next <= at) throw new Error(`node ${node} is due at ${at} and does nothing`)
    agenda.push(next, node)
  }
  return made
}

/** Announcements a second between two times. */
export function rate(made: readonly number[], fromMs: number, toMs: number): number {
  return made.filter((at) => at >= fromMs && at < toMs).length / ((toMs - fromMs) / 1_000)
}

/** The most announcements a second in any window of that length. */
export function peak(made: readonly number[], fromMs: number, windowMs: number): number {
  let most = 0
  let first = 0
  for (let last = 0; last < made.length; last++) {
    while (made[first]! < fromMs || made[last]! - made[first]! > windowMs) {
      if (first === last) break
      first++
    }
    if (made[last]! >= fromMs) most = Math.max(most, last - first + 1)
  }
  return most / (windowMs / 1_000)
}
