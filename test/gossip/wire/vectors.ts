/** The vectors of spec/gossip.md §15: frames with their length in front, and what they say. */
import type { Message } from '../../../src/gossip/proto/messages.ts'
import { hex } from '../../crypto/hex.ts'

/** Public keys of RFC 8032, tests 1 to 3. */
export const A = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'
export const B = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c'
export const C = 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025'
export const TOPIC = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
/** BLAKE3 of "hello", "world" and nothing. */
export const H = 'ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f'
export const W = 'd7894ae9716d38d2dfad0ec55424ca321ee12453d51f1b3adeb77d0475ed988c'
export const E = 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262'
/** Address infos: nothing; 127.0.0.1:80; relay, 192.0.2.7:4433, [2001:db8::1]:51820. */
export const D0 = '0000'
export const D1 = '0001007f00000150'
export const D2 =
  '011b68747470733a2f2f72656c61792e6578616d706c652e6f72672e2f0200c0000207d1220120010db8000000000000000000000001ec9403'

const HELLO = hex('68656c6c6f')

export const VECTORS: readonly (readonly [name: string, frame: string, message: Message<string>])[] = [
  ['#2 Join, no data', '00000003000000', { kind: 'join', data: undefined }],
  ['#3 Join, empty data', '0000000400000100', { kind: 'join', data: hex('') }],
  ['#4 Join, no address', '00000006000001020000', { kind: 'join', data: hex(D0) }],
  ['#5 Join, an address', '0000000c000001080001007f00000150', { kind: 'join', data: hex(D1) }],
  ['#6 Join, relay and addresses', `0000003d00000139${D2}`, { kind: 'join', data: hex(D2) }],
  [
    '#7 ForwardJoin, no data',
    `000000240001${B}0006`,
    { kind: 'forward-join', peer: { id: B, data: undefined }, ttl: 6 },
  ],
  [
    '#8 ForwardJoin, an address',
    `0000002d0001${B}0108${D1}06`,
    { kind: 'forward-join', peer: { id: B, data: hex(D1) }, ttl: 6 },
  ],
  [
    '#9 Shuffle',
    '0000006f0002d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a023d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c00d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a01080001007f0000015006',
    {
      kind: 'shuffle',
      origin: A,
      nodes: [
        { id: B, data: undefined },
        { id: A, data: hex(D1) },
      ],
      ttl: 6,
    },
  ],
  ['#10 ShuffleReply', `00000024000301${C}00`, { kind: 'shuffle-reply', nodes: [{ id: C, data: undefined }] }],
  ['#11 ShuffleReply, empty', '00000003000300', { kind: 'shuffle-reply', nodes: [] }],
  ['#12 Neighbor High, no data', '0000000400040000', { kind: 'neighbor', priority: 'high', data: undefined }],
  ['#13 Neighbor High', '0000000d00040001080001007f00000150', { kind: 'neighbor', priority: 'high', data: hex(D1) }],
  ['#14 Neighbor Low', '0000000d00040101080001007f00000150', { kind: 'neighbor', priority: 'low', data: hex(D1) }],
  ['#15 Disconnect alive', '0000000400050100', { kind: 'disconnect', alive: true }],
  ['#16 Disconnect not alive', '0000000400050000', { kind: 'disconnect', alive: false }],
  [
    '#17 Gossip, Swarm(0)',
    '0000002a0100ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f0568656c6c6f0000',
    { kind: 'gossip', id: H, content: HELLO, round: 0 },
  ],
  ['#18 Gossip, Swarm(3)', `0000002a0100${H}0568656c6c6f0003`, { kind: 'gossip', id: H, content: HELLO, round: 3 }],
  [
    '#19 Gossip, Swarm(200)',
    `0000002b0100${H}0568656c6c6f00c801`,
    { kind: 'gossip', id: H, content: HELLO, round: 200 },
  ],
  [
    '#20 Gossip, Neighbors',
    `000000290100${H}0568656c6c6f01`,
    { kind: 'gossip', id: H, content: HELLO, round: undefined },
  ],
  ['#21 Gossip, no content', `000000250100${E}000000`, { kind: 'gossip', id: E, content: hex(''), round: 0 }],
  ['#22 Prune', '000000020101', { kind: 'prune' }],
  ['#23 Graft, no id', '0000000401020002', { kind: 'graft', id: undefined, round: 2 }],
  ['#24 Graft, an id', `00000024010201${H}02`, { kind: 'graft', id: H, round: 2 }],
  ['#25 IHave', `00000024010301${H}02`, { kind: 'ihave', announcements: [{ id: H, round: 2 }] }],
  [
    '#26 IHave, two',
    `00000046010302${H}00${W}ac02`,
    {
      kind: 'ihave',
      announcements: [
        { id: H, round: 0 },
        { id: W, round: 300 },
      ],
    },
  ],
]
