import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseIp } from '../../../src/bytes/index.ts'
import {
  type BirthdayMessage,
  decodeBirthdayMessage,
  encodeBirthdayMessage,
} from '../../../src/holepunch/birthday/message.ts'
import { isPeersAddress, isPublicIpv4 } from '../../../src/holepunch/birthday/targets.ts'
import { toHex } from '../../crypto/hex.ts'

const id = fc.uint8Array({ minLength: 8, maxLength: 8 })
const u16 = fc.nat(65_535)
const message: fc.Arbitrary<BirthdayMessage> = fc.oneof(
  fc.record({
    type: fc.constantFrom('offer', 'answer'),
    id,
    role: fc.constantFrom('hard', 'easy'),
    address: fc.record({ ip: fc.uint8Array({ minLength: 4, maxLength: 4 }), port: u16 }),
  }),
  fc.record({ type: fc.constant('ready'), id, sockets: u16 }),
  fc.record({ type: fc.constant('won'), id, port: u16 }),
  fc.record({ type: fc.constant('end'), id }),
)

test('an offer, byte by byte', () => {
  const bytes = encodeBirthdayMessage({
    type: 'offer',
    id: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    role: 'easy',
    address: { ip: parseIp('198.51.100.3'), port: 41_641 },
  })
  expect(toHex(bytes)).toBe('0101010203040506070801c6336403a2a9')
})

test('messages come back as they were; cut, longer, of another version, kind or role they are nothing', () => {
  fc.assert(
    fc.property(message, (original) => {
      const bytes = encodeBirthdayMessage(original)
      expect(bytes.length).toBeLessThanOrEqual(256)
      expect(decodeBirthdayMessage(bytes)).toEqual(original)
      expect(decodeBirthdayMessage(bytes.subarray(0, -1))).toBeUndefined()
      expect(decodeBirthdayMessage(Uint8Array.from([...bytes, 0]))).toBeUndefined()
      expect(decodeBirthdayMessage(Uint8Array.from([2, ...bytes.subarray(1)]))).toBeUndefined()
      for (const kind of [0, 6, 255])
        expect(decodeBirthdayMessage(Uint8Array.from([1, kind, ...bytes.subarray(2)]))).toBeUndefined()
      if ('role' in original) {
        bytes[10] = 2
        expect(decodeBirthdayMessage(bytes)).toBeUndefined()
      }
    }),
  )
})

test.each([
  ['203.0.113.2', true],
  ['9.255.255.255', true],
  ['10.0.0.0', false],
  ['10.255.255.255', false],
  ['11.0.0.0', true],
  ['100.63.255.255', true],
  ['100.64.0.0', false],
  ['100.127.255.255', false],
  ['100.128.0.0', true],
  ['127.0.0.1', false],
  ['169.253.255.255', true],
  ['169.254.0.0', false],
  ['169.255.0.0', true],
  ['172.15.255.255', true],
  ['172.16.0.0', false],
  ['172.31.255.255', false],
  ['172.32.0.0', true],
  ['192.167.255.255', true],
  ['192.168.0.0', false],
  ['192.169.0.0', true],
  ['0.1.2.3', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['2001:db8::1', false],
])('spec/disco-stun-nat.md §7.3: is %s an address that everybody reaches? %s', (text, isPublic) => {
  expect(isPublicIpv4(parseIp(text))).toBe(isPublic)
})

test('of an easy peer the address itself is a candidate, of a hard one the IP; never ours', () => {
  const ip = parseIp('203.0.113.2')
  const candidates = [{ ip, port: 5 }]
  expect(isPeersAddress('easy', { ip, port: 5 }, candidates, [])).toBe(true)
  expect(isPeersAddress('easy', { ip, port: 6 }, candidates, [])).toBe(false)
  expect(isPeersAddress('easy', { ip, port: 0 }, [{ ip, port: 0 }], [])).toBe(false)
  expect(isPeersAddress('hard', { ip, port: 6 }, candidates, [])).toBe(true)
  expect(isPeersAddress('hard', { ip: parseIp('203.0.113.3'), port: 5 }, candidates, [])).toBe(false)
  expect(isPeersAddress('hard', { ip, port: 5 }, candidates, [parseIp('203.0.113.2')])).toBe(false)
})
