/** Payloads and gossip gone wrong: UNREADABLE_BODY or a value that can be written and read again (spec/envelope.md §1.8, §5.4, §5.5, §6.3, §7.2). */
import { expect, test } from 'vitest'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import {
  decodeAck,
  decodeBackupReplica,
  decodeId,
  decodeIdList,
  decodePeerAnnounce,
  decodeReadReceipt,
  decodeRoleChange,
  encodeAck,
  encodeBackupReplica,
  encodeId,
  encodeIdList,
  encodePeerAnnounce,
  encodeReadReceipt,
  encodeRoleChange,
} from '../../../src/envelope/wire/body-codec.ts'
import { decodeGroupPayload, encodeGroupPayload } from '../../../src/envelope/wire/group-payload.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { decodeSignedAnnounce, encodeSignedAnnounce } from '../../../src/envelope/wire/signed-announce.ts'
import { EndpointAddr, EndpointId, ipAddr } from '../../../src/identity/index.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { ALICE, TIMESTAMP, VECTORS } from '../../envelope/wire/vectors.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from '../support/budget.ts'
import { broken } from './support.ts'

const ROUNDS = 800 * FACTOR
const keys = new KnownKeys()
const { D_acks_for_A: D, E_gossip: E, F_groups: F, G_backup: G } = VECTORS
const addr = new EndpointAddr(EndpointId.parse(ALICE), [ipAddr({ ip: Uint8Array.of(192, 0, 2, 7), port: 4433 })])
const announce = { peer: ALICE, name: 'alice', roles: [], timestamp: TIMESTAMP } as const

type Codec = readonly [
  name: string,
  decode: (bytes: Uint8Array) => never,
  encode: (value: never) => Uint8Array,
  genuine: readonly Uint8Array[],
]

const CODECS: readonly Codec[] = [
  ['Ack', decodeAck as never, encodeAck, [hex(D.ack_hop_payload), hex(D.ack_recipient_payload)]],
  ['ReadReceipt', decodeReadReceipt as never, encodeReadReceipt, [hex(D.read_receipt_payload_read_at_1708000001000)]],
  [
    'PeerAnnounce',
    (bytes) => decodePeerAnnounce(bytes, keys) as never,
    encodePeerAnnounce,
    [hex(E.peer_announce_alice_Peer)],
  ],
  [
    'SignedAnnounce',
    (bytes) => decodeSignedAnnounce(bytes, keys) as never,
    encodeSignedAnnounce,
    [encodeSignedAnnounce({ announce, addr }), encodeSignedAnnounce({ announce, addr: undefined })],
  ],
  [
    'RoleChange',
    (bytes) => decodeRoleChange(bytes, keys) as never,
    encodeRoleChange,
    [hex(E.role_change_alice_Relay_15_5.wire)],
  ],
  [
    'BackupReplica',
    (bytes) => decodeBackupReplica(bytes, keys) as never,
    encodeBackupReplica,
    [hex(G.replicate_A_viability_100_replicated_to_hop_expires_plus_24h)],
  ],
  ['IdList', decodeIdList as never, encodeIdList, [hex(G.id_list)]],
  ['Id', decodeId as never, encodeId, [hex(G.query_bob), hex(G.replicate_ack)]],
  [
    'GroupPayload',
    (bytes) => decodeGroupPayload(bytes, keys) as never,
    encodeGroupPayload,
    [F.create_team_invite_bob, F.hub_ping, F.clear_message.payload, F.sender_key_distribution_to_bob.payload].map(hex),
  ],
]

test.each(CODECS)(
  '%s: unreadable, or a value that is written in one form',
  (name, decode, encode, genuine) => {
    const random = new SimRandom(`bodies ${name} ${SEED}`)
    const others = CODECS.flatMap(([, , , bytes]) => bytes)
    const counts = { read: 0, refused: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = broken(random, random.pick(genuine), random.pick(others))
      const where = `seed ${SEED}, round ${round}: ${toHex(bytes)}`
      let value: never
      try {
        value = decode(bytes)
        counts.read++
      } catch (error) {
        expect(error instanceof EnvelopeError && error.code, where).toBe('UNREADABLE_BODY')
        counts.refused++
        continue
      }
      const canonical = encode(value)
      expect(decode(canonical), where).toEqual(value)
      expect(toHex(encode(decode(canonical))), where).toBe(toHex(canonical))
    }
    expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(10)
  },
  TIMEOUT,
)
