/** Every state that a peer (2) can be in for a node (1, with two places and 10 as a neighbour), and every input that concerns it. */
import type { GossipProfile } from '../../../src/gossip/proto/settings.ts'
import { disconnect, forwardJoin, JOIN, neighbor, Recorder, reply, shuffle } from './hyparview-recorder.ts'

export const STATES: Readonly<Record<string, (node: Recorder) => void>> = {
  'unknown, with room': (node) => node.befriend(10),
  'unknown, full': (node) => node.befriend(10, 11),
  'remembered, full': (node) => {
    node.befriend(10, 11)
    node.receive(10, reply(2))
  },
  asked: (node) => {
    node.befriend(10)
    node.receive(10, reply(2))
  },
  'asked, answer late': (node) => {
    node.befriend(10)
    node.receive(10, reply(2))
    node.fireRequest(2, node.firstSerial)
  },
  'newcomer whose walk ended here, full': (node) => {
    node.befriend(10, 11)
    node.receive(10, forwardJoin(2, 0))
  },
  neighbour: (node) => node.befriend(10, 2),
  'neighbour, just told': (node) => {
    node.befriend(10)
    node.receive(2, JOIN)
  },
  'joined, no answer': (node) => {
    node.befriend(10)
    node.join(2)
  },
  'sent us away': (node) => {
    node.befriend(10, 2)
    node.receive(2, disconnect(true))
  },
  'sent away': (node) => {
    node.befriend(2, 10)
    node.befriend(11)
  },
}

export const INPUTS: Readonly<Record<string, (node: Recorder) => string[]>> = {
  Join: (node) => node.receive(2, JOIN),
  'Neighbor high': (node) => node.receive(2, neighbor('high')),
  'Neighbor low': (node) => node.receive(2, neighbor('low')),
  'Disconnect alive': (node) => node.receive(2, disconnect(true)),
  'Disconnect gone': (node) => node.receive(2, disconnect(false)),
  'ForwardJoin of 20': (node) => node.receive(2, forwardJoin(20, 6)),
  'Shuffle of 20, ttl 0': (node) => node.receive(2, shuffle(20, [21], 0)),
  ShuffleReply: (node) => node.receive(2, reply(20)),
  'its walk ends here': (node) => node.receive(10, forwardJoin(2, 0)),
  'connection lost': (node) => node.disconnected(2),
  'request timer': (node) => node.fireRequest(2, node.firstSerial),
  'join command': (node) => node.join(2),
}

/** What the node does, and its views afterwards: `… | neighbours | remembered | pending`. */
export function outcome(profile: GossipProfile, state: string, input: string): string {
  const node = new Recorder({ profile, settings: { activeViewCapacity: 2 } })
  STATES[state]!(node)
  node.take()
  const outputs = INPUTS[input]!(node).join(', ')
  const { active, passive, pending } = node.machine
  return `${outputs} | ${active.join(' ')} | ${passive.join(' ')} | ${pending.join(' ')}`
}
