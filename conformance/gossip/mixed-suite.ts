/** Native nodes and ours in one swarm: everybody gets everything, once. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE } from '../../src/gossip/index.ts'
import { until } from '../until.ts'
import type { Member } from './members.ts'
import { type GossipLab, hexOf, utf8 } from './setup.ts'

/** Long enough for a slow machine, far longer than it takes. */
const SWARM_MS = 30_000

export function mixedSuite(labNow: () => GossipLab): void {
  describe.each([DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE])('profile $name', (profile) => {
    test.each([3, 10, 25, 50])('spec/gossip.md §16: %i nodes, everybody gets everything once', async (count) => {
      const { all } = await labNow().mixed(Math.ceil(count / 2), { profile })
      const members = all.slice(0, count)
      const topic = labNow().topic()
      await form(members, topic)
      await everybodyHearsEverybody(members, topic)
    })
  })
}

/** Each joins an earlier one, of its own kind and of the other by turns. Resolves when all are connected with each other. */
export async function form(members: readonly Member[], topic: string): Promise<void> {
  for (const [index, member] of members.entries()) {
    const contact = index === 0 ? [] : [members[Math.floor((index - 1) / 2)]!.ticket]
    await member.subscribe(topic, contact)
    if (index > 0) await until('a neighbour', async () => (await member.neighbors(topic)).length > 0)
  }
  await connected(members, topic)
}

/** Resolves when there is a way between any two of them, in which each link is one on both sides. */
export async function connected(members: readonly Member[], topic: string): Promise<void> {
  const isConnected = async (): Promise<boolean> => {
    const views = new Map<string, readonly string[]>()
    await Promise.all(members.map(async (member) => views.set(member.id, await member.neighbors(topic))))
    const reached = new Set([members[0]!.id])
    for (const id of reached)
      for (const peer of views.get(id) ?? []) if (views.get(peer)?.includes(id)) reached.add(peer)
    return reached.size === members.length
  }
  await until('one swarm', isConnected, SWARM_MS)
}

/** Each says something, all others receive it, and nobody anything twice. */
export async function everybodyHearsEverybody(members: readonly Member[], topic: string, round = ''): Promise<void> {
  const before = new Map(members.map((member) => [member, member.received(topic).length]))
  const said = members.map(({ kind, id }) => utf8(`${round} ${kind} ${id}`))
  for (const [index, member] of members.entries()) await member.broadcast(topic, said[index]!)
  const heard = (member: Member): string[] =>
    member
      .received(topic)
      .slice(before.get(member))
      .map(({ hex }) => hex ?? '')
  const missing = (): string[] =>
    members.flatMap((member, at) => {
      const got = new Set(heard(member))
      const others = said.filter((content, index) => index !== at && !got.has(hexOf(content)))
      return others.map((content) => `${member.kind} ${at} misses ${Buffer.from(content).toString().slice(0, 20)}`)
    })
  await until(
    'all contents',
    () => members.every((member) => heard(member).length >= members.length - 1),
    SWARM_MS,
  ).catch(() => {
    throw new Error(`not received: ${missing().slice(0, 10).join(', ')}`)
  })
  for (const [index, member] of members.entries()) {
    const others = said.filter((_, at) => at !== index).map(hexOf)
    expect(heard(member).sort()).toEqual(others.sort())
  }
}
