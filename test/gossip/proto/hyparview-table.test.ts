import { expect, test } from 'vitest'
import {
  DEFAULT_GOSSIP_PROFILE,
  type GossipProfile,
  UPSTREAM_GOSSIP_PROFILE,
} from '../../../src/gossip/proto/settings.ts'
import { neighbor, Recorder } from './hyparview-recorder.ts'
import { INPUTS, outcome, STATES } from './hyparview-table.ts'

/** State of the peer → input → `outputs | neighbours | remembered | pending`. */
type Table = Readonly<Record<string, Readonly<Record<string, string>>>>

const DEFAULT: Table = {
  'unknown, with room': {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | ',
    'Neighbor high': 'up 2, send 2 neighbor high | 10 2 |  | ',
    'Neighbor low': 'up 2, send 2 neighbor low | 10 2 |  | ',
    'Disconnect alive': 'release 2 | 10 |  | ',
    'Disconnect gone': 'release 2 | 10 |  | ',
    'ForwardJoin of 20':
      'send 2 neighbor low, timer pending-neighbor 2 #1 500, send 20 neighbor high, timer pending-neighbor 20 #2 3000 | 10 |  | 2 20',
    'Shuffle of 20, ttl 0':
      'send 2 neighbor low, timer pending-neighbor 2 #1 500, send 20 shuffle-reply 21, release 20 | 10 | 21 | 2',
    ShuffleReply: 'send 20 neighbor low, timer pending-neighbor 20 #1 500, release 2 | 10 | 20 | 20',
    'its walk ends here': 'send 2 neighbor high, timer pending-neighbor 2 #1 3000 | 10 |  | 2',
    'connection lost': ' | 10 |  | ',
    'request timer': ' | 10 |  | ',
    'join command': 'send 2 join, timer rejoin #1 3000 | 10 |  | ',
  },
  'unknown, full': {
    Join: 'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high, send 11 forward-join 2 6 | 11 2 | 10 | ',
    'Neighbor high':
      'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high | 11 2 | 10 | ',
    'Neighbor low': 'send 2 shuffle-reply 10 11, send 2 disconnect alive, release 2 | 10 11 | 2 | ',
    'Disconnect alive': 'release 2 | 10 11 |  | ',
    'Disconnect gone': 'release 2 | 10 11 |  | ',
    'ForwardJoin of 20': 'send 2 disconnect alive, send 10 forward-join 20 5, release 2 | 10 11 |  | ',
    'Shuffle of 20, ttl 0': 'send 2 disconnect alive, send 20 shuffle-reply 21, release 20, release 2 | 10 11 | 21 | ',
    ShuffleReply: 'release 2 | 10 11 | 20 | ',
    'its walk ends here': 'send 2 neighbor high, timer pending-neighbor 2 #1 3000 | 10 11 |  | 2',
    'connection lost': ' | 10 11 |  | ',
    'request timer': ' | 10 11 |  | ',
    'join command': 'send 2 join, timer rejoin #1 3000 | 10 11 |  | ',
  },
  'remembered, full': {
    Join: 'down 10 evicted, send 10 shuffle-reply 2 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high, send 11 forward-join 2 6 | 11 2 | 10 | ',
    'Neighbor high':
      'down 10 evicted, send 10 shuffle-reply 2 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high | 11 2 | 10 | ',
    'Neighbor low': 'send 2 shuffle-reply 10 11, send 2 disconnect alive, release 2 | 10 11 | 2 | ',
    'Disconnect alive': 'release 2 | 10 11 | 2 | ',
    'Disconnect gone': 'release 2 | 10 11 |  | ',
    'ForwardJoin of 20': 'send 2 disconnect alive, send 10 forward-join 20 5, release 2 | 10 11 | 2 | ',
    'Shuffle of 20, ttl 0': 'send 2 disconnect alive, send 20 shuffle-reply 2, release 20, release 2 | 10 11 | 2 21 | ',
    ShuffleReply: 'release 2 | 10 11 | 2 20 | ',
    'its walk ends here': 'send 2 neighbor high, timer pending-neighbor 2 #1 3000 | 10 11 | 2 | 2',
    'connection lost': ' | 10 11 | 2 | ',
    'request timer': ' | 10 11 | 2 | ',
    'join command': 'send 2 join, timer rejoin #1 3000 | 10 11 | 2 | ',
  },
  asked: {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | ',
    'Neighbor high': 'up 2 | 10 2 |  | ',
    'Neighbor low': 'up 2 | 10 2 |  | ',
    'Disconnect alive': 'release 2 | 10 | 2 | ',
    'Disconnect gone': 'release 2 | 10 |  | ',
    'ForwardJoin of 20': 'send 20 neighbor high, timer pending-neighbor 20 #2 3000 | 10 | 2 | 2 20',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 2, release 20 | 10 | 2 21 | 2',
    ShuffleReply: ' | 10 | 2 20 | 2',
    'its walk ends here': ' | 10 | 2 | 2',
    'connection lost': ' | 10 |  | ',
    'request timer': 'timer pending-neighbor 2 #1 2500 | 10 | 2 | 2',
    'join command': 'send 2 join, timer rejoin #1 3000 | 10 | 2 | 2',
  },
  'asked, answer late': {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | ',
    'Neighbor high': 'up 2 | 10 2 |  | ',
    'Neighbor low': 'up 2 | 10 2 |  | ',
    'Disconnect alive': 'release 2 | 10 | 2 | ',
    'Disconnect gone': 'release 2 | 10 |  | ',
    'ForwardJoin of 20': 'send 20 neighbor high, timer pending-neighbor 20 #2 3000 | 10 | 2 | 2 20',
    'Shuffle of 20, ttl 0':
      'send 20 shuffle-reply 2, send 21 neighbor low, timer pending-neighbor 21 #2 500, release 20 | 10 | 2 21 | 2 21',
    ShuffleReply: 'send 20 neighbor low, timer pending-neighbor 20 #2 500 | 10 | 2 20 | 2 20',
    'its walk ends here': ' | 10 | 2 | 2',
    'connection lost': ' | 10 |  | ',
    'request timer': 'release 2 | 10 |  | ',
    'join command': 'send 2 join, timer rejoin #1 3000 | 10 | 2 | 2',
  },
  'newcomer whose walk ended here, full': {
    Join: 'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high, send 11 forward-join 2 6 | 11 2 | 10 | ',
    'Neighbor high':
      'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2 | 11 2 | 10 | ',
    'Neighbor low':
      'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2 | 11 2 | 10 | ',
    'Disconnect alive': 'release 2 | 10 11 |  | ',
    'Disconnect gone': 'release 2 | 10 11 |  | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5 | 10 11 |  | 2',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21, release 20 | 10 11 | 21 | 2',
    ShuffleReply: ' | 10 11 | 20 | 2',
    'its walk ends here': ' | 10 11 |  | 2',
    'connection lost': ' | 10 11 |  | ',
    'request timer': 'release 2 | 10 11 |  | ',
    'join command': 'send 2 join, timer rejoin #1 3000 | 10 11 |  | 2',
  },
  neighbour: {
    Join: 'send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | ',
    'Neighbor high': 'send 2 neighbor high | 10 2 |  | ',
    'Neighbor low': 'send 2 neighbor low | 10 2 |  | ',
    'Disconnect alive': 'down 2 evicted-by-peer, release 2 | 10 | 2 | ',
    'Disconnect gone': 'down 2 left, release 2 | 10 |  | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5 | 10 2 |  | ',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21, release 20 | 10 2 | 21 | ',
    ShuffleReply: ' | 10 2 | 20 | ',
    'its walk ends here': 'send 2 neighbor high | 10 2 |  | ',
    'connection lost': 'down 2 connection-lost | 10 |  | ',
    'request timer': ' | 10 2 |  | ',
    'join command': ' | 10 2 |  | ',
  },
  'neighbour, just told': {
    Join: 'send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | ',
    'Neighbor high': ' | 10 2 |  | ',
    'Neighbor low': ' | 10 2 |  | ',
    'Disconnect alive': 'down 2 evicted-by-peer, release 2 | 10 | 2 | ',
    'Disconnect gone': 'down 2 left, release 2 | 10 |  | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5 | 10 2 |  | ',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21, release 20 | 10 2 | 21 | ',
    ShuffleReply: ' | 10 2 | 20 | ',
    'its walk ends here': ' | 10 2 |  | ',
    'connection lost': 'down 2 connection-lost | 10 |  | ',
    'request timer': ' | 10 2 |  | ',
    'join command': ' | 10 2 |  | ',
  },
  'joined, no answer': {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | ',
    'Neighbor high': 'up 2, send 2 neighbor high | 10 2 |  | ',
    'Neighbor low': 'up 2, send 2 neighbor low | 10 2 |  | ',
    'Disconnect alive': ' | 10 |  | ',
    'Disconnect gone': ' | 10 |  | ',
    'ForwardJoin of 20': 'send 20 neighbor high, timer pending-neighbor 20 #1 3000 | 10 |  | 20',
    'Shuffle of 20, ttl 0':
      'send 20 shuffle-reply 21, send 21 neighbor low, timer pending-neighbor 21 #1 500, release 20 | 10 | 21 | 21',
    ShuffleReply: 'send 20 neighbor low, timer pending-neighbor 20 #1 500 | 10 | 20 | 20',
    'its walk ends here': 'send 2 neighbor high, timer pending-neighbor 2 #1 3000 | 10 |  | 2',
    'connection lost': 'join-failed 2 | 10 |  | ',
    'request timer': ' | 10 |  | ',
    'join command': 'send 2 join, timer rejoin #2 3000 | 10 |  | ',
  },
  'sent us away': {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | ',
    'Neighbor high': 'up 2, send 2 neighbor high | 10 2 |  | ',
    'Neighbor low': 'up 2, send 2 neighbor low | 10 2 |  | ',
    'Disconnect alive': 'release 2 | 10 | 2 | ',
    'Disconnect gone': 'release 2 | 10 |  | ',
    'ForwardJoin of 20': 'send 20 neighbor high, timer pending-neighbor 20 #1 3000, release 2 | 10 | 2 | 20',
    'Shuffle of 20, ttl 0':
      'send 20 shuffle-reply 2, send 21 neighbor low, timer pending-neighbor 21 #1 500, release 20, release 2 | 10 | 2 21 | 21',
    ShuffleReply: 'send 20 neighbor low, timer pending-neighbor 20 #1 500, release 2 | 10 | 2 20 | 20',
    'its walk ends here': 'send 2 neighbor high, timer pending-neighbor 2 #1 3000 | 10 | 2 | 2',
    'connection lost': ' | 10 | 2 | ',
    'request timer': ' | 10 | 2 | ',
    'join command': ' | 10 | 2 | ',
  },
  'sent away': {
    Join: 'down 10 evicted, send 10 shuffle-reply 2 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high, send 11 forward-join 2 6 | 11 2 | 10 | ',
    'Neighbor high':
      'down 10 evicted, send 10 shuffle-reply 2 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high | 11 2 | 10 | ',
    'Neighbor low': 'send 2 shuffle-reply 10 11, send 2 disconnect alive, release 2 | 10 11 | 2 | ',
    'Disconnect alive': 'release 2 | 10 11 | 2 | ',
    'Disconnect gone': 'release 2 | 10 11 |  | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5, release 2 | 10 11 | 2 | ',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 2, release 20, release 2 | 10 11 | 2 21 | ',
    ShuffleReply: 'release 2 | 10 11 | 2 20 | ',
    'its walk ends here': 'send 2 neighbor high, timer pending-neighbor 2 #1 3000 | 10 11 | 2 | 2',
    'connection lost': ' | 10 11 | 2 | ',
    'request timer': ' | 10 11 | 2 | ',
    'join command': ' | 10 11 | 2 | ',
  },
}

const UPSTREAM: Table = {
  'unknown, with room': {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | 2',
    'Neighbor high': 'up 2, send 2 neighbor high | 10 2 |  | 2',
    'Neighbor low': 'up 2, send 2 neighbor low | 10 2 |  | 2',
    'Disconnect alive': ' | 10 |  | ',
    'Disconnect gone': ' | 10 |  | ',
    'ForwardJoin of 20': 'send 20 neighbor high, release 2 | 10 |  | 20',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21, release 2 | 10 | 21 | ',
    ShuffleReply: 'send 20 neighbor low, timer pending-neighbor 20 #0 500, release 2 | 10 | 20 | 20',
    'its walk ends here': 'send 2 neighbor high | 10 |  | 2',
    'connection lost': ' | 10 |  | ',
    'request timer': ' | 10 |  | ',
    'join command': 'send 2 join | 10 |  | ',
  },
  'unknown, full': {
    Join: 'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high, send 11 forward-join 2 6 | 11 2 | 10 | 2',
    'Neighbor high':
      'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high | 11 2 | 10 | 2',
    'Neighbor low': 'send 2 shuffle-reply 10 11, send 2 disconnect alive, release 2, release 2 | 10 11 |  | ',
    'Disconnect alive': ' | 10 11 |  | ',
    'Disconnect gone': ' | 10 11 |  | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5, release 2 | 10 11 |  | ',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21, release 2 | 10 11 | 21 | ',
    ShuffleReply: 'release 2 | 10 11 | 20 | ',
    'its walk ends here': 'send 2 neighbor high | 10 11 |  | 2',
    'connection lost': ' | 10 11 |  | ',
    'request timer': ' | 10 11 |  | ',
    'join command': 'send 2 join | 10 11 |  | ',
  },
  'remembered, full': {
    Join: 'down 10 evicted, send 10 shuffle-reply 2 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high, send 11 forward-join 2 6 | 11 2 | 10 | 2',
    'Neighbor high':
      'down 10 evicted, send 10 shuffle-reply 2 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high | 11 2 | 10 | 2',
    'Neighbor low': 'send 2 shuffle-reply 2 10 11, send 2 disconnect alive, release 2, release 2 | 10 11 | 2 | ',
    'Disconnect alive': ' | 10 11 | 2 | ',
    'Disconnect gone': ' | 10 11 | 2 | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5, release 2 | 10 11 | 2 | ',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 2, release 2 | 10 11 | 2 21 | ',
    ShuffleReply: 'release 2 | 10 11 | 2 20 | ',
    'its walk ends here': 'send 2 neighbor high | 10 11 | 2 | 2',
    'connection lost': ' | 10 11 |  | ',
    'request timer': ' | 10 11 | 2 | ',
    'join command': 'send 2 join | 10 11 | 2 | ',
  },
  asked: {
    Join: 'up 2, send 10 forward-join 2 6 | 10 2 |  | 2',
    'Neighbor high': 'up 2 | 10 2 |  | ',
    'Neighbor low': 'up 2 | 10 2 |  | ',
    'Disconnect alive': ' | 10 | 2 | ',
    'Disconnect gone': ' | 10 | 2 | ',
    'ForwardJoin of 20': 'send 20 neighbor high, release 2 | 10 | 2 | 2 20',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 2, release 2 | 10 | 2 21 | 2',
    ShuffleReply: 'release 2 | 10 | 2 20 | 2',
    'its walk ends here': ' | 10 | 2 | 2',
    'connection lost': ' | 10 |  | ',
    'request timer': ' | 10 |  | ',
    'join command': 'send 2 join | 10 | 2 | 2',
  },
  'asked, answer late': {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | 2',
    'Neighbor high': 'up 2, send 2 neighbor high | 10 2 |  | 2',
    'Neighbor low': 'up 2, send 2 neighbor low | 10 2 |  | 2',
    'Disconnect alive': ' | 10 |  | ',
    'Disconnect gone': ' | 10 |  | ',
    'ForwardJoin of 20': 'send 20 neighbor high, release 2 | 10 |  | 20',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21, release 2 | 10 | 21 | ',
    ShuffleReply: 'send 20 neighbor low, timer pending-neighbor 20 #0 500, release 2 | 10 | 20 | 20',
    'its walk ends here': 'send 2 neighbor high | 10 |  | 2',
    'connection lost': ' | 10 |  | ',
    'request timer': ' | 10 |  | ',
    'join command': 'send 2 join | 10 |  | ',
  },
  'newcomer whose walk ended here, full': {
    Join: 'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2, send 11 forward-join 2 6 | 11 2 | 10 | 2',
    'Neighbor high':
      'down 10 evicted, send 10 shuffle-reply 11, send 10 disconnect alive, release 10, up 2 | 11 2 | 10 | ',
    'Neighbor low': 'send 2 shuffle-reply 10 11, send 2 disconnect alive, release 2, release 2 | 10 11 |  | ',
    'Disconnect alive': ' | 10 11 |  | ',
    'Disconnect gone': ' | 10 11 |  | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5, release 2 | 10 11 |  | 2',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21, release 2 | 10 11 | 21 | 2',
    ShuffleReply: 'release 2 | 10 11 | 20 | 2',
    'its walk ends here': ' | 10 11 |  | 2',
    'connection lost': ' | 10 11 |  | ',
    'request timer': ' | 10 11 |  | ',
    'join command': 'send 2 join | 10 11 |  | 2',
  },
  neighbour: {
    Join: 'send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | 2',
    'Neighbor high': 'send 2 neighbor high | 10 2 |  | 2',
    'Neighbor low': 'send 2 neighbor low | 10 2 |  | 2',
    'Disconnect alive': 'down 2 evicted-by-peer, release 2 | 10 | 2 | ',
    'Disconnect gone': 'down 2 left, release 2 | 10 |  | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5 | 10 2 |  | ',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21 | 10 2 | 21 | ',
    ShuffleReply: ' | 10 2 | 20 | ',
    'its walk ends here': 'send 2 neighbor high | 10 2 |  | 2',
    'connection lost': 'down 2 connection-lost, release 2 | 10 |  | ',
    'request timer': ' | 10 2 |  | ',
    'join command': 'send 2 join | 10 2 |  | ',
  },
  'neighbour, just told': {
    Join: 'send 10 forward-join 2 6 | 10 2 |  | 2',
    'Neighbor high': ' | 10 2 |  | ',
    'Neighbor low': ' | 10 2 |  | ',
    'Disconnect alive': 'down 2 evicted-by-peer, release 2 | 10 | 2 | ',
    'Disconnect gone': 'down 2 left, release 2 | 10 |  | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5 | 10 2 |  | 2',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21 | 10 2 | 21 | 2',
    ShuffleReply: ' | 10 2 | 20 | 2',
    'its walk ends here': ' | 10 2 |  | 2',
    'connection lost': 'down 2 connection-lost, release 2 | 10 |  | ',
    'request timer': ' | 10 2 |  | ',
    'join command': 'send 2 join | 10 2 |  | 2',
  },
  'joined, no answer': {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | 2',
    'Neighbor high': 'up 2, send 2 neighbor high | 10 2 |  | 2',
    'Neighbor low': 'up 2, send 2 neighbor low | 10 2 |  | 2',
    'Disconnect alive': ' | 10 |  | ',
    'Disconnect gone': ' | 10 |  | ',
    'ForwardJoin of 20': 'send 20 neighbor high, release 2 | 10 |  | 20',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 21, release 2 | 10 | 21 | ',
    ShuffleReply: 'send 20 neighbor low, timer pending-neighbor 20 #0 500, release 2 | 10 | 20 | 20',
    'its walk ends here': 'send 2 neighbor high | 10 |  | 2',
    'connection lost': ' | 10 |  | ',
    'request timer': ' | 10 |  | ',
    'join command': 'send 2 join | 10 |  | ',
  },
  'sent us away': {
    Join: 'up 2, send 2 neighbor high, send 10 forward-join 2 6 | 10 2 |  | 2',
    'Neighbor high': 'up 2, send 2 neighbor high | 10 2 |  | 2',
    'Neighbor low': 'up 2, send 2 neighbor low | 10 2 |  | 2',
    'Disconnect alive': ' | 10 | 2 | ',
    'Disconnect gone': ' | 10 | 2 | ',
    'ForwardJoin of 20': 'send 20 neighbor high, release 2 | 10 | 2 | 20',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 2, release 2 | 10 | 2 21 | ',
    ShuffleReply: 'send 2 neighbor low, timer pending-neighbor 2 #0 500, release 2 | 10 | 2 20 | 2',
    'its walk ends here': 'send 2 neighbor high | 10 | 2 | 2',
    'connection lost': ' | 10 | 2 | ',
    'request timer': ' | 10 | 2 | ',
    'join command': 'send 2 join | 10 | 2 | ',
  },
  'sent away': {
    Join: 'down 10 evicted, send 10 shuffle-reply 2 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high, send 11 forward-join 2 6 | 11 2 | 10 | 2',
    'Neighbor high':
      'down 10 evicted, send 10 shuffle-reply 2 11, send 10 disconnect alive, release 10, up 2, send 2 neighbor high | 11 2 | 10 | 2',
    'Neighbor low': 'send 2 shuffle-reply 2 10 11, send 2 disconnect alive, release 2, release 2 | 10 11 | 2 | ',
    'Disconnect alive': ' | 10 11 | 2 | ',
    'Disconnect gone': ' | 10 11 | 2 | ',
    'ForwardJoin of 20': 'send 10 forward-join 20 5, release 2 | 10 11 | 2 | ',
    'Shuffle of 20, ttl 0': 'send 20 shuffle-reply 2, release 2 | 10 11 | 2 21 | ',
    ShuffleReply: 'release 2 | 10 11 | 2 20 | ',
    'its walk ends here': 'send 2 neighbor high | 10 11 | 2 | 2',
    'connection lost': ' | 10 11 | 2 | ',
    'request timer': ' | 10 11 | 2 | ',
    'join command': 'send 2 join | 10 11 | 2 | ',
  },
}

function measured(profile: GossipProfile): Table {
  const inputsOf = (state: string) => Object.keys(INPUTS).map((input) => [input, outcome(profile, state, input)])
  return Object.fromEntries(Object.keys(STATES).map((state) => [state, Object.fromEntries(inputsOf(state))]))
}

test('spec/gossip.md §6.2, §6.3, §11.1: every input in every state of a peer, profile default', () => {
  expect(measured(DEFAULT_GOSSIP_PROFILE)).toEqual(DEFAULT)
})

test('spec/gossip.md §6.2, §6.3: every input in every state of a peer, profile upstream-0.101', () => {
  expect(measured(UPSTREAM_GOSSIP_PROFILE)).toEqual(UPSTREAM)
})

test('spec/gossip.md §6.5: a Neighbor is taken for the echo of ours once, and for 3 s', () => {
  const node = new Recorder()
  node.receive(2, neighbor('high'))
  expect(node.receive(2, neighbor('high'))).toEqual([])
  expect(node.receive(2, neighbor('high'))).toEqual(['send 2 neighbor high'])
  node.now += 2_999
  expect(node.receive(2, neighbor('high'))).toEqual([])
  node.receive(2, neighbor('high'))
  node.now += 3_000
  expect(node.receive(2, neighbor('low'))).toEqual(['send 2 neighbor low'])
})
