import { isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canonicalIp,
  canonicalSocketAddress,
  compareIp,
  compareSocketAddresses,
  decodeHex,
  EncodingError,
  encodeHex,
  formatIp,
  formatSocketAddress,
  isIpv4Mapped,
  parseIp,
  parseReportedIp,
  parseSocketAddress,
} from '../../src/bytes/index.ts'

/** Zeros are frequent, so that runs occur. */
const ipv6 = fc
  .array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 })
  .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >>> 8, group & 0xff])))
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 })
const ip = fc.oneof(ipv4, ipv6)

describe('IP addresses', () => {
  test.each([
    ['0.0.0.0', '00000000'],
    ['203.0.113.7', 'cb007107'],
    ['255.255.255.255', 'ffffffff'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::1', '20010db8000000000000000000000001'],
    ['fe80::', 'fe800000000000000000000000000000'],
    ['::ffff:192.0.2.1', '00000000000000000000ffffc0000201'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
  ])('RFC 4291 §2.2: %s', (text, hex) => {
    expect(encodeHex(parseIp(text))).toBe(hex)
    expect(formatIp(decodeHex(hex))).toBe(text)
  })

  test.each([
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:0db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:1:0:0:0', '2001:db8:0:0:1::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['0:0:0:0:0:0:13.1.68.3', '::d01:4403'],
    ['::FFFF:c000:0201', '::ffff:192.0.2.1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
  ])('RFC 5952 §4, §5: %s is written %s', (text, canonical) => {
    expect(formatIp(parseIp(text))).toBe(canonical)
  })

  test('RFC 5952: the text comes back, and is what URL makes of it', () => {
    fc.assert(
      fc.property(ip, (bytes) => {
        const text = formatIp(bytes)
        expect(isIP(text)).toBe(bytes.length === 4 ? 4 : 6)
        expect(parseIp(text)).toEqual(bytes)
        // the URL standard writes mapped addresses in hex, otherwise the forms agree
        if (bytes.length === 16 && !isIpv4Mapped(bytes)) expect(new URL(`http://[${text}]/`).hostname).toBe(`[${text}]`)
      }),
    )
  })

  test('accepts exactly what node:net accepts, apart from zones', () => {
    const piece = fc.constantFrom(':', '::', '.', '0', '1', '00', '255', '256', 'ffff', 'FFFFF', '1.2.3.4', '%1', ' ')
    const almost = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''))
    const mutated = fc.tuple(ip, fc.nat(), piece).map(([bytes, at, text]) => {
      const good = formatIp(bytes)
      const position = at % (good.length + 1)
      return good.slice(0, position) + text + good.slice(position)
    })
    fc.assert(
      fc.property(fc.oneof(almost, mutated), (text) => {
        if (text.includes('%')) return
        let accepted = true
        try {
          parseIp(text)
        } catch (error) {
          expect(error).toBeInstanceOf(EncodingError)
          accepted = false
        }
        expect([text, accepted]).toEqual([text, isIP(text) !== 0])
      }),
      { numRuns: 3000 },
    )
  })

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '1.2.3.256',
    '1.2.3.4 ',
    '0x1.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '::1%lo',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '1::2:3:4:5:6:7:8',
    '1.2.3.4::',
    '::1.2.3.4:5',
  ])('RFC 4291 §2.2: refuses %j', (text) => {
    expect(() => parseIp(text)).toThrow(EncodingError)
  })

  test('RFC 4007 §11: as systems report it, an address may have its interface behind it', () => {
    expect(formatIp(parseReportedIp('fe80::1%eth0'))).toBe('fe80::1')
    expect(formatIp(parseReportedIp('192.0.2.1'))).toBe('192.0.2.1')
    expect(() => parseReportedIp('%eth0')).toThrow(EncodingError)
  })

  test('RFC 4291 §2.5.5.2: IPv4-mapped folds into IPv4, nothing else does', () => {
    expect(formatIp(canonicalIp(parseIp('::ffff:10.0.0.9')))).toBe('10.0.0.9')
    for (const text of ['::10.0.0.9', '::fffe:a00:9', '::1:ffff:a00:9', '64:ff9b::a00:9', '10.0.0.9']) {
      const bytes = parseIp(text)
      expect(canonicalIp(bytes)).toBe(bytes)
    }
  })

  test('other lengths have no text', () => {
    expect(() => formatIp(new Uint8Array(5))).toThrow(EncodingError)
  })

  test('order: IPv4 first, then bytes', () => {
    const sorted = ['1.2.3.4', '9.0.0.0', '200.0.0.0', '::', '::1', '2001:db8::', 'fe80::']
    const shuffled = [...sorted].reverse().map(parseIp)
    expect(shuffled.sort(compareIp).map(formatIp)).toEqual(sorted)
  })
})

describe('socket addresses', () => {
  test.each(['127.0.0.1:0', '203.0.113.7:4433', '[2001:db8::1]:65535', '[::ffff:1.2.3.4]:9'])('%s', (text) => {
    expect(formatSocketAddress(parseSocketAddress(text))).toBe(text)
  })

  test.each([
    '',
    '1.2.3.4',
    '1.2.3.4:',
    ':80',
    '1.2.3.4:65536',
    '1.2.3.4:-1',
    '1.2.3.4: 1',
    '::1:80',
    '[::1]',
    '[::1]80',
    '[1.2.3.4]:80',
    '[::1%lo]:80',
    'localhost:80',
    '[]:80',
    '1.2.3.4:123456',
  ])('refuses %j', (text) => {
    expect(() => parseSocketAddress(text)).toThrow(EncodingError)
  })

  test('come back', () => {
    fc.assert(
      fc.property(ip, fc.nat(65535), (bytes, port) => {
        expect(parseSocketAddress(formatSocketAddress({ ip: bytes, port }))).toEqual({ ip: bytes, port })
      }),
    )
  })

  test('order: all IPv4, then IPv6, then address, then port', () => {
    const sorted = ['10.0.0.9:80', '203.0.113.7:80', '203.0.113.7:4433', '[::1]:1', '[2001:db8::1]:65535']
    expect([...sorted].reverse().map(parseSocketAddress).sort(compareSocketAddresses).map(formatSocketAddress)).toEqual(
      sorted,
    )
  })

  test('canonical form folds IPv4-mapped and keeps the port', () => {
    expect(formatSocketAddress(canonicalSocketAddress(parseSocketAddress('[::ffff:1.2.3.4]:9')))).toBe('1.2.3.4:9')
    const plain = parseSocketAddress('[::1]:9')
    expect(canonicalSocketAddress(plain)).toBe(plain)
  })
})
