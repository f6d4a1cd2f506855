import { expect, test } from 'vitest'
import { PeerTable } from '../../../src/envelope/peers/peer-table.ts'
import { Presence } from '../../../src/envelope/peers/presence.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { Agenda } from './presence-swarm.ts'
import { announce, key, WALL } from './support.ts'

/** Tables and presences together: everybody hears everybody, and judges silence by the size of the swarm that it sees. */
class Swarm {
  readonly members: Member[]
  readonly #agenda = new Agenda()
  /** What any member thinks of another that is alive but does not call it online. */
  readonly wrong: string[] = []

  constructor(size: number) {
    const random = new SimRandom(`swarm ${size}`)
    this.members = Array.from({ length: size }, (_, index) => {
      const self = key(index + 1)
      const presence = new Presence({ random: random.fork(self) })
      const startAt = random.between(0, 20_000)
      this.#agenda.push(startAt, index)
      return { self, startAt, presence, table: new PeerTable({ self, random }), isStarted: false, isAlive: true }
    })
  }

  run(until: number): void {
    for (;;) {
      const { at, node } = this.#agenda.pop()
      if (at > until) {
        this.#agenda.push(at, node)
        return
      }
      const member = this.members[node]!
      if (!member.isAlive) continue
      if (!member.isStarted) member.presence.started(at)
      member.isStarted = true
      this.#tick(member, at)
      if (member.presence.tick(at, member.table.onlineCount)) this.#announce(member, at)
      this.#agenda.push(Math.min(member.presence.deadline(), member.table.deadline()), node)
    }
  }

  #tick(member: Member, at: number): void {
    for (const change of member.table.tick(at)) {
      const other = this.members[Number.parseInt(change.peer, 16) - 1]!
      if (other.isAlive && change.liveness !== 'online') this.wrong.push(`${at}: ${change.peer} is ${change.liveness}`)
    }
  }

  #announce(member: Member, at: number): void {
    const word = announce(member.self, { timestamp: WALL + at })
    for (const other of this.members) if (other.isAlive && other.isStarted) other.table.announced(word, at, WALL + at)
  }
}

interface Member {
  readonly self: string
  readonly startAt: number
  readonly presence: Presence
  readonly table: PeerTable
  isStarted: boolean
  isAlive: boolean
}

test('spec/envelope.md §5.6: a swarm knows its members, loses most of them, and keeps the others', () => {
  const swarm = new Swarm(100)
  swarm.run(100_000)
  for (const { table } of swarm.members) expect([table.onlineCount, table.intervalMs]).toEqual([99, 19_800])
  const survivors = swarm.members.slice(0, 10)
  for (const member of swarm.members.slice(10)) member.isAlive = false
  swarm.run(400_000)
  expect(swarm.wrong).toEqual([])
  for (const { table, presence } of survivors) {
    expect([table.size, table.onlineCount, table.intervalMs, presence.intervalMs]).toEqual([9, 9, 10_000, 10_000])
  }
})
