import { describe, expect, test } from 'vitest'
import { decodeHex, encodeHex, parseIp } from '../../../src/bytes/index.ts'
import { isPrivateIpv4, isPublicIpv4 } from '../../../src/holepunch/portmap/ip-scope.ts'
import {
  decodeNatPmpAddress,
  decodeNatPmpMap,
  encodeNatPmpAddress,
  encodeNatPmpMap,
  isNatPmpOnly,
} from '../../../src/holepunch/portmap/nat-pmp.ts'
import { decodePcp, encodePcpAnnounce, encodePcpMap } from '../../../src/holepunch/portmap/pcp.ts'
import { RouterEpoch } from '../../../src/holepunch/portmap/router-epoch.ts'

const hex = (text: string): Uint8Array => decodeHex(text.replaceAll(' ', ''))
const CLIENT = parseIp('10.1.0.2')
const NONCE = '6d80fb1b447e33a5672331ef'
const REQUEST = `0201000000000e1000000000000000000000ffff0a010002 ${NONCE} 11000000 a2a9 0000 00000000000000000000ffff00000000`
const RESPONSE = `0281000000000e100000088e000000000000000000000000 ${NONCE} 11000000 a2a9 a2a9 00000000000000000000ffff01020304`

describe('PCP', () => {
  test('RFC 6887 §14.1, spec/disco-stun-nat.md §7.1: ANNOUNCE both ways', () => {
    expect(encodeHex(encodePcpAnnounce(CLIENT))).toBe('020000000000000000000000000000000000ffff0a010002')
    const answer = hex('02800000000000000000088e000000000000000000000000')
    expect(decodePcp(answer)).toEqual({ result: 0, lifetime: 0, epoch: 2190 })
  })

  test('RFC 6887 §11.1, spec/disco-stun-nat.md §7.1: MAP both ways', () => {
    const request = {
      client: CLIENT,
      lifetime: 3600,
      nonce: hex(NONCE),
      internalPort: 41641,
      externalPort: 0,
    }
    expect(encodeHex(encodePcpMap(request))).toBe(REQUEST.replaceAll(' ', ''))
    expect(decodePcp(hex(RESPONSE))).toEqual({
      result: 0,
      lifetime: 3600,
      epoch: 2190,
      map: { nonce: hex(NONCE), internalPort: 41641, externalPort: 41641, externalIp: parseIp('1.2.3.4') },
    })
    const wish = encodePcpMap({ ...request, externalPort: 0x1234, externalIp: parseIp('1.2.3.4') })
    expect(encodeHex(wish).slice(84)).toBe('123400000000000000000000ffff01020304')
  })

  test('RFC 6887 §11.2, spec/disco-stun-nat.md §7.1: the response of another implementation', () => {
    const text =
      '0281000000001c2000029bed00000000000000000000000081700918f1d0fb2d9d4c0abc1100000004d204d200000000000000000000ffff87b4aff6'
    expect(decodePcp(hex(text))).toMatchObject({
      lifetime: 7200,
      epoch: 170_989,
      map: { internalPort: 1234, externalPort: 1234, externalIp: parseIp('135.180.175.246') },
    })
  })

  test('RFC 6887 §7.3, §8.3: options behind the answer are skipped, errors have their code and lifetime', () => {
    const refused = hex(RESPONSE.replace('02810000 0000'.replaceAll(' ', ''), '028100020000'))
    expect(decodePcp(refused)).toMatchObject({ result: 2, lifetime: 3600 })
    expect(decodePcp(hex(`${RESPONSE} 02000004 01020304`))).toMatchObject({ map: { externalPort: 41641 } })
    expect(decodePcp(hex(`02800004000000000000088e000000000000000000000000 ${'00'.repeat(36)}`))).toMatchObject({
      result: 4,
    })
  })

  test.each([
    ['empty', ''],
    ['a request', REQUEST],
    ['another version', RESPONSE.replace(/^02/, '01')],
    ['another opcode', RESPONSE.replace(/^0281/, '0282')],
    ['cut in the header', RESPONSE.slice(0, 40)],
    ['cut in the mapping', RESPONSE.replaceAll(' ', '').slice(0, 112)],
    ['not in words', `${RESPONSE} 00`],
    ['too long', `${RESPONSE} ${'00'.repeat(1044)}`],
    ['for TCP', RESPONSE.replace('11000000', '06000000')],
  ])('RFC 6887 §8.3, §11.4: dropped: %s', (_what, text) => {
    expect(decodePcp(hex(text))).toBeUndefined()
  })

  test('RFC 6887 §7: 1,100 bytes are still taken', () => {
    expect(decodePcp(hex(`${RESPONSE} ${'00'.repeat(1040)}`))).toBeDefined()
  })
})

describe('NAT-PMP', () => {
  test('RFC 6886 §3.2, spec/disco-stun-nat.md §7.1: the external address both ways', () => {
    expect(encodeHex(encodeNatPmpAddress())).toBe('0000')
    const answer = { result: 0, epoch: 2190, externalIp: parseIp('1.2.3.4') }
    expect(decodeNatPmpAddress(hex('008000000000088e01020304'))).toEqual(answer)
  })

  test('RFC 6886 §3.3, spec/disco-stun-nat.md §7.1: a mapping both ways', () => {
    const request = { internalPort: 41642, externalPort: 0, lifetime: 7200 }
    expect(encodeHex(encodeNatPmpMap(request))).toBe('00010000a2aa000000001c20')
    const answer = { result: 0, epoch: 2190, internalPort: 41642, externalPort: 41642, lifetime: 7200 }
    expect(decodeNatPmpMap(hex('008100000000088ea2aaa2aa00001c20'))).toEqual(answer)
  })

  test('RFC 6886 §3.4: to delete, no external port and no lifetime', () => {
    const request = { internalPort: 41642, externalPort: 0, lifetime: 0 }
    expect(encodeHex(encodeNatPmpMap(request))).toBe('00010000a2aa000000000000')
  })

  test.each([0, 1, 2, 3, 4, 5, 0xffff])('RFC 6886 §3.5: result %d', (result) => {
    const code = result.toString(16).padStart(4, '0')
    expect(decodeNatPmpMap(hex(`0081${code}0000088ea2aa000000000000`))).toMatchObject({ result })
    const address = decodeNatPmpAddress(hex(`0080${code}0000088e00000000`))
    expect(address).toEqual(
      result === 0 ? { result, epoch: 2190, externalIp: parseIp('0.0.0.0') } : { result, epoch: 2190 },
    )
  })

  test.each([
    ['empty', ''],
    ['a request', '0000'],
    ['another version', '018000000000088e01020304'],
    ['cut', '008000000000088e010203'],
    ['longer', '008000000000088e0102030400'],
    ['a mapping, cut', '008100000000088ea2aaa2aa00001c'],
    ['a mapping, longer', '008100000000088ea2aaa2aa00001c2000'],
    ['another opcode', '008300000000088ea2aaa2aa00001c20'],
    ['TCP', '008200000000088ea2aaa2aa00001c20'],
  ])('RFC 6886 §3.2, §3.3: dropped: %s', (_what, text) => {
    expect(decodeNatPmpAddress(hex(text))).toBeUndefined()
    expect(decodeNatPmpMap(hex(text))).toBeUndefined()
  })

  test('RFC 6887 §A: a server without PCP answers with its own version', () => {
    expect(isNatPmpOnly(hex('008000010000088e'))).toBe(true)
    expect(isNatPmpOnly(hex('008100010000088e000000000000000000000000'))).toBe(true)
    expect(isNatPmpOnly(hex('008000000000088e01020304'))).toBe(false)
    expect(isNatPmpOnly(hex('02800001000000000000088e000000000000000000000000'))).toBe(false)
    expect(isNatPmpOnly(hex('0080000100'))).toBe(false)
  })
})

describe('the epoch', () => {
  /** Seconds of ours, then of the router. */
  const lost = (protocol: 'pcp' | 'nat-pmp', ...notes: readonly (readonly [number, number])[]): boolean => {
    const epoch = new RouterEpoch(protocol)
    return notes.map(([now, value]) => epoch.note(value, now * 1000)).at(-1)!
  }

  test.each(['pcp', 'nat-pmp'] as const)(
    'RFC 6886 §3.6, RFC 6887 §8.5: %s: it must grow as our clock does',
    (protocol) => {
      expect(lost(protocol, [5, 100])).toBe(false)
      expect(lost(protocol, [5, 100], [1005, 1100])).toBe(false)
      expect(lost(protocol, [5, 100], [1005, 1])).toBe(true)
      expect(lost(protocol, [5, 100_000], [6, 0])).toBe(true)
      // the new count is what the next one is compared with
      expect(lost(protocol, [5, 100_000], [1005, 1], [2005, 1001])).toBe(false)
      // one packet late, one early
      expect(lost(protocol, [5, 100], [7, 100])).toBe(false)
    },
  )

  test('RFC 6886 §3.6: NAT-PMP: an eighth slower is slow, fast is no matter', () => {
    expect(lost('nat-pmp', [0, 0], [800, 698.5])).toBe(false)
    expect(lost('nat-pmp', [0, 0], [800, 697])).toBe(true)
    expect(lost('nat-pmp', [0, 0], [800, 5000])).toBe(false)
  })

  test('RFC 6887 §8.5: PCP: a sixteenth, either way', () => {
    expect(lost('pcp', [0, 0], [800, 749])).toBe(false)
    expect(lost('pcp', [0, 0], [800, 747])).toBe(true)
    expect(lost('pcp', [0, 0], [750, 802])).toBe(false)
    expect(lost('pcp', [0, 0], [750, 803])).toBe(true)
    expect(lost('pcp', [0, 100], [0.1, 99])).toBe(false)
    expect(lost('pcp', [0, 100], [0.1, 98])).toBe(true)
    expect(lost('pcp', [0, 100], [0, 98])).toBe(true)
  })
})

test('spec/disco-stun-nat.md §7.3: private addresses, carrier-grade NAT and what is no host', () => {
  const scopes = (text: string) => [isPrivateIpv4(parseIp(text)), isPublicIpv4(parseIp(text))]
  for (const ip of ['10.0.0.0', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.9.9'])
    expect([ip, scopes(ip)]).toEqual([ip, [true, false]])
  for (const ip of ['100.64.0.1', '100.127.255.255']) expect([ip, scopes(ip)]).toEqual([ip, [true, false]])
  for (const ip of [
    '9.255.255.255',
    '11.0.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '192.167.0.1',
    '100.63.0.1',
    '100.128.0.1',
  ])
    expect([ip, scopes(ip)]).toEqual([ip, [false, true]])
  for (const ip of ['0.0.0.0', '0.1.2.3', '127.0.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'])
    expect([ip, scopes(ip)]).toEqual([ip, [false, false]])
  expect(isPublicIpv4(parseIp('2001:db8::1'))).toBe(false)
})
