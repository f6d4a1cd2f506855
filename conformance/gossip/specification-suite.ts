/**
 * The specification against the peer it describes: what iroh-gossip says and does when a raw peer says something. Facts that our own code is built on; one that fails after
 * an upgrade is to be changed in the specification first.
 */
import { describe, expect, test } from 'vitest'
import { encodeMessage } from '../../src/gossip/wire/message-codec.ts'
import { until } from '../until.ts'
import type { RawLink, RawPeer } from './raw-peer.ts'
import { type GossipLab, gossip, hexOf, idOf, join, neighbor, utf8 } from './setup.ts'
import type { NativeSwarmOptions, SwarmNode, SwarmProgram } from './swarm-program.ts'

interface Scene {
  readonly swarm: SwarmProgram
  /** Node 0. */
  readonly node: SwarmNode
  readonly topic: string
  readonly peer: RawPeer
  readonly link: RawLink
}

export function specificationSuite(labNow: () => GossipLab): void {
  /** A raw peer, connected to the only native node, which is subscribed. */
  const meet = async (options: NativeSwarmOptions = {}): Promise<Scene> => {
    const lab = labNow()
    const [swarm, peer, topic] = [await lab.native(options), await lab.raw(), lab.topic()]
    const node = swarm.nodes[0]!
    await swarm.subscribe(0, topic)
    return { swarm, node, topic, peer, link: await peer.dial(node.ticket) }
  }
  const another = async (scene: Scene): Promise<Scene> => {
    const peer = await labNow().raw()
    return { ...scene, peer, link: await peer.dial(scene.node.ticket) }
  }
  const becomeNeighbors = async ({ topic, peer, link }: Scene): Promise<void> => {
    await link.send(topic, join(peer))
    await peer.frame('answer to Join', ({ message }) => message.kind === 'neighbor')
    await link.send(topic, neighbor(peer))
  }
  const neighbors = async (): Promise<Scene> => {
    const scene = await meet()
    await becomeNeighbors(scene)
    return scene
  }
  /** One whose stream to us was stopped by us, which it knows. */
  const silenced = async (): Promise<Scene> => {
    const scene = await neighbors()
    scene.peer.stopStreams(1)
    await scene.link.send(scene.topic, gossip(utf8('after that')))
    await scene.swarm.waitFor('received')
    return scene
  }
  const ofKind = ({ peer }: Scene, kind: string, limitMs?: number) =>
    peer.frame(kind, ({ message }) => message.kind === kind, limitMs)
  const count = ({ peer }: Scene, kind: string): number =>
    peer.frames.filter(({ message }) => message.kind === kind).length
  const contents = ({ peer }: Scene): string[] =>
    peer.frames.flatMap(({ message }) => (message.kind === 'gossip' ? [Buffer.from(message.content).toString()] : []))
  /** Something goes there and comes back: what was sent before has been handled, if it came over the same stream. */
  const roundTrip = async ({ topic, peer, link }: Scene): Promise<void> => {
    const content = utf8(`round trip ${peer.frames.length} ${performance.now()}`)
    await link.send(topic, gossip(content))
    await link.send(topic, gossip(content))
    const before = peer.frames.length
    await until('Prune', () => peer.frames.slice(before - 1).some(({ message }) => message.kind === 'prune'))
    await link.send(topic, { kind: 'graft', id: idOf(content), round: 0 })
    await peer.frame('eager again', ({ message }) => message.kind === 'gossip' && message.id === idOf(content))
  }

  describe('streams', () => {
    test('spec/gossip.md §3.4, §3.8: Disconnect ends its stream and forgets the connection, which stays; it dials again', async () => {
      const scene = await neighbors()
      const { swarm, topic, peer, link } = scene
      await swarm.leave(0, topic)
      await ofKind(scene, 'disconnect')
      await until('end of the stream', () => peer.streams[0]!.hasEnded)
      await swarm.subscribe(0, topic)
      await link.send(topic, join(peer))
      await until('Neighbor', () => (peer.streams[1]?.frames.length ?? 0) > 0)
      expect(peer.streams[1]!.topic).toBe(topic)
      expect(peer.streams[1]!.connection.side).toBe('server')
      expect(link.connection.closeReason).toBeUndefined()
      expect(peer.problems).toEqual([])
    })

    test('spec/gossip.md §3.3: the newest connection is sent on, all are read', async () => {
      const scene = await neighbors()
      const { swarm, topic, peer, node, link: older } = scene
      const newer = await peer.dial(node.ticket)
      // it has seen the connection once it was read from
      await newer.send(topic, neighbor(peer))
      await until('its answer on the newer one', () =>
        peer.streams.some(({ connection }) => connection === newer.connection),
      )
      await older.send(topic, gossip(utf8('over the older one')))
      await swarm.waitFor('received', ({ hex }) => hex === hexOf(utf8('over the older one')))
      await swarm.broadcast(0, topic, utf8('from it'))
      await ofKind(scene, 'gossip')
      const stream = peer.streams.find(({ frames }) => frames.some(({ message }) => message.kind === 'gossip'))
      expect(stream?.connection).toBe(newer.connection)
      expect(older.connection.closeReason).toBeUndefined()
    })

    test('spec/gossip.md §3.6: what it cannot read costs the stream, with code 0; the connection lives', async () => {
      const scene = await neighbors()
      const { swarm, topic, link } = scene
      const other = labNow().topic()
      await swarm.subscribe(0, other)
      const stream = await link.open(topic)
      await stream.write(Uint8Array.of(0, 0, 0, 2, 0, 6))
      expect(await stream.closed).toMatchObject({ kind: 'stopped', code: 0 })
      await link.send(other, join(scene.peer))
      await scene.peer.frame('Neighbor', ({ topic: of, message }) => of === other && message.kind === 'neighbor')
    })

    test('spec/gossip.md §3.6: a header that it cannot read costs the connection’s reading', async () => {
      const scene = await neighbors()
      const stream = await scene.link.connection.openUni()
      await stream.write(Uint8Array.of(0, 0, 0, 1, 7))
      expect(await stream.closed).toMatchObject({ kind: 'stopped', code: 0 })
      await scene.link.send(scene.topic, gossip(utf8('unheard'))).catch(() => {})
      await scene.swarm.broadcast(0, scene.topic, utf8('still sent'))
      await ofKind(scene, 'gossip')
      expect(scene.swarm.events.some(({ event }) => event === 'received')).toBe(false)
      expect(scene.link.connection.closeReason).toBeUndefined()
    })

    test('spec/gossip.md §3.6: who stops one of its streams hears nothing more on that connection', async () => {
      const scene = await silenced()
      const { swarm, topic, peer, link, node } = scene
      await swarm.broadcast(0, topic, utf8('lost'))
      expect(link.connection.closeReason).toBeUndefined()
      const again = await peer.dial(node.ticket)
      await again.send(topic, join(peer))
      await until('Neighbor over the new connection', () =>
        peer.streams.some(({ connection, frames }) => connection === again.connection && frames.length > 0),
      )
      await swarm.broadcast(0, topic, utf8('heard'))
      await ofKind(scene, 'gossip')
      expect(contents(scene)).toEqual(['heard'])
    })

    test('spec/gossip.md §3.6, §11.2 N3: and after 64 messages for it the whole node stands still, until it goes', async () => {
      const scene = await silenced()
      const { swarm, topic, link } = scene
      const other = { ...(await another(scene)), topic: labNow().topic() }
      await swarm.subscribe(0, other.topic)
      // with the node when this returns, and its commands come before what it receives
      await swarm.broadcastTimed(0, topic, 100, 70)
      await other.link.send(other.topic, join(other.peer))
      // nothing tells that nothing comes
      await expect(ofKind(other, 'neighbor', 700)).rejects.toThrow('no such frame')
      link.connection.close()
      await ofKind(other, 'neighbor')
    })

    test('spec/gossip.md §3.6: bytes behind a message are ignored, over-long numbers are read', async () => {
      const scene = await neighbors()
      const content = utf8('followed by something')
      const body = encodeMessage(gossip(content))
      // round 0 in two bytes, and a byte more
      await scene.link.sendBody(scene.topic, Uint8Array.of(...body.subarray(0, -1), 0x80, 0x00, 0xff))
      await scene.swarm.waitFor('received', ({ hex, round }) => hex === hexOf(content) && round === 0)
    })
  })

  describe('sizes', () => {
    test('spec/gossip.md §3.5: a body of 4096 bytes is read, one of 4097 is not', async () => {
      const scene = await neighbors()
      await scene.link.send(scene.topic, gossip(new Uint8Array(4058).fill(1)))
      await scene.swarm.waitFor('received', ({ size }) => size === 4058)
      const stream = await scene.link.open(scene.topic)
      const body = encodeMessage(gossip(new Uint8Array(4059).fill(2)))
      expect(body.length).toBe(4097)
      await stream.write(Uint8Array.of(0, 0, 0x10, 0x01, ...body)).catch(() => {})
      expect(await stream.closed).toMatchObject({ kind: 'stopped', code: 0 })
    })

    test('spec/gossip.md §3.5, §11.2 N4: it sends 4057 bytes; 4058 silence its connection', async () => {
      const scene = await neighbors()
      const { swarm, topic, link } = scene
      await swarm.broadcast(0, topic, new Uint8Array(4057).fill(3))
      expect((await ofKind(scene, 'gossip')).body.length).toBe(4095)
      await swarm.broadcast(0, topic, new Uint8Array(4058).fill(4))
      await link.send(topic, gossip(utf8('twice')))
      await link.send(topic, gossip(utf8('twice')))
      await swarm.waitFor('received', ({ hex }) => hex === hexOf(utf8('twice')))
      await expect(ofKind(scene, 'prune', 500)).rejects.toThrow('no such frame')
      expect(link.connection.closeReason).toBeUndefined()
    })
  })

  describe('membership', () => {
    test('spec/gossip.md §6.5: Join is answered by Neighbor(High), the answer to that by nothing', async () => {
      const scene = await neighbors()
      await scene.swarm.waitFor('neighbor-up', ({ peer }) => peer === scene.peer.id)
      await roundTrip(scene)
      expect(count(scene, 'neighbor')).toBe(1)
    })

    test('spec/gossip.md §5: a topic that it does not know is not answered', async () => {
      const scene = await neighbors()
      const unknown = labNow().topic()
      await scene.link.send(unknown, join(scene.peer))
      await roundTrip(scene)
      expect(scene.peer.frames.filter(({ topic }) => topic === unknown)).toEqual([])
    })

    test('spec/gossip.md §6.3: full, it refuses Neighbor(Low) with ShuffleReply and Disconnect(alive)', async () => {
      const first = await neighbors()
      for (let index = 1; index < 5; index++) await becomeNeighbors(await another(first))
      const late = await another(first)
      await late.link.send(late.topic, neighbor(late.peer, 'low'))
      await ofKind(late, 'disconnect')
      expect(late.peer.frames.map(({ message }) => message.kind)).toEqual(['shuffle-reply', 'disconnect'])
      expect(late.peer.frames[1]!.message).toMatchObject({ alive: true })
    })

    test('spec/gossip.md §6.4: full, it makes room for Neighbor(High)', async () => {
      const first = await neighbors()
      const all = [first]
      for (let index = 1; index < 6; index++) {
        const scene = await another(first)
        await becomeNeighbors(scene)
        all.push(scene)
      }
      await until('somebody is told', () => all.some((scene) => count(scene, 'disconnect') > 0))
      const evicted = all.filter((scene) => count(scene, 'disconnect') > 0)
      expect(evicted).toHaveLength(1)
      expect(evicted[0]!.peer.frames.at(-1)!.message).toEqual({ kind: 'disconnect', alive: true })
      expect(await first.swarm.neighbors(0, first.topic)).toHaveLength(5)
    })

    test('spec/gossip.md §6.3: a walk that ends asks the newcomer to be a neighbour, by the address in its data', async () => {
      const scene = await neighbors()
      const newcomer = await labNow().raw()
      const peer = { id: newcomer.id, data: newcomer.data }
      await scene.link.send(scene.topic, { kind: 'forward-join', peer, ttl: 0 })
      const { message } = await newcomer.frame('Neighbor', ({ message }) => message.kind === 'neighbor')
      expect(message).toMatchObject({ priority: 'high' })
    })

    test('spec/gossip.md §11.1 P1: a peer that was asked is not answered until the 500 ms are over', async () => {
      const scene = await neighbors()
      const asked = await another(scene)
      const node = { id: asked.peer.id, data: asked.peer.data }
      await scene.link.send(scene.topic, { kind: 'shuffle-reply', nodes: [node] })
      await ofKind(asked, 'neighbor')
      await asked.link.send(asked.topic, join(asked.peer))
      await scene.swarm.waitFor('neighbor-up', ({ peer }) => peer === asked.peer.id)
      await roundTrip(asked)
      expect(count(asked, 'neighbor')).toBe(1)
    })
  })

  describe('defects that others must know', () => {
    /** It joined us: it has our Neighbor as the last word between us. */
    const joined = async (): Promise<Scene> => {
      const lab = labNow()
      const [swarm, peer, topic] = [await lab.native(), await lab.raw(), lab.topic()]
      const node = swarm.nodes[0]!
      await swarm.subscribe(0, topic, [peer.ticket])
      await peer.frame('Join', ({ message }) => message.kind === 'join')
      const link = peer.links(node.id)[0]!
      return { swarm, node, topic, peer, link }
    }

    test('spec/gossip.md §11.1 P2: a neighbour that it joined, and that comes back, is not answered; after Neighbor(High) it is', async () => {
      const scene = await joined()
      const { swarm, node, topic, peer, link } = scene
      await link.send(topic, neighbor(peer))
      await ofKind(scene, 'neighbor')
      const again = await peer.dial(node.ticket)
      await again.send(topic, join(peer))
      await again.send(topic, join(peer))
      await roundTrip({ ...scene, link: again })
      expect(count(scene, 'neighbor')).toBe(1)
      await again.send(topic, neighbor(peer))
      await again.send(topic, join(peer))
      await until('an answer', () => count(scene, 'neighbor') === 2)
      expect(await swarm.neighbors(0, topic)).toEqual([peer.id])
    })

    test('spec/gossip.md §3.8 C4: who closes a connection that it dialled for nothing is not dialled again', async () => {
      const scene = await joined()
      scene.link.connection.close()
      await until('its report', async () => {
        await scene.swarm.joinPeers(0, scene.topic, [scene.peer.ticket])
        return scene.swarm.events.some(
          (event) => event.event === 'warning' && event.message.startsWith('failed to send'),
        )
      })
      expect(count(scene, 'join')).toBe(1)
      expect(scene.peer.links(scene.node.id)).toHaveLength(1)
    })

    test('spec/gossip.md §3.8 C4: unless a ShuffleReply came before, of one that is no neighbour', async () => {
      const { swarm, node, topic, peer, link } = await joined()
      await link.send(topic, { kind: 'shuffle-reply', nodes: [] })
      await link.finish(topic)
      link.connection.close()
      await until('it dialled', async () => {
        await swarm.joinPeers(0, topic, [peer.ticket])
        return peer.links(node.id).length > 1
      })
      await until('another Join', () => peer.frames.filter(({ message }) => message.kind === 'join').length > 1)
    })
  })

  describe('broadcast', () => {
    test('spec/gossip.md §7.2: what it knows is answered by Prune, and we hear of news by IHave', async () => {
      const scene = await neighbors()
      const { swarm, topic, link, peer } = scene
      await link.send(topic, gossip(utf8('known')))
      await link.send(topic, gossip(utf8('known')))
      await ofKind(scene, 'prune')
      const news = utf8('news')
      await swarm.broadcast(0, topic, news)
      await peer.frame('IHave', ({ message }) => {
        return message.kind === 'ihave' && message.announcements.some(({ id }) => id === idOf(news))
      })
      expect(count(scene, 'gossip')).toBe(0)
      await link.send(topic, { kind: 'graft', id: idOf(news), round: 0 })
      expect((await ofKind(scene, 'gossip')).message).toMatchObject({ id: idOf(news), round: 0 })
    })

    test('spec/gossip.md §7.2: a payload that was announced and does not come is asked for, of one after the other', async () => {
      const first = await neighbors()
      const second = await another(first)
      await becomeNeighbors(second)
      const content = utf8('announced')
      const ihave = { kind: 'ihave', announcements: [{ id: idOf(content), round: 3 }] } as const
      await first.link.send(first.topic, ihave)
      await second.link.send(second.topic, ihave)
      const [asked, then] = await Promise.all([ofKind(first, 'graft'), ofKind(second, 'graft')])
      expect([asked.message, then.message]).toEqual([
        { kind: 'graft', id: idOf(content), round: 3 },
        { kind: 'graft', id: idOf(content), round: 3 },
      ])
      await second.link.send(second.topic, gossip(content, 3))
      await first.swarm.waitFor('received', ({ hex, round }) => hex === hexOf(content) && round === 3)
    })

    test('spec/gossip.md §7.5: a broadcast to neighbours leaves out the lazy ones', async () => {
      const scene = await neighbors()
      const { swarm, topic, link } = scene
      await link.send(topic, { kind: 'prune' })
      await until('lazy', async () => {
        await swarm.broadcast(0, topic, utf8(`${performance.now()}`))
        return count(scene, 'ihave') > 0
      })
      const before = count(scene, 'gossip')
      await swarm.broadcast(0, topic, utf8('for neighbours'), true)
      await swarm.broadcast(0, topic, utf8('for all'))
      await scene.peer.frame('IHave of what came later', ({ message }) => {
        return message.kind === 'ihave' && message.announcements.some(({ id }) => id === idOf(utf8('for all')))
      })
      expect(count(scene, 'gossip')).toBe(before)
    })

    test('spec/gossip.md §7.2: a wrong id is ignored, its sender is not punished', async () => {
      const scene = await neighbors()
      const wrong = { kind: 'gossip', id: idOf(utf8('another')), content: utf8('content'), round: 0 } as const
      await scene.link.send(scene.topic, wrong)
      await scene.link.send(scene.topic, gossip(utf8('right')))
      await scene.swarm.waitFor('received', ({ hex }) => hex === hexOf(utf8('right')))
      expect(scene.swarm.events.filter(({ event }) => event === 'received')).toHaveLength(1)
    })

    test('spec/gossip.md §7.4: the same content again is no news, whoever sends it', async () => {
      const scene = await neighbors()
      const other = await another(scene)
      await becomeNeighbors(other)
      await scene.link.send(scene.topic, gossip(utf8('once')))
      await ofKind(other, 'gossip')
      await other.link.send(other.topic, gossip(utf8('once')))
      await ofKind(other, 'prune')
      expect(scene.swarm.events.filter(({ event }) => event === 'received')).toHaveLength(1)
    })
  })
}
