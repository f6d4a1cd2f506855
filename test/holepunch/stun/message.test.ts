import { describe, expect, test } from 'vitest'
import { decodeHex, encodeHex, formatSocketAddress, parseSocketAddress } from '../../../src/bytes/index.ts'
import { crc32 } from '../../../src/holepunch/stun/crc32.ts'
import { decodeStun, encodeStun, type StunEncoding, StunType } from '../../../src/holepunch/stun/message.ts'
import { IROH_035, PARSED, RFC_5769 } from './vectors.ts'

const ID = decodeHex('0102030405060708090a0b0c')
const V4 = parseSocketAddress('192.0.2.1:32853')
const V6 = parseSocketAddress('[2001:db8:1234:5678:11:2233:4455:6677]:32853')

const decode = (hex: string) => decodeStun(decodeHex(hex))
const mappedOf = (hex: string) => {
  const mapped = decode(hex)?.mapped
  return mapped && formatSocketAddress(mapped)
}
/** Header around attributes; the transaction id of iroh's vectors. */
const message = (attributes: string, type = '0101') =>
  `${type}${(attributes.length / 2).toString(16).padStart(4, '0')}2112a4420102030405060708090a0b0c${attributes}`
const MAPPED = '002000080001a147e112a643'

describe('vectors', () => {
  test('RFC 5769 §2.1: a request, with attributes of ICE that are none of ours', () => {
    expect(decode(RFC_5769.request)).toEqual({
      type: StunType.request,
      transactionId: decodeHex('b7e7a701bc34d686fa87dfae'),
      software: 'STUN test client',
      hasFingerprint: true,
      unknownRequired: [0x0024],
    })
  })

  test('RFC 5769 §2.2, §2.3: responses over IPv4 and IPv6', () => {
    expect(decode(RFC_5769.ipv4)).toEqual({
      type: StunType.success,
      transactionId: decodeHex('b7e7a701bc34d686fa87dfae'),
      software: 'test vector',
      mapped: V4,
      hasFingerprint: true,
      unknownRequired: [],
    })
    expect(decode(RFC_5769.ipv6)).toMatchObject({ mapped: V6, hasFingerprint: true, unknownRequired: [] })
  })

  test('RFC 5769 §2.4: a request with credentials, which need not be understood to be read', () => {
    expect(decode(RFC_5769.longTerm)).toEqual({
      type: StunType.request,
      transactionId: decodeHex('78ad3433c6ad72c029da412e'),
      hasFingerprint: false,
      unknownRequired: [],
    })
  })

  test.each(PARSED)('spec/disco-stun-nat.md §6.5: %s', (_what, packet, mapped) => {
    expect(mappedOf(packet)).toBe(mapped)
    expect(decode(packet)?.unknownRequired).toEqual([])
  })

  test('spec/disco-stun-nat.md §6.5: what we write is what iroh 0.35 writes', () => {
    const base = { transactionId: ID }
    const success = { ...base, type: StunType.success, withFingerprint: false }
    expect(encodeHex(encodeStun({ ...base, type: StunType.request }))).toBe(IROH_035.request)
    expect(encodeHex(encodeStun({ ...success, mapped: V4 }))).toBe(IROH_035.ipv4)
    expect(encodeHex(encodeStun({ ...success, mapped: V6 }))).toBe(IROH_035.ipv6)
    const changeRequest = { ip: true, port: true }
    expect(encodeHex(encodeStun({ ...base, type: StunType.request, changeRequest }))).toBe(IROH_035.changeRequest)
    expect(decode(IROH_035.changeRequest)).toMatchObject({ changeRequest, hasFingerprint: true })
  })

  test('RFC 8489 §14.7: the checksum is CRC-32 as in IEEE 802.3', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926)
    expect(crc32(new Uint8Array())).toBe(0)
    expect(crc32(new TextEncoder().encode('x123456789x'), 1, 10)).toBe(0xcbf43926)
  })
})

describe('what is no STUN message', () => {
  const SEALED = {
    'RFC 5769 §2.1': RFC_5769.request,
    'RFC 5769 §2.2': RFC_5769.ipv4,
    'RFC 5769 §2.3': RFC_5769.ipv6,
    'a request of ours': IROH_035.request,
    'a request of ours for another address': IROH_035.changeRequest,
  }

  test.each(Object.entries(SEALED))('RFC 8489 §14.7: %s with any one bit changed', (_what, hex) => {
    const genuine = decodeHex(hex)
    expect(decodeStun(genuine)).toBeDefined()
    const accepted: number[] = []
    for (let bit = 0; bit < genuine.length * 8; bit++) {
      const changed = genuine.slice()
      changed[bit >>> 3]! ^= 1 << (bit & 7)
      if (decodeStun(changed) !== undefined) accepted.push(bit)
    }
    expect(accepted).toEqual([])
  })

  test.each(Object.entries(SEALED))('RFC 8489 §5: %s cut short or with bytes behind it', (_what, hex) => {
    const genuine = decodeHex(hex)
    for (let length = 0; length < genuine.length; length++) expect(decodeStun(genuine.slice(0, length))).toBeUndefined()
    for (const more of [1, 4, 8])
      expect(decodeStun(new Uint8Array([...genuine, ...new Uint8Array(more)]))).toBeUndefined()
  })

  test.each([
    ['top bits', message(MAPPED, 'c101')],
    ['another cookie', message(MAPPED).replace('2112a442', '2112a443')],
    ['a length that is no multiple of 4', `0101000d${message(`${MAPPED}00`).slice(8)}`],
    ['an attribute longer than the message', message('002000090001a147e112a643')],
    ['the header of an attribute only in part', message('00')],
    ['a family that there is not', message('002000080003a147e112a643')],
    ['IPv4 in 16 bytes', message(`00200014000100${'00'.repeat(17)}`)],
    ['IPv6 in 4 bytes', message('002000080002a147e112a643')],
    ['an address that is too short', message('002000040001a147')],
    ['a FINGERPRINT of 8 bytes', message('8028000800000000e57a3bcf')],
    ['an error code below 300', message('0009000400000201', '0111')],
    ['an error code above 699', message('0009000400000701', '0111')],
    ['an error code with three digits of number', message('0009000400000464', '0111')],
    ['a CHANGE-REQUEST of 8 bytes', message('000300080000000600000000', '0001')],
  ])('RFC 8489 §14: %s', (_what, hex) => {
    expect(decode(hex)).toBeUndefined()
  })

  test('RFC 8489 §14.7: nothing may follow the FINGERPRINT', () => {
    const before = encodeStun({ type: StunType.success, transactionId: ID, mapped: V4, software: 'abcd' })
    const [start, software, fingerprint] = [before.slice(0, 32), before.slice(32, 40), before.slice(40)]
    expect(decodeStun(new Uint8Array([...start, ...software, ...fingerprint]))).toBeDefined()
    expect(decodeStun(new Uint8Array([...start, ...fingerprint, ...software]))).toBeUndefined()
    const two = encodeStun({ type: StunType.success, transactionId: ID, mapped: V4, software: 'abcd' })
    // SOFTWARE of 4 bytes becomes a FINGERPRINT that is not the last; the last one is right.
    two.set([0x80, 0x28], 32)
    new DataView(two.buffer).setUint32(two.length - 4, crc32(two, 0, two.length - 8) ^ 0x5354554e)
    expect(decodeStun(two)).toBeUndefined()
  })
})

describe('attributes', () => {
  test('RFC 8489 §14: unknown ones below 0x8000 are told, those above skipped', () => {
    expect(decode(message(`7fff00020102ffff80000000${MAPPED}`))).toMatchObject({
      unknownRequired: [0x7fff],
      mapped: V4,
    })
    expect(decode(message(`ffff00030102030080000000${MAPPED}`))).toMatchObject({ unknownRequired: [], mapped: V4 })
  })

  test.each([0, 1, 2, 3, 4, 5])('RFC 8489 §14: %i bytes are padded to a multiple of 4, with anything', (length) => {
    const written = encodeStun({ type: StunType.success, transactionId: ID, mapped: V4, software: 'x'.repeat(length) })
    expect(written.length % 4).toBe(0)
    expect(decodeStun(written)).toMatchObject({ software: 'x'.repeat(length), mapped: V4, hasFingerprint: true })
    const padding = 'ee'.repeat(-length & 3)
    expect(
      mappedOf(message(`80220${length.toString(16).padStart(3, '0')}${'78'.repeat(length)}${padding}${MAPPED}`)),
    ).toBe('192.0.2.1:32853')
  })

  test('RFC 8489 §14: the first of equals counts, and XOR-MAPPED-ADDRESS before MAPPED-ADDRESS', () => {
    const plain = '0001000800010001c0000209'
    expect(mappedOf(message(`${plain}${MAPPED}002000080001a147e112a644`))).toBe('192.0.2.1:32853')
    expect(mappedOf(message(plain))).toBe('192.0.2.9:1')
  })

  test('RFC 8489 §14.5: what follows a MESSAGE-INTEGRITY does not count', () => {
    expect(mappedOf(message(`00080014${'00'.repeat(20)}${MAPPED}`))).toBeUndefined()
    expect(decode(message(`00080014${'00'.repeat(20)}7fff0000`))?.unknownRequired).toEqual([])
  })

  test('RFC 8489 §14.8: error codes with their reason', () => {
    const error = { code: 420, reason: 'Unknown Attribute' }
    const written = encodeStun({ type: StunType.error, transactionId: ID, error, unknownAttributes: [3, 0x7fff] })
    expect(decodeStun(written)).toEqual({
      type: StunType.error,
      transactionId: ID,
      error,
      hasFingerprint: true,
      unknownRequired: [],
    })
    expect(encodeHex(written)).toContain('000a000400037fff')
    // A reason is for people: bytes that are no text are no reason to drop the message.
    expect(decode(message('0009000600000300ff410000', '0111'))?.error).toEqual({ code: 300, reason: '\ufffdA' })
  })

  test.each<Partial<StunEncoding>>([
    { changeRequest: { ip: true, port: false } },
    { changeRequest: { ip: false, port: true } },
    { changeRequest: { ip: false, port: false } },
    { responseOrigin: V4, otherAddress: parseSocketAddress('192.0.2.2:3479') },
    { responseOrigin: V6, otherAddress: parseSocketAddress('[2001:db8::2]:3479') },
    { mapped: V6, software: '' },
  ])('RFC 5780 §7: %o', (attributes) => {
    const written = encodeStun({ type: StunType.success, transactionId: ID, ...attributes })
    expect(decodeStun(written)).toEqual({
      type: StunType.success,
      transactionId: ID,
      hasFingerprint: true,
      unknownRequired: [],
      ...attributes,
    })
  })

  test('a transaction id of another length is a defect of the caller', () => {
    expect(() => encodeStun({ type: StunType.request, transactionId: new Uint8Array(16) })).toThrow(RangeError)
  })

  test('what was read does not change with the bytes it came from', () => {
    // as sockets deliver it: the slice of a Buffer is no copy
    const data = Buffer.from(RFC_5769.ipv4, 'hex')
    const read = decodeStun(data)!
    data.fill(0xff)
    expect(read).toMatchObject({ mapped: V4, transactionId: decodeHex('b7e7a701bc34d686fa87dfae') })
  })
})
