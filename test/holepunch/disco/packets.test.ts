import { describe, expect, test } from 'vitest'
import { parseIp } from '../../../src/bytes/index.ts'
import { boxKey, openBox, sealBox, x25519PublicOf, x25519SecretOf } from '../../../src/crypto/index.ts'
import { DiscoBox, MAX_SHARED_KEYS } from '../../../src/holepunch/disco/box.ts'
import { decodeDiscoMessage, encodeDiscoMessage } from '../../../src/holepunch/disco/message.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { SimRandom } from '../../sim/support/random.ts'
import { ALICE, BOB, NONCE, TRANSACTION, VECTORS } from './vectors.ts'

const fixed = { fill: (out: Uint8Array) => out.set(NONCE) }
const SOURCE = '192.0.2.33'

function boxOf(key: SecretKey): DiscoBox {
  return new DiscoBox(key, fixed)
}

/** A packet with any plaintext from alice to bob. */
function sealed(plain: Uint8Array): Uint8Array {
  const key = boxKey(x25519SecretOf(ALICE.toBytes()), x25519PublicOf(BOB.id.toBytes())!)!
  return Uint8Array.from([...hex('5453f09f92ac'), ...ALICE.id.toBytes(), ...sealBox(key, NONCE, plain), ...NONCE])
}

describe('D1', () => {
  const key = hex('bef341682566af4bf31645c8a76b183fd88c782b0470103e759b2dd748af28bd')
  const transactionId = TRANSACTION
  test.each([
    ['Ping', { type: 'ping', transactionId, key }, `0100 0102030405060708090a0b0c ${toHex(key)}`],
    [
      'Pong 2.3.4.5:1234',
      { type: 'pong', transactionId, observed: { kind: 'udp', ip: parseIp('2.3.4.5'), port: 1234 } },
      '0200 0102030405060708090a0b0c 00 00000000000000000000ffff02030405 d204',
    ],
    [
      'Pong [fed0::12]:6666',
      { type: 'pong', transactionId, observed: { kind: 'udp', ip: parseIp('fed0::12'), port: 6666 } },
      '0200 0102030405060708090a0b0c 00 fed00000000000000000000000000012 0a1a',
    ],
    ['CallMeMaybe, empty', { type: 'call-me-maybe', addresses: [] }, '0300'],
    [
      'CallMeMaybe, two',
      {
        type: 'call-me-maybe',
        addresses: [
          { ip: parseIp('1.2.3.4'), port: 567 },
          { ip: parseIp('2001::3456'), port: 789 },
        ],
      },
      '0300 00000000000000000000ffff01020304 3702 20010000000000000000000000003456 1503',
    ],
  ] as const)('spec/disco-stun-nat.md §5.1: %s', (_, message, text) => {
    expect(toHex(encodeDiscoMessage(message))).toBe(toHex(hex(text)))
    expect(decodeDiscoMessage(hex(text), ALICE.id.toBytes())).toEqual(message)
  })

  test.each(VECTORS)('spec/disco-stun-nat.md §5.4: $name', ({ from, to, message, plain, packet }) => {
    const bytes = hex(packet)
    expect(toHex(encodeDiscoMessage(message))).toBe(toHex(hex(plain)))
    expect(toHex(boxOf(from).seal(to.id.toBytes(), message)!)).toBe(toHex(bytes))
    expect(boxOf(to).open(bytes, SOURCE, 0)).toEqual({ sender: from.id.toBytes(), message })
    // the other end of the same key opens it, too; nobody else does
    expect(boxOf(SecretKey.fromBytes(new Uint8Array(32).fill(3))).open(bytes, SOURCE, 0)).toBeUndefined()
  })

  test('spec/disco-stun-nat.md §5.1: from A to itself', () => {
    const packet = boxOf(ALICE).seal(ALICE.id.toBytes(), VECTORS[0]!.message)!
    expect(boxOf(ALICE).open(packet, SOURCE, 0)?.message).toEqual(VECTORS[0]!.message)
  })

  test('spec/disco-stun-nat.md §1.1: one changed bit anywhere in a packet, and it is none', () => {
    const bytes = hex(VECTORS[0]!.packet)
    const box = boxOf(BOB)
    const opens = (bit: number): boolean => {
      const changed = bytes.slice()
      changed[bit >> 3]! ^= 1 << (bit & 7)
      // strangers are limited, a second later they are not
      return box.open(changed, SOURCE, bit * 1_000) !== undefined
    }
    expect(box.open(bytes, SOURCE, 0)).toBeDefined()
    const taken = Array.from({ length: bytes.length * 8 }, (_, bit) => bit).filter(opens)
    // the sign of the sender's key is not part of the exchange
    expect(taken).toEqual([(6 + 31) * 8 + 7])
  })
})

describe('D2', () => {
  const bob = boxOf(BOB)

  test('spec/disco-stun-nat.md §1.1: packets of 37, 38 and 77 bytes are none, one of 78 has nothing in it', () => {
    const whole = sealed(new Uint8Array(0))
    expect(whole).toHaveLength(78)
    for (const length of [0, 5, 6, 37, 38, 77, 78])
      expect(bob.open(whole.subarray(0, length), SOURCE, 0)).toBeUndefined()
    expect(bob.stats).toEqual({ failedOpens: 0, limited: 0, malformed: 1 })
  })

  const id = ALICE.id.toBytes()
  const filled = (type: number, version: number, length: number): Uint8Array =>
    Uint8Array.from([type, version, ...new Uint8Array(length)])

  test.each([
    [43, false],
    [44, true],
    [49, true],
  ])('spec/disco-stun-nat.md §1.3: a Ping of %i bytes: %s', (length, isTaken) => {
    const plain = filled(1, 0, length)
    plain.set(id.subarray(0, length - 12), 14)
    expect(decodeDiscoMessage(plain, id)?.type).toBe(isTaken ? 'ping' : undefined)
    expect(bob.open(sealed(plain), SOURCE, 0)?.message.type).toBe(isTaken ? 'ping' : undefined)
  })

  test.each([
    [0, 0, false],
    [0, 11, false],
    [0, 12, false],
    [0, 13, false],
    [0, 30, false],
    [0, 31, true],
    [0, 32, false],
    [1, 13, false],
    [1, 14, false],
    [1, 15, true],
    [2, 31, false],
  ])('spec/disco-stun-nat.md §1.3: a Pong of kind %i and %i bytes: %s', (kind, length, isTaken) => {
    const plain = filled(2, 0, length)
    if (length > 12) plain[14] = kind
    expect(decodeDiscoMessage(plain, id)?.type).toBe(isTaken ? 'pong' : undefined)
  })

  test.each([
    [0, 0],
    [17, undefined],
    [18, 1],
    [19, undefined],
    [36, 2],
  ])('spec/disco-stun-nat.md §1.3: a CallMeMaybe of %i bytes: %s addresses', (length, count) => {
    const message = decodeDiscoMessage(filled(3, 0, length), id)
    expect(message?.type === 'call-me-maybe' ? message.addresses.length : undefined).toBe(count)
  })

  test('spec/disco-stun-nat.md §1.3: version 1, types 0 and 4, and less than type and version', () => {
    for (const [type, version] of [
      [3, 1],
      [0, 0],
      [4, 0],
    ] as const)
      expect(decodeDiscoMessage(filled(type, version, 0), id)).toBeUndefined()
    expect(decodeDiscoMessage(filled(3, 0, 0), id)).toBeDefined()
    expect(decodeDiscoMessage(Uint8Array.of(3), id)).toBeUndefined()
    expect(decodeDiscoMessage(new Uint8Array(0), id)).toBeUndefined()
  })

  test('spec/disco-stun-nat.md §1.3: the inner key may be another one, but must be a key; a relay’s URL must be text', () => {
    const ping = filled(1, 0, 44)
    ping.set(BOB.id.toBytes(), 14)
    expect(decodeDiscoMessage(ping, id)?.type).toBe('ping')
    ping.set(hex(`02${'00'.repeat(31)}`), 14)
    expect(decodeDiscoMessage(ping, id)).toBeUndefined()
    const pong = filled(2, 0, 15)
    pong.set([1, 0xff, 0xfe], 14)
    expect(decodeDiscoMessage(pong, id)).toBeUndefined()
  })

  test('spec/disco-stun-nat.md §1.3: a mapped address becomes IPv4, the port is little endian', () => {
    const address = hex('00000000000000000000ffff7f000001 3905')
    const message = decodeDiscoMessage(Uint8Array.from([3, 0, ...address]), id)
    expect(message).toEqual({ type: 'call-me-maybe', addresses: [{ ip: parseIp('127.0.0.1'), port: 1337 }] })
  })
})

describe('spec/disco-stun-nat.md §1.2: keys that are remembered, and how much strangers cost', () => {
  const random = new SimRandom('disco box')
  const identity = () => SecretKey.generate(random)
  const ping = (from: SecretKey): Uint8Array =>
    new DiscoBox(from, random).seal(BOB.id.toBytes(), {
      type: 'ping',
      transactionId: TRANSACTION,
      key: from.id.toBytes(),
    })!
  const senders = Array.from({ length: 20 }, identity)

  test('of one source 16 unknown keys a second are looked at; those we know always', () => {
    const box = boxOf(BOB)
    const opened = senders.map((sender) => box.open(ping(sender), SOURCE, 1_000) !== undefined)
    expect(opened).toEqual(senders.map((_, index) => index < 16))
    expect(box.stats).toEqual({ failedOpens: 0, limited: 4, malformed: 0 })
    expect(box.keyCount).toBe(16)
    expect(box.open(ping(senders[3]!), SOURCE, 1_000)).toBeDefined()
    // from elsewhere, of an IPv6 host's /64, and a second later
    expect(box.open(ping(senders[17]!), '192.0.2.34', 1_000)).toBeDefined()
    expect(box.open(ping(senders[18]!), SOURCE, 1_999)).toBeUndefined()
    expect(box.open(ping(senders[18]!), SOURCE, 2_000)).toBeDefined()
  })

  test('one IPv6 host is its /64', () => {
    const box = boxOf(BOB)
    const opened = senders.map((sender, index) => box.open(ping(sender), `2001:db8::${index + 1}`, 0) !== undefined)
    expect(opened.filter(Boolean)).toHaveLength(16)
    expect(box.open(ping(senders[19]!), '2001:db8:0:1::1', 0)).toBeDefined()
  })

  test('from all sources 128 a second', () => {
    const box = boxOf(BOB)
    const forged = hex(VECTORS[0]!.packet)
    forged[50]! ^= 1
    for (let host = 0; host < 130; host++) {
      // the same key again and again: what never opened is not remembered
      expect(box.open(forged, `192.0.2.${host}`, 0)).toBeUndefined()
    }
    expect(box.stats).toEqual({ failedOpens: 128, limited: 2, malformed: 0 })
    expect(box.keyCount).toBe(0)
  })

  test('so many keys are kept, those used last', () => {
    expect(MAX_SHARED_KEYS).toBe(4_096)
    const box = new DiscoBox(BOB, random, 4)
    const [first, second, ...others] = senders.map(ping)
    const opens = (packet: Uint8Array, now: number): boolean => box.open(packet, SOURCE, now) !== undefined
    for (const packet of [first!, second!, others[0]!, others[1]!]) expect(opens(packet, 0)).toBe(true)
    // the first is used again, so the second is the oldest when a fifth comes
    expect(opens(first!, 0)).toBe(true)
    expect(opens(others[2]!, 0)).toBe(true)
    expect(box.keyCount).toBe(4)
    for (const packet of others) opens(packet, 1_000)
    expect(box.keyCount).toBe(4)
    // strangers are used up now: whoever is remembered still opens
    const known = [first!, ...others.slice(-4)].map((packet) => opens(packet, 1_000))
    expect(box.stats.limited).toBeGreaterThan(0)
    expect(known.filter(Boolean)).toHaveLength(4)
    expect(opens(second!, 1_000)).toBe(false)
  })

  test('nothing can be sealed for what is no key', () => {
    expect(boxOf(BOB).seal(hex(`02${'00'.repeat(31)}`), VECTORS[5]!.message)).toBeUndefined()
    expect(boxOf(BOB).seal(hex(`01${'00'.repeat(31)}`), VECTORS[5]!.message)).toBeUndefined()
  })

  test('each packet has a nonce of its own', () => {
    const box = new DiscoBox(ALICE, random)
    const [one, two] = [0, 1].map(() => box.seal(BOB.id.toBytes(), VECTORS[5]!.message)!)
    expect(toHex(one!.subarray(-24))).not.toBe(toHex(two!.subarray(-24)))
    expect(openBox(new Uint8Array(32), one!.subarray(-24), one!.subarray(38, -24))).toBeUndefined()
  })
})
