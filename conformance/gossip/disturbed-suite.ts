/** Mixed swarms that are disturbed: full views, nodes that vanish and come back, links that swallow messages, other protocols beside, relays only. */
import { describe, expect, test } from 'vitest'
import { DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE } from '../../src/gossip/index.ts'
import type { PeerInfo } from '../../src/gossip/proto/messages.ts'
import { strangerId } from '../../test/interop/our-node.ts'
import { until } from '../until.ts'
import { type Member, nativeMembers, OurMember } from './members.ts'
import { connected, everybodyHearsEverybody, form } from './mixed-suite.ts'
import { areNeighbors, hearEachOther } from './pair-suite.ts'
import type { RawPeer } from './raw-peer.ts'
import { type GossipLab, gossip, hexOf, idOf, join, neighbor, utf8 } from './setup.ts'
import type { SwarmNode } from './swarm-program.ts'

/** Neighbours at most. */
const VIEW = 5
/** Silence that native nodes stand, so that tests need not wait for half a minute. */
const SHORT_LIVED = { idleMs: 2_000, keepAliveMs: 500 }

export function disturbedSuite(labNow: () => GossipLab): void {
  const topicNow = (): string => labNow().topic()

  describe('more nodes than a view holds', () => {
    test.each(['ours', 'native'] as const)('spec/gossip.md §6.4: seven join one that is %s', async (kind) => {
      const [{ ours, native }, topic] = [await labNow().mixed(4), topicNow()]
      const all: Member[] = kind === 'ours' ? [...ours, ...native] : [...native, ...ours]
      const contact = all[0]!
      await contact.subscribe(topic)
      for (const member of all.slice(1)) await member.subscribe(topic, [contact.ticket])
      await until('somebody had to go', () => contact.turns(topic).some((turn) => turn.startsWith('down')))
      await connected(all, topic)
      for (const member of all) expect((await member.neighbors(topic)).length).toBeLessThanOrEqual(VIEW)
      await everybodyHearsEverybody(all, topic)
    })

    test('spec/gossip.md §6.4: all eight join each other at once', async () => {
      const [{ all }, topic] = [await labNow().mixed(4), topicNow()]
      const tickets = all.map(({ ticket }) => ticket)
      await Promise.all(
        all.map((member) =>
          member.subscribe(
            topic,
            tickets.filter((ticket) => ticket !== member.ticket),
          ),
        ),
      )
      await connected(all, topic)
      await everybodyHearsEverybody(all, topic)
    })
  })

  describe('a node that vanishes', () => {
    test.each([
      ['we', 'ours', 'we had joined it'],
      ['we', 'ours', 'it had joined us'],
      ['it', 'native', 'we had joined it'],
      ['it', 'native', 'it had joined us'],
    ] as const)('spec/gossip.md §16: %s come back with the same key; %s; %s', async (_, kind, before) => {
      const [mixed, topic] = [await labNow().mixed(1, {}, { ownRuntimes: true, ...SHORT_LIVED }), topicNow()]
      const [ours, native] = [mixed.ours[0]!, mixed.native[0]!]
      const [contact, joiner] = before === 'we had joined it' ? [native, ours] : [ours, native]
      await contact.subscribe(topic)
      await joiner.subscribe(topic, [contact.ticket])
      await areNeighbors(ours, native, topic)
      await hearEachOther(ours, native, topic, 'before')
      const [victim, survivor]: [Member, Member] = kind === 'ours' ? [ours, native] : [native, ours]
      await victim.kill()
      await victim.restart()
      await victim.subscribe(topic, [survivor.ticket])
      await areNeighbors(ours, native, topic, 20_000)
      await hearEachOther(ours, native, topic, 'after')
    })

    test.each(['ours', 'native'] as const)('spec/gossip.md §7: the swarm goes on without it: %s', async (kind) => {
      const shuffleMs = 500
      const membership = { ...DEFAULT_GOSSIP_PROFILE.membership, shuffleIntervalMs: shuffleMs }
      const [{ ours, native, all }, topic] = [
        await labNow().mixed(
          4,
          { profile: { ...DEFAULT_GOSSIP_PROFILE, membership } },
          { ownRuntimes: true, ...SHORT_LIVED, shuffleMs },
        ),
        topicNow(),
      ]
      await form(all, topic)
      // whoever the victim alone holds together must know each other by then, or stays apart (§11.1 P12)
      const before = ours.map(({ metrics }) => metrics.msgsCtrlSent)
      await until('shuffles', () => ours.every(({ metrics }, index) => metrics.msgsCtrlSent >= before[index]! + 5))
      await everybodyHearsEverybody(all, topic, 'before')
      const victim = kind === 'ours' ? ours[1]! : native[1]!
      const rest = all.filter((member) => member !== victim)
      // a native node that knows nobody else would stay alone for ever (§11.1 P5)
      for (const member of rest) {
        const others = (await member.neighbors(topic)).filter((id) => id !== victim.id)
        const contact = rest.find((one) => one !== member)!
        if (others.length === 0) await member.joinPeers(topic, [contact.ticket])
      }
      await until('somebody else', async () => {
        const views = await Promise.all(rest.map((member) => member.neighbors(topic)))
        return views.every((view) => view.some((id) => id !== victim.id))
      })
      await victim.kill()
      // mostly at once, before anybody knows: what went over the victim must be asked for elsewhere
      await connected(rest, topic)
      await everybodyHearsEverybody(rest, topic, 'after')
    })
  })

  describe.each([DEFAULT_GOSSIP_PROFILE, UPSTREAM_GOSSIP_PROFILE])(
    'a link that swallows payloads, profile $name',
    (profile) => {
      /** A node of each kind and a raw peer, all neighbours; the link between the two is lazy, so both get payloads from the raw peer only, which passes nothing on. */
      const triangle = async () => {
        const [mixed, topic, raw] = [await labNow().mixed(1, { profile }), topicNow(), await labNow().raw()]
        const [ours, native] = [mixed.ours[0]!, mixed.native[0]!]
        await native.subscribe(topic)
        await ours.subscribe(topic, [native.ticket])
        await areNeighbors(ours, native, topic)
        for (const member of [ours, native]) await befriend(raw, member, topic)
        await hearEachOther(ours, native, topic)
        // to the native node the raw peer is nearer to the author than we are: it sends us Prune, if it hears the announcement first
        const before = ours.metrics.msgsCtrlRecv
        await until('Prune', async () => {
          const far = utf8(`far ${performance.now()}`)
          await raw.links(native.id)[0]!.send(topic, { kind: 'ihave', announcements: [{ id: idOf(far), round: 0 }] })
          await raw.links(ours.id)[0]!.send(topic, gossip(far, 9))
          return until('Prune', () => ours.metrics.msgsCtrlRecv > before, 500).then(
            () => true,
            () => false,
          )
        })
        return { ours, native, topic, raw }
      }

      test.each(['it', 'we'] as const)('spec/gossip.md §7.2: %s ask the other by Graft', async (who) => {
        const { ours, native, topic, raw } = await triangle()
        const [author, listener] = who === 'we' ? [native, ours] : [ours, native]
        const before = ours.metrics
        const content = hexOf(utf8('swallowed'))
        const heard = () => listener.received(topic).find(({ hex }) => hex === content)
        await author.broadcast(topic, utf8('swallowed'))
        await until('by Graft', () => heard() !== undefined)
        expect(heard()!.from).toBe(author.id)
        await raw.frame('the payload', ({ from, message }) => {
          return from === author.id && message.kind === 'gossip' && hexOf(message.content) === content
        })
        // IHave one way, Graft the other
        expect(ours.metrics.msgsCtrlRecv - before.msgsCtrlRecv).toBe(1)
        expect(ours.metrics.msgsCtrlSent - before.msgsCtrlSent).toBe(1)
      })
    },
  )

  describe('beside each other', () => {
    test('spec/gossip.md §14.1: /tom-gossip/1 and /iroh-gossip/1, we in the middle', async () => {
      const lab = labNow()
      const [iroh, tom] = [await lab.native(), await lab.native({ alpn: '/tom-gossip/1' })]
      const [one, other] = [nativeMembers(iroh)[0]!, nativeMembers(tom)[0]!]
      const middle = await OurMember.start({ alpns: ['/iroh-gossip/1', '/tom-gossip/1'] })
      const topic = lab.topic()
      await one.subscribe(topic)
      await middle.subscribe(topic, [one.ticket])
      await areNeighbors(one, middle, topic)
      await other.subscribe(topic, [middle.ticket])
      await areNeighbors(other, middle, topic)
      await everybodyHearsEverybody([one, middle, other], topic)
    })

    test('spec/gossip.md §3.5: a swarm with larger messages', async () => {
      const [{ ours, native }, topic] = [
        await labNow().mixed(1, { maxMessageSize: 10_000 }, { maxMessageSize: 10_000 }),
        topicNow(),
      ]
      await native[0]!.subscribe(topic)
      await ours[0]!.subscribe(topic, [native[0]!.ticket])
      await areNeighbors(ours[0]!, native[0]!, topic)
      await ours[0]!.broadcast(topic, new Uint8Array(9961).fill(1))
      await native[0]!.broadcast(topic, new Uint8Array(9961).fill(2))
      await until('ours', () => native[0]!.received(topic)[0]?.size === 9961)
      await until('its', () => ours[0]!.received(topic)[0]?.size === 9961)
    })
  })

  test('spec/gossip.md §3.5: we know peers with many addresses: no message of ours is too long for a native node', async () => {
    const membership = { ...DEFAULT_GOSSIP_PROFILE.membership, shuffleIntervalMs: 500 }
    const [mixed, topic, raw] = [
      await labNow().mixed(1, { profile: { ...DEFAULT_GOSSIP_PROFILE, membership } }),
      topicNow(),
      await labNow().raw(),
    ]
    const [ours, native] = [mixed.ours[0]!, mixed.native[0]!]
    await native.subscribe(topic)
    await ours.subscribe(topic, [native.ticket])
    await areNeighbors(ours, native, topic)
    await befriend(raw, ours, topic)
    // four of them in one message would be 5 kB
    const crowd = Array.from({ length: 21 }, () => ({ id: strangerId().toString(), data: manyAddresses(60) }))
    const shuffle = (nodes: readonly PeerInfo<string>[]): Promise<void> =>
      raw.links(ours.id)[0]!.send(topic, { kind: 'shuffle', origin: raw.id, nodes, ttl: 0 })
    const hasCome = (kind: string, count: number): boolean =>
      raw.frames.some(({ message }) => message.kind === kind && 'nodes' in message && message.nodes.length >= count)
    await until('long lists', async () => {
      for (let at = 0; at < crowd.length; at += 3) await shuffle(crowd.slice(at, at + 3))
      // as many come back
      await shuffle(crowd.map(({ id }) => ({ id, data: undefined })))
      // again, for those who cannot be reached are forgotten, and who is silent is no neighbour for long at this pace
      await new Promise((resolve) => setTimeout(resolve, 50))
      return hasCome('shuffle-reply', 12) && hasCome('shuffle', 5)
    })
    await until('shuffles with the native node', () => ours.metrics.msgsCtrlSentSize > 30_000)
    expect(Math.max(...raw.frames.map(({ body }) => body.length))).toBeLessThan(4096)
    expect(ours.turns(topic)).not.toContain(`down ${native.id}`)
    await hearEachOther(ours, native, topic)
    expect(ours.metrics).toMatchObject({ oversized: 0, streamsStopped: 0 })
  })

  describe('addresses from peer data', () => {
    test.each([
      ['native', 'ours', 'native'],
      ['ours', 'native', 'ours'],
      ['native', 'native', 'ours'],
      ['ours', 'ours', 'native'],
    ] as const)(
      'spec/gossip.md §16: %s knows nobody, %s and %s know the first only; all are neighbours',
      async (...kinds) => {
        const [{ ours, native }, topic] = [await labNow().mixed(2), topicNow()]
        const left = { ours: [...ours], native: [...native] }
        const members = kinds.map((kind) => left[kind].shift()!)
        const [first, second, third] = members as [Member, Member, Member]
        await first.subscribe(topic)
        await second.subscribe(topic, [first.ticket])
        await areNeighbors(first, second, topic)
        await third.subscribe(topic, [first.ticket])
        await areNeighbors(first, third, topic)
        await areNeighbors(second, third, topic)
        await everybodyHearsEverybody(members, topic)
      },
    )
  })

  describe('through a relay alone', () => {
    const overRelay = async (url: string): Promise<void> => {
      const endpoint = { bind: [], relays: [{ url, quicPort: null }] }
      const [{ all, ours }, topic] = [await labNow().mixed(2, { endpoint }, { relay: url, ip: false }), topicNow()]
      await Promise.all(ours.map((member) => member.endpoint.online()))
      const first = all[0]!
      await first.subscribe(topic)
      for (const member of all.slice(1)) await member.subscribe(topic, [first.ticket])
      for (const member of all) for (const other of all) if (member !== other) await areNeighbors(member, other, topic)
      await everybodyHearsEverybody(all, topic)
    }

    test('spec/gossip.md §4.6: iroh-relay', async () => overRelay((await labNow().realRelay()).url))
    test('spec/gossip.md §4.6: our relay', async () => overRelay((await labNow().ourRelay()).url.href))
  })
}

/** Resolves when they are neighbours. */
async function befriend(raw: RawPeer, { id, ticket }: SwarmNode, topic: string): Promise<void> {
  const link = await raw.dial(ticket)
  await link.send(topic, join(raw))
  await raw.frame('answer to Join', ({ from, message }) => from === id && message.kind === 'neighbor')
  await link.send(topic, neighbor(raw))
}

/** Peer data as long as that of a node with many interfaces. */
function manyAddresses(count: number): Uint8Array {
  const addr = Array.from({ length: count }, (_, index) => [
    1,
    0x20,
    1,
    0xd,
    0xb8,
    ...Array<number>(11).fill(0),
    index,
    80,
  ])
  return Uint8Array.of(0, count, ...addr.flat())
}
