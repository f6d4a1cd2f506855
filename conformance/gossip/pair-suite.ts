/** A native node and one of ours: joining, talking, leaving. Where both could be either, both are. */
import { describe, expect, test } from 'vitest'
import { GossipError } from '../../src/gossip/index.ts'
import { until } from '../until.ts'
import type { Member, OurMember } from './members.ts'
import { type GossipLab, hexOf, type Mixed, utf8 } from './setup.ts'

interface Pair {
  readonly mixed: Mixed
  readonly ours: OurMember
  readonly native: Member
  /** Who is joined, and who joins. */
  readonly contact: Member
  readonly joiner: Member
}

/** Roles in which a test is run. */
export const JOINERS = ['we join it', 'it joins us'] as const
export const LEAVERS = ['we', 'it'] as const

export function pairSuite(labNow: () => GossipLab): void {
  const pair = async (role: (typeof JOINERS)[number] = 'we join it'): Promise<Pair> => {
    const mixed = await labNow().mixed(1)
    const [ours, native] = [mixed.ours[0]!, mixed.native[0]!]
    const [contact, joiner] = role === 'we join it' ? [native, ours] : [ours, native]
    return { mixed, ours, native, contact, joiner }
  }

  test.each(JOINERS)('spec/gossip.md §6.5: %s, and both hear each other', async (role) => {
    const [{ contact, joiner }, topic] = [await pair(role), labNow().topic()]
    await contact.subscribe(topic)
    await joiner.subscribe(topic, [contact.ticket])
    await areNeighbors(contact, joiner, topic)
    await hearEachOther(contact, joiner, topic)
  })

  test('spec/gossip.md §3.3: both join each other at once, and stay neighbours', async () => {
    const [{ ours, native }, topic] = [await pair(), labNow().topic()]
    await Promise.all([ours.subscribe(topic, [native.ticket]), native.subscribe(topic, [ours.ticket])])
    await areNeighbors(ours, native, topic)
    for (let round = 0; round < 5; round++) await hearEachOther(ours, native, topic, `${round}`)
    expect(ours.metrics.connections).toBeLessThanOrEqual(2)
    expect([...ours.turns(topic), ...native.turns(topic)]).toEqual([`up ${native.id}`, `up ${ours.id}`])
  })

  test.each(JOINERS)('spec/gossip.md §3.5: payloads of 4057 bytes; %s', async (role) => {
    const [{ contact, joiner, ours, native }, topic] = [await pair(role), labNow().topic()]
    await contact.subscribe(topic)
    await joiner.subscribe(topic, [contact.ticket])
    await areNeighbors(contact, joiner, topic)
    await ours.broadcast(topic, new Uint8Array(4057).fill(1))
    await native.broadcast(topic, new Uint8Array(4057).fill(2))
    for (const member of [ours, native]) await until('4057 bytes', () => member.received(topic)[0]?.size === 4057)
    const tooLarge = ours.broadcast(topic, new Uint8Array(4058))
    await expect(tooLarge).rejects.toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }))
    await expect(tooLarge).rejects.toBeInstanceOf(GossipError)
    await hearEachOther(contact, joiner, topic)
  })

  test('spec/gossip.md §7.5: broadcasts to neighbours', async () => {
    const [{ ours, native }, topic] = [await pair(), labNow().topic()]
    await native.subscribe(topic)
    await ours.subscribe(topic, [native.ticket])
    await areNeighbors(ours, native, topic)
    for (const member of [ours, native]) await member.broadcast(topic, utf8(`from ${member.kind}`), true)
    await until('ours', () => native.received(topic).length === 1)
    await until('its', () => ours.received(topic).length === 1)
    expect(native.received(topic)[0]).toMatchObject({ scope: 'neighbors', from: ours.id })
    expect(ours.received(topic)[0]).toMatchObject({ scope: 'neighbors', from: native.id })
  })

  test.each(JOINERS)('spec/gossip.md §16: 100 topics on one connection; %s', async (role) => {
    const { contact, joiner, ours } = await pair(role)
    const topics = Array.from({ length: 100 }, () => labNow().topic())
    await Promise.all(topics.map((topic) => contact.subscribe(topic)))
    await Promise.all(topics.map((topic) => joiner.subscribe(topic, [contact.ticket])))
    await Promise.all(topics.map((topic) => areNeighbors(contact, joiner, topic)))
    await Promise.all(topics.map((topic) => hearEachOther(contact, joiner, topic)))
    expect(ours.metrics.connections).toBe(1)
  })

  describe.each(LEAVERS)('%s leave', (who) => {
    const roles = ({ ours, native }: Pair): { leaver: Member; stayer: Member } =>
      who === 'we' ? { leaver: ours, stayer: native } : { leaver: native, stayer: ours }

    test('spec/gossip.md §16: and come back', async () => {
      const [{ leaver, stayer }, topic] = [roles(await pair()), labNow().topic()]
      await stayer.subscribe(topic)
      await leaver.subscribe(topic, [stayer.ticket])
      await areNeighbors(leaver, stayer, topic)
      for (let round = 0; round < 3; round++) {
        await leaver.leave(topic)
        await until('down', () => stayer.turns(topic).at(-1) === `down ${leaver.id}`)
        await leaver.subscribe(topic, [stayer.ticket])
        await areNeighbors(leaver, stayer, topic)
        await hearEachOther(leaver, stayer, topic, `${round}`)
      }
    })

    test('spec/gossip.md §3.8 C9: and come back at once', async () => {
      const [{ leaver, stayer }, topic] = [roles(await pair()), labNow().topic()]
      await stayer.subscribe(topic)
      await leaver.subscribe(topic, [stayer.ticket])
      await areNeighbors(leaver, stayer, topic)
      await leaver.leave(topic)
      await leaver.subscribe(topic, [stayer.ticket])
      await until('down and up', () => stayer.turns(topic).length === 3)
      await areNeighbors(leaver, stayer, topic)
      await hearEachOther(leaver, stayer, topic)
    })

    test('spec/gossip.md §3.8 C5: one of two topics, the other goes on', async () => {
      const [{ leaver, stayer }, topics] = [roles(await pair()), [labNow().topic(), labNow().topic()] as const]
      for (const topic of topics) {
        await stayer.subscribe(topic)
        await leaver.subscribe(topic, [stayer.ticket])
        await areNeighbors(leaver, stayer, topic)
      }
      await leaver.leave(topics[0])
      await until('down', () => stayer.turns(topics[0]).at(-1) === `down ${leaver.id}`)
      await hearEachOther(leaver, stayer, topics[1])
      expect([...stayer.turns(topics[1]), ...leaver.turns(topics[1])]).toHaveLength(2)
    })
  })

  describe('connections that we close', () => {
    /** The time of grace is short, so that tests need not wait for it. */
    const impatient = { settings: { idleGraceMs: 100 } }

    test('spec/gossip.md §3.8 C4: after our Disconnect: it says nothing of failures, and later messages arrive', async () => {
      const mixed = await labNow().mixed(1, impatient)
      const [ours, native, topic] = [mixed.ours[0]!, mixed.native[0]!, labNow().topic()]
      await native.subscribe(topic)
      for (let round = 1; round <= 3; round++) {
        await ours.subscribe(topic, [native.ticket])
        await areNeighbors(ours, native, topic)
        await hearEachOther(ours, native, topic, `${round}`)
        await ours.leave(topic)
        await until('our close', () => ours.openConnections === 0)
      }
      await ours.subscribe(topic)
      await native.joinPeers(topic, [ours.ticket])
      await areNeighbors(ours, native, topic)
      await hearEachOther(ours, native, topic)
      expect(mixed.swarm.events.filter(({ event }) => event === 'warning')).toEqual([])
    })

    test('spec/gossip.md §3.8 C4: that it dialled before we had the topic: it can join us later', async () => {
      const mixed = await labNow().mixed(1, impatient)
      const [ours, native, topic] = [mixed.ours[0]!, mixed.native[0]!, labNow().topic()]
      await native.subscribe(topic, [ours.ticket])
      await until('its connection', () => ours.metrics.connections === 1)
      await until('our close', () => ours.openConnections === 0)
      await ours.subscribe(topic)
      await native.joinPeers(topic, [ours.ticket])
      await areNeighbors(ours, native, topic)
      await hearEachOther(ours, native, topic)
    })
  })
}

/** Resolves when both have each other. */
export async function areNeighbors(one: Member, other: Member, topic: string, limitMs?: number): Promise<void> {
  const has = async (member: Member, peer: Member): Promise<boolean> =>
    (await member.neighbors(topic)).includes(peer.id)
  const what = `${one.kind} and ${other.kind} neighbours`
  await until(what, async () => (await has(one, other)) && (await has(other, one)), limitMs)
}

/** Each says something that the other receives, once. */
export async function hearEachOther(one: Member, other: Member, topic: string, what = ''): Promise<void> {
  const times = (listener: Member, content: Uint8Array): number =>
    listener.received(topic).filter(({ hex }) => hex === hexOf(content)).length
  const said = ({ id }: Member): Uint8Array => utf8(`${what} ${id} ${topic}`)
  await one.broadcast(topic, said(one))
  await other.broadcast(topic, said(other))
  await until(`${one.kind} heard by ${other.kind}`, () => times(other, said(one)) > 0)
  await until(`${other.kind} heard by ${one.kind}`, () => times(one, said(other)) > 0)
  expect([times(other, said(one)), times(one, said(other))]).toEqual([1, 1])
}
