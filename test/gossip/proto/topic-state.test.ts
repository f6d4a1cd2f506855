import { expect, test } from 'vitest'
import type { TopicEffects } from '../../../src/gossip/proto/effects.ts'
import type { Message } from '../../../src/gossip/proto/messages.ts'
import {
  DEFAULT_GOSSIP_PROFILE,
  type GossipProfile,
  UPSTREAM_GOSSIP_PROFILE,
} from '../../../src/gossip/proto/settings.ts'
import { TopicState } from '../../../src/gossip/proto/topic-state.ts'

const utf8 = new TextEncoder()

/** Node 1, and what it says, in short lines. */
function topic(profile: GossipProfile = DEFAULT_GOSSIP_PROFILE) {
  const lines: string[] = []
  const say = (...words: (string | number)[]) => lines.push(words.join(' '))
  const effects: TopicEffects<number> = {
    send: (peer, message) => say('send', peer, message.kind),
    release: (peer) => say('release', peer),
    schedule: ({ kind }, afterMs) => say('timer', kind, afterMs),
    emit: (event) => say(event.kind, ...(event.kind === 'received' ? [event.id, event.from] : [event.peer])),
    learned: (peer) => say('learned', peer),
    roundTripMs: () => undefined,
  }
  const state = new TopicState<number>({
    me: 1,
    data: undefined,
    profile,
    dice: { below: () => 0 },
    hash: (content) => new TextDecoder().decode(content),
    effects,
  })
  const take = () => lines.splice(0)
  const receive = (from: number, message: Message<number>) => {
    state.receive(from, message, 0)
    return take()
  }
  return { state, take, receive }
}

const JOIN = { kind: 'join', data: undefined } as const
const gossip = (text: string, round = 0) => ({ kind: 'gossip', id: text, content: utf8.encode(text), round }) as const

test('spec/gossip.md §5: the tree knows the neighbours, and only them', () => {
  const { state, receive } = topic()
  expect(receive(2, JOIN)).toEqual(['neighbor-up 2', 'send 2 neighbor', 'timer shuffle 60000'])
  receive(3, JOIN)
  expect(state.neighbors).toEqual([2, 3])
  expect(state.tree.eager).toEqual([2, 3])
  expect(receive(2, { kind: 'disconnect', alive: true })).toEqual(['neighbor-down 2', 'release 2'])
  expect(state.tree.eager).toEqual([3])
})

test('spec/gossip.md §5: a neighbour that goes and comes in one input is one for the tree', () => {
  const { state, receive } = topic({
    ...DEFAULT_GOSSIP_PROFILE,
    membership: { ...DEFAULT_GOSSIP_PROFILE.membership, activeViewCapacity: 1 },
  })
  receive(2, JOIN)
  expect(receive(3, JOIN).slice(0, 5)).toEqual([
    'neighbor-down 2',
    'send 2 shuffle-reply',
    'send 2 disconnect',
    'release 2',
    'neighbor-up 3',
  ])
  expect(state.tree.eager).toEqual([3])
})

test('spec/gossip.md §5: what the network lost is no peer of the tree any more, neighbour or not', () => {
  const { state, receive } = topic(UPSTREAM_GOSSIP_PROFILE)
  // §7.6: a stranger gets into the tree
  receive(9, { kind: 'graft', id: undefined, round: 0 })
  expect(state.tree.eager).toEqual([9])
  state.disconnected(9, 0)
  expect(state.tree.eager).toEqual([])
})

test('spec/gossip.md §5: payloads go to neighbours, and come to the application with the last hop', () => {
  const { state, receive, take } = topic()
  receive(2, JOIN)
  receive(3, JOIN)
  expect(receive(2, gossip('hello'))).toEqual(['timer evict 1000', 'send 3 gossip', 'received hello 2'])
  state.broadcast(utf8.encode('mine'), false, 5)
  expect(take()).toEqual(['send 2 gossip', 'send 3 gossip'])
})

test('spec/gossip.md §7.6, §11.1: somebody who takes us for a neighbour becomes one', () => {
  const { receive } = topic()
  receive(2, JOIN)
  const outputs = receive(9, gossip('hello'))
  expect(outputs).toContain('received hello 9')
  expect(outputs).toContain('send 9 neighbor')
  const upstream = topic(UPSTREAM_GOSSIP_PROFILE)
  upstream.receive(2, JOIN)
  expect(upstream.receive(9, gossip('hello'))).not.toContain('send 9 neighbor')
})

test('spec/gossip.md §8.3: after it was left a topic is silent for ever', () => {
  const { state, receive, take } = topic()
  receive(2, JOIN)
  receive(2, { kind: 'shuffle-reply', nodes: [{ id: 3, data: undefined }] })
  expect(state.needs(3)).toBe(true)
  state.quit(10)
  expect(take()).toEqual([
    'neighbor-down 2',
    'send 2 shuffle-reply',
    'send 2 disconnect',
    'release 2',
    'send 3 disconnect',
    'release 3',
  ])
  expect(state.needs(3)).toBe(false)
  expect(state.tree.eager).toEqual([])
  expect(state.hasQuit).toBe(true)
  state.join([3], 11)
  state.broadcast(utf8.encode('late'), false, 12)
  state.fire({ kind: 'shuffle' }, 13)
  state.fire({ kind: 'evict' }, 14)
  state.disconnected(2, 15)
  state.setData(Uint8Array.of(1), 16)
  state.quit(17)
  expect(receive(2, JOIN)).toEqual([])
  expect(receive(2, gossip('late'))).toEqual([])
  expect(state.needs(2)).toBe(false)
})

test('spec/gossip.md §8.3: upstream leaves without a word to the application', () => {
  const { state, receive, take } = topic(UPSTREAM_GOSSIP_PROFILE)
  receive(2, JOIN)
  state.quit(10)
  expect(take()).toEqual(['send 2 shuffle-reply', 'send 2 disconnect', 'release 2'])
})

test('spec/gossip.md §4.6: how to reach us goes out with the next messages, not at once', () => {
  const sent: Message<number>[] = []
  const silent = () => {}
  const state = new TopicState<number>({
    me: 1,
    data: Uint8Array.of(1),
    profile: DEFAULT_GOSSIP_PROFILE,
    dice: { below: () => 0 },
    hash: () => '',
    effects: {
      send: (_peer, message) => sent.push(message),
      release: silent,
      schedule: silent,
      emit: silent,
      learned: silent,
      roundTripMs: () => undefined,
    },
  })
  state.join([2], 0)
  state.setData(Uint8Array.of(2), 1)
  expect(sent).toEqual([{ kind: 'join', data: Uint8Array.of(1) }])
  state.receive(3, JOIN, 2)
  expect(sent.at(-1)).toEqual({ kind: 'neighbor', priority: 'high', data: Uint8Array.of(2) })
})
