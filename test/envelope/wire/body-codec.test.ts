/** What payloads and gossip may be (spec/envelope.md §1.8, §5.4, §5.5, §6.3), and that nothing else is read. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import type { BackupReplica } from '../../../src/envelope/wire/bodies.ts'
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
  roleChangeSigningBytes,
} from '../../../src/envelope/wire/body-codec.ts'
import { MAX_ENVELOPE_LENGTH } from '../../../src/envelope/wire/envelope.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { decodeSignedAnnounce, encodeSignedAnnounce } from '../../../src/envelope/wire/signed-announce.ts'
import { EndpointAddr, EndpointId, ipAddr, relayAddr } from '../../../src/identity/index.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { anyBytes, anyId, anyKey, anyTime, KEYS } from './arbitrary.ts'
import { ALICE, BOB, HELLO, HOP, idOf, TIMESTAMP, VECTORS } from './vectors.ts'

const keys = new KnownKeys()
const NO_POINT = `02${'00'.repeat(31)}`
const { D_acks_for_A: D, E_gossip: E, G_backup: G } = VECTORS

function codeOf(use: () => unknown): string {
  try {
    use()
  } catch (error) {
    if (error instanceof EnvelopeError) return error.code
    throw error
  }
  return 'none'
}

const announce = { peer: ALICE, name: 'alice', roles: ['Peer'], timestamp: TIMESTAMP } as const
const change = { peer: ALICE, role: 'Relay', score: 15.5, timestamp: TIMESTAMP, signature: new Uint8Array(64) } as const
const replica = {
  id: idOf(1),
  wire: HELLO,
  to: BOB,
  from: ALICE,
  expiresAt: TIMESTAMP,
  viability: 100,
  holders: [HOP],
}
const addr = new EndpointAddr(EndpointId.parse(ALICE), [
  relayAddr('https://relay.example./'),
  ipAddr({ ip: Uint8Array.of(192, 0, 2, 7), port: 4433 }),
])

/** Each with bytes that it reads. */
const READERS: readonly (readonly [name: string, decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array])[] = [
  ['Ack', decodeAck, hex(D.ack_recipient_payload)],
  ['ReadReceipt', decodeReadReceipt, hex(D.read_receipt_payload_read_at_1708000001000)],
  ['PeerAnnounce', decodePeerAnnounce, hex(E.peer_announce_alice_Peer)],
  ['RoleChange', decodeRoleChange, hex(E.role_change_alice_Relay_15_5.wire)],
  ['SignedAnnounce', decodeSignedAnnounce, encodeSignedAnnounce({ announce, addr })],
  ['BackupReplica', decodeBackupReplica, hex(G.replicate_A_viability_100_replicated_to_hop_expires_plus_24h)],
  ['IdList', decodeIdList, hex(G.id_list)],
  ['Id', decodeId, hex(G.replicate_ack)],
]

describe('spec/envelope.md §1.8: only what its type says', () => {
  test.each(READERS)('%s: cut anywhere, and with a byte behind it', (_name, decode, bytes) => {
    decode(bytes)
    for (let length = 0; length < bytes.length; length++)
      expect(codeOf(() => decode(bytes.subarray(0, length)))).toBe('UNREADABLE_BODY')
    expect(codeOf(() => decode(Uint8Array.of(...bytes, 0xc0)))).toBe('UNREADABLE_BODY')
  })

  test('spec/envelope.md §5.5: what gossip brings is told apart by the element in the middle', () => {
    expect(codeOf(() => decodePeerAnnounce(encodeRoleChange(change)))).toBe('UNREADABLE_BODY')
    expect(codeOf(() => decodeRoleChange(encodePeerAnnounce(announce)))).toBe('UNREADABLE_BODY')
  })

  test('any of each, and back', () => {
    const role = fc.constantFrom('Peer' as const, 'Relay' as const)
    const anyAnnounce = fc.record({
      peer: anyKey,
      name: fc.string({ unit: 'grapheme', maxLength: 5 }),
      roles: fc.uniqueArray(role),
      timestamp: anyTime,
    })
    const score = fc.double({ noNaN: true, noDefaultInfinity: true })
    const signature = fc.uint8Array({ minLength: 64, maxLength: 64 })
    const anyReplica: fc.Arbitrary<BackupReplica> = fc.record({
      id: anyId,
      wire: anyBytes(200),
      to: anyKey,
      from: anyKey,
      expiresAt: anyTime,
      viability: fc.nat(100),
      holders: fc.array(anyKey, { maxLength: 16 }),
    })
    const both = <T>(any: fc.Arbitrary<T>, encode: (value: T) => Uint8Array, decode: (bytes: Uint8Array) => T) => {
      const property = fc.property(any, (value) => {
        expect(decode(encode(value))).toEqual(value)
      })
      fc.assert(property, { numRuns: 40 })
    }
    both(
      fc.record({ originalId: anyId, kind: fc.constantFrom('RelayForwarded' as const, 'RecipientReceived' as const) }),
      encodeAck,
      decodeAck,
    )
    both(fc.record({ originalId: anyId, readAt: anyTime }), encodeReadReceipt, decodeReadReceipt)
    both(anyAnnounce, encodePeerAnnounce, (bytes) => decodePeerAnnounce(bytes, keys))
    both(
      fc.record({ announce: anyAnnounce, addr: fc.constant(undefined) }),
      encodeSignedAnnounce,
      (bytes) => decodeSignedAnnounce(bytes, keys) as never,
    )
    both(fc.record({ peer: anyKey, role, score, timestamp: anyTime, signature }), encodeRoleChange, (bytes) =>
      decodeRoleChange(bytes, keys),
    )
    both(anyReplica, encodeBackupReplica, (bytes) => decodeBackupReplica(bytes, keys))
    both(
      anyReplica,
      (value) => encodeBackupReplica(value, { isCompact: true }),
      (bytes) => decodeBackupReplica(bytes, keys),
    )
    both(fc.array(anyId, { maxLength: 20 }), encodeIdList, decodeIdList)
    both(anyId, encodeId, decodeId)
  })
})

describe('spec/envelope.md §5.4: presence', () => {
  const named = (name: string) => decodePeerAnnounce(encodePeerAnnounce({ ...announce, name }), keys).name

  test.each([
    ['a'.repeat(64), 64],
    ['a'.repeat(65), 64],
    ['é'.repeat(32), 32],
    [`a${'é'.repeat(32)}`, 32],
    ['€'.repeat(22), 21],
    ['\u{1f600}'.repeat(16), 32],
    [`a${'\u{1f600}'.repeat(16)}`, 31],
    ['', 0],
  ])('PRS-1: the name %s is cut at a character, to 64 bytes', (name, length) => {
    expect(named(name)).toBe(name.slice(0, length))
    expect(new TextEncoder().encode(named(name)).length).toBeLessThanOrEqual(64)
  })

  test('PRS-1: so is a long name of a peer that knows no limit', () => {
    // the name of 200 letters in place of the five
    const wire = E.peer_announce_alice_Peer.replace('a5616c696365', `d9c8${'61'.repeat(200)}`)
    expect(decodePeerAnnounce(hex(wire)).name).toBe('a'.repeat(64))
  })

  test('PRS-3: the encryption key may be missing, and is not looked at', () => {
    const [start, end] = [
      E.peer_announce_alice_Peer.indexOf('dc0020'),
      E.peer_announce_alice_Peer.indexOf('cf0000018d'),
    ]
    const withKey = (form: string) =>
      E.peer_announce_alice_Peer.slice(0, start) + form + E.peer_announce_alice_Peer.slice(end)
    expect(decodePeerAnnounce(hex(withKey('c0')))).toEqual(announce)
    expect(decodePeerAnnounce(hex(withKey(`c420${NO_POINT}`)))).toEqual(announce)
    expect(codeOf(() => decodePeerAnnounce(hex(withKey(`c41f${NO_POINT.slice(2)}`))))).toBe('UNREADABLE_BODY')
  })

  test('a role twice counts once; an unknown one, or a key that is none, makes it unreadable', () => {
    const roles = (form: string) =>
      decodePeerAnnounce(hex(E.peer_announce_alice_Peer.replace('91a450656572', form))).roles
    expect(roles('93a450656572a552656c6179a450656572')).toEqual(['Peer', 'Relay'])
    expect(roles('90')).toEqual([])
    expect(codeOf(() => roles('91a8477561726469616e'))).toBe('UNREADABLE_BODY')
    const wire = encodePeerAnnounce({ ...announce, peer: NO_POINT })
    expect(codeOf(() => decodePeerAnnounce(wire))).toBe('UNREADABLE_BODY')
    expect(codeOf(() => decodePeerAnnounce(wire, keys))).toBe('UNREADABLE_BODY')
  })
})

describe('W10: presence that is signed', () => {
  test('an address goes along, or none', () => {
    const bytes = encodeSignedAnnounce({ announce, addr })
    const decoded = decodeSignedAnnounce(bytes, keys)
    expect(decoded.announce).toEqual(announce)
    expect(decoded.addr?.toString()).toBe(addr.toString())
    expect(decodeSignedAnnounce(encodeSignedAnnounce({ announce, addr: undefined })).addr).toBeUndefined()
  })

  test('the address of another peer is refused, and one that cannot be read', () => {
    const other = encodeSignedAnnounce({ announce: { ...announce, peer: BOB }, addr })
    expect(codeOf(() => decodeSignedAnnounce(other))).toBe('UNREADABLE_BODY')
    const bytes = encodeSignedAnnounce({ announce, addr: undefined })
    expect(codeOf(() => decodeSignedAnnounce(Uint8Array.of(...bytes.subarray(0, -1), 0xa1, 0x61)))).toBe(
      'UNREADABLE_BODY',
    )
    expect(codeOf(() => decodeSignedAnnounce(Uint8Array.of(...bytes.subarray(0, -1), 0x05)))).toBe('UNREADABLE_BODY')
  })
})

describe('spec/envelope.md §5.5: role changes', () => {
  test('ENV-3: a whole score is a float too; W28: only finite ones', () => {
    const wire = toHex(encodeRoleChange({ ...change, score: 15 }))
    expect(wire).toContain('cb402e000000000000')
    const scored = (form: string) => decodeRoleChange(hex(wire.replace('cb402e000000000000', form))).score
    expect([scored('cb402e000000000000'), scored('0f'), scored('ff')]).toEqual([15, 15, -1])
    expect(scored('cb8000000000000000')).toBe(-0)
    for (const form of ['cb7ff8000000000000', 'cb7ff0000000000000', 'cbfff0000000000000', 'ca7f800000'])
      expect(codeOf(() => scored(form))).toBe('UNREADABLE_BODY')
  })

  test('a score of -0 is signed as it came', () => {
    const signed = toHex(roleChangeSigningBytes({ ...change, score: -0 }))
    expect(signed.slice(64, 82)).toBe('010000000000000080')
    expect(toHex(roleChangeSigningBytes({ ...change, role: 'Peer' })).slice(64, 66)).toBe('00')
  })

  test('a signature has 64 bytes', () => {
    for (const length of [0, 63, 65])
      expect(codeOf(() => decodeRoleChange(encodeRoleChange({ ...change, signature: new Uint8Array(length) })))).toBe(
        'UNREADABLE_BODY',
      )
  })
})

describe('spec/envelope.md §6.3: backup', () => {
  const decoded = (changes: Partial<typeof replica>) =>
    decodeBackupReplica(encodeBackupReplica({ ...replica, ...changes }), keys)

  test('a viability above 100 is 100, beyond a byte it is unreadable', () => {
    expect([decoded({ viability: 100 }).viability, decoded({ viability: 255 }).viability]).toEqual([100, 100])
    expect(codeOf(() => decoded({ viability: 256 }))).toBe('UNREADABLE_BODY')
  })

  test('at most 16 holders, each a key', () => {
    const sixteen = [...KEYS, ...KEYS]
    expect(decoded({ holders: sixteen }).holders).toEqual(sixteen)
    expect(codeOf(() => decoded({ holders: [...sixteen, HOP] }))).toBe('UNREADABLE_BODY')
    for (const changes of [{ holders: [NO_POINT] }, { to: NO_POINT }, { from: NO_POINT }])
      expect(codeOf(() => decoded(changes))).toBe('UNREADABLE_BODY')
  })

  test('an id and an envelope within their bounds', () => {
    expect(codeOf(() => decoded({ id: '' }))).toBe('UNREADABLE_BODY')
    expect(codeOf(() => decoded({ id: 'a'.repeat(65) }))).toBe('UNREADABLE_BODY')
    expect(decoded({ wire: new Uint8Array(MAX_ENVELOPE_LENGTH) }).wire.length).toBe(MAX_ENVELOPE_LENGTH)
    expect(codeOf(() => decoded({ wire: new Uint8Array(MAX_ENVELOPE_LENGTH + 1) }))).toBe('UNREADABLE_BODY')
  })

  test('BAK-7: in the compact form an envelope costs its bytes and no more', () => {
    const wire = new Uint8Array(1_000).fill(0xff)
    const [canonical, compact] = [false, true].map((isCompact) =>
      encodeBackupReplica({ ...replica, wire }, { isCompact }),
    )
    expect([canonical!.length - compact!.length, toHex(compact!).includes(`c503e8${'ff'.repeat(1_000)}`)]).toEqual([
      1_000,
      true,
    ])
  })

  test('BAK-6: at most 10,000 ids', () => {
    expect(decodeIdList(encodeIdList(Array(10_000).fill('a'))).length).toBe(10_000)
    expect(codeOf(() => decodeIdList(encodeIdList(Array(10_001).fill('a'))))).toBe('UNREADABLE_BODY')
    expect(codeOf(() => decodeIdList(encodeIdList(['a', ''])))).toBe('UNREADABLE_BODY')
  })
})
