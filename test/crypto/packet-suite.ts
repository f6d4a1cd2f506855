/**
 * Packet and header protection of one provider: RFC 9001 appendix A, the multipath nonce, and what a seal or a failed open may
 * touch.
 */
import { expect, test } from 'vitest'
import { type AeadName, CryptoError, type CryptoProvider } from '../../src/crypto/index.ts'
import { counting, hex, toHex } from './hex.ts'

const AEADS = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const

interface PacketCase {
  readonly name: AeadName
  readonly key: string
  readonly iv: string
  readonly hp: string
  readonly path?: number
  readonly packetNumber: number
  readonly header: string
  readonly payload: string
  /** Bytes of zeros after the payload. */
  readonly padding?: number
  readonly sample: string
  readonly mask: string
  /** The protected packet, or its beginning when `tag` is given: the tag then vouches for the rest. */
  readonly packet: string
  readonly tag?: string
}

export function packetSuite(crypto: CryptoProvider): void {
  test('RFC 9001 appendix A.1: Initial keys through HKDF', () => {
    const initial = crypto.hkdfExtract(
      'sha256',
      hex('38762cf7f55934b34d179ae6a4c80cadccbb7f0a'),
      hex('8394c8f03e515708'),
    )
    expect(toHex(initial)).toBe('7db5df06e7a69e432496adedb00851923595221596ae2ae9fb8115c1e9ed0a44')
    const client = crypto.hkdfExpand('sha256', initial, hex('00200f746c73313320636c69656e7420696e00'), 32)
    expect(toHex(client)).toBe('c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea')
    expect(toHex(crypto.hkdfExpand('sha256', client, hex('000c0d746c733133207175696320697600'), 12))).toBe(
      CLIENT_INITIAL.iv,
    )
  })

  test('RFC 9001 appendix A.2: client Initial', () => expectPacket(crypto, CLIENT_INITIAL))
  test('RFC 9001 appendix A.3: server Initial', () => expectPacket(crypto, SERVER_INITIAL))
  test('RFC 9001 appendix A.5: ChaCha20-Poly1305 short header packet', () => expectPacket(crypto, CHACHA_PACKET))
  test.each(MULTIPATH)('draft-ietf-quic-multipath §2.4: path $path, packet $packetNumber', (vector) =>
    expectPacket(crypto, vector),
  )

  test('RFC 8439 §2.3.2: the ChaCha20 block, as header protection', () => {
    const key = crypto.headerKey('chacha20-poly1305', counting(0, 32))
    const mask = new Uint8Array(5)
    key.mask(hex('01000000 000000090000004a00000000'), 0, mask)
    expect(toHex(mask)).toBe('10f1e7e4d1')
    key.free()
  })

  test('FIPS 197 appendix C: the AES blocks, as header protection', () => {
    const mask = new Uint8Array(5)
    for (const [name, length, start] of [
      ['aes-128-gcm', 16, '69c4e0d86a'],
      ['aes-256-gcm', 32, '8ea2b7ca51'],
    ] as const) {
      const key = crypto.headerKey(name, counting(0, length))
      // Twice: the kept cipher has no state from one sample to the next.
      for (let round = 0; round < 2; round++) {
        key.mask(hex('ff 00112233445566778899aabbccddeeff'), 1, mask)
        expect(toHex(mask)).toBe(start)
      }
      key.free()
    }
  })

  test('RFC 9001 §5.4.2: a sample that leaves the buffer is refused and spoils nothing', () => {
    for (const name of AEADS) {
      const key = crypto.headerKey(name, new Uint8Array(name === 'aes-128-gcm' ? 16 : 32))
      const bytes = counting(0, 32)
      const [before, after] = [new Uint8Array(5), new Uint8Array(5)]
      key.mask(bytes, 16, before)
      expect(() => key.mask(bytes, 17, after)).toThrow(RangeError)
      expect(() => key.mask(bytes, -1, after)).toThrow(RangeError)
      key.mask(bytes, 16, after)
      expect(after).toEqual(before)
      key.free()
    }
  })

  test('sealing and opening in the middle of a buffer leave the neighbours alone', () => {
    for (const name of AEADS) {
      const key = crypto.aeadKey(name, new Uint8Array(name === 'aes-128-gcm' ? 16 : 32), new Uint8Array(12))
      // 7 makes everything unaligned; the buffer itself is a view too.
      const bytes = new Uint8Array(new ArrayBuffer(400), 5, 300).fill(0x5a)
      key.seal(bytes, 107, 120, 170, 3, 9)
      expect(bytes.subarray(0, 120).every((byte) => byte === 0x5a)).toBe(true)
      expect(bytes.subarray(186).every((byte) => byte === 0x5a)).toBe(true)
      const tag = bytes.slice(170, 186)
      expect(key.open(bytes, 107, 120, 186, 3, 9)).toBe(170)
      expect(bytes.subarray(0, 170).every((byte) => byte === 0x5a)).toBe(true)
      expect(bytes.slice(170, 186)).toEqual(tag)
      expect(bytes.subarray(186).every((byte) => byte === 0x5a)).toBe(true)
      key.free()
    }
  })

  test('RFC 9000 §10.3.1: a failed open gives -1 and leaves the last 16 bytes for the stateless reset check', () => {
    for (const name of AEADS) {
      const key = crypto.aeadKey(name, new Uint8Array(name === 'aes-128-gcm' ? 16 : 32), new Uint8Array(12))
      const sealed = new Uint8Array(80)
      key.seal(sealed, 0, 10, 64, 1, 5)
      for (const flipped of [0, 9, 10, 63, 64, 79]) {
        const bytes = sealed.slice()
        bytes[flipped]! ^= 0x10
        const tail = bytes.slice(64)
        expect(key.open(bytes, 0, 10, 80, 1, 5)).toBe(-1)
        expect(bytes.slice(64)).toEqual(tail)
      }
      expect(key.open(sealed.slice(), 0, 10, 80, 1, 4), 'another packet number').toBe(-1)
      expect(key.open(sealed.slice(), 0, 10, 80, 0, 5), 'another path').toBe(-1)
      expect(key.open(sealed.slice(), 0, 10, 79, 1, 5), 'a byte short').toBe(-1)
      expect(key.open(sealed.slice(), 1, 10, 80, 1, 5), 'another header').toBe(-1)
      for (let length = 0; length < 16; length++) {
        expect(key.open(sealed.slice(), 0, 10, 10 + length, 1, 5), 'shorter than a tag').toBe(-1)
      }
      expect(key.open(sealed.slice(), 0, 10, 80, 1, 5)).toBe(64)
      key.free()
    }
  })

  test('RFC 9001 §5.3: every bit of path id and packet number reaches the nonce', () => {
    for (const name of AEADS) {
      const key = crypto.aeadKey(name, new Uint8Array(name === 'aes-128-gcm' ? 16 : 32), new Uint8Array(12))
      const seen = new Set<string>()
      const add = (path: number, packetNumber: number) => {
        const bytes = new Uint8Array(20)
        key.seal(bytes, 0, 4, 4, path, packetNumber)
        seen.add(toHex(bytes))
      }
      add(0, 0)
      for (let bit = 0; bit < 32; bit++) add(2 ** bit, 0)
      for (let bit = 0; bit < 53; bit++) add(0, 2 ** bit)
      add(0xffff_ffff, Number.MAX_SAFE_INTEGER)
      expect(seen.size).toBe(1 + 32 + 53 + 1)
      key.free()
    }
  })

  test('RFC 9001 §5.1: wrong key and IV lengths are refused', () => {
    for (const name of AEADS) {
      const length = name === 'aes-128-gcm' ? 16 : 32
      for (const wrong of [0, length - 1, length + 1, 24, 48 - length]) {
        expect(() => crypto.aeadKey(name, new Uint8Array(wrong), new Uint8Array(12))).toThrow(CryptoError)
        expect(() => crypto.headerKey(name, new Uint8Array(wrong))).toThrow(CryptoError)
      }
      for (const wrong of [0, 11, 13, 16]) {
        expect(() => crypto.aeadKey(name, new Uint8Array(length), new Uint8Array(wrong))).toThrow(CryptoError)
      }
    }
  })
}

/** Protects the packet and takes the protection off again, both in place. */
function expectPacket(crypto: CryptoProvider, vector: PacketCase): void {
  const aead = crypto.aeadKey(vector.name, hex(vector.key), hex(vector.iv))
  const header = crypto.headerKey(vector.name, hex(vector.hp))
  const path = vector.path ?? 0
  const payloadStart = hex(vector.header).length
  const plain = hex(vector.header + vector.payload + '00'.repeat(vector.padding ?? 0))
  const packet = new Uint8Array(plain.length + 16)
  packet.set(plain)
  aead.seal(packet, 0, payloadStart, plain.length, path, vector.packetNumber)

  const numberStart = payloadStart - ((packet[0]! & 3) + 1)
  expect(toHex(packet.slice(numberStart + 4, numberStart + 20))).toBe(vector.sample.replace(/\s/g, ''))
  const mask = new Uint8Array(5)
  header.mask(packet, numberStart + 4, mask)
  expect(toHex(mask)).toBe(vector.mask)
  applyMask(packet, mask, numberStart, payloadStart)
  const expected = hex(vector.packet)
  expect(toHex(packet.slice(0, expected.length))).toBe(toHex(expected))
  if (vector.tag === undefined) expect(packet.length).toBe(expected.length)
  else expect(toHex(packet.slice(-16))).toBe(vector.tag)

  applyMask(packet, mask, numberStart, payloadStart)
  expect(aead.open(packet, 0, payloadStart, packet.length, path, vector.packetNumber)).toBe(plain.length)
  expect(toHex(packet.slice(0, plain.length))).toBe(toHex(plain))

  const whole = new Uint8Array(plain.length + 16)
  whole.set(plain)
  aead.protect(header, whole, 0, numberStart, payloadStart, plain.length, path, vector.packetNumber)
  expect(toHex(whole.slice(0, expected.length))).toBe(toHex(expected))
  if (vector.tag !== undefined) expect(toHex(whole.slice(-16))).toBe(vector.tag)
  const largest = vector.packetNumber - 1
  expect(aead.unprotect(header, whole, 0, numberStart, whole.length, path, largest, -1)).toBe(plain.length)
  expect(toHex(whole.slice(0, plain.length))).toBe(toHex(plain))
  aead.free()
  header.free()
}

function applyMask(packet: Uint8Array, mask: Uint8Array, numberStart: number, payloadStart: number): void {
  packet[0]! ^= mask[0]! & (packet[0]! & 0x80 ? 0x0f : 0x1f)
  for (let i = numberStart; i < payloadStart; i++) packet[i]! ^= mask[1 + i - numberStart]!
}

const CLIENT_INITIAL: PacketCase = {
  name: 'aes-128-gcm',
  key: '1f369613dd76d5467730efcbe3b1a22d',
  iv: 'fa044b2f42a3fd3b46fb255c',
  hp: '9f50449e04a0e810283a1e9933adedd2',
  packetNumber: 2,
  header: 'c300000001088394c8f03e5157080000449e00000002',
  payload: `060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302
    010000c000000010000e00000b6578616d706c652e636f6dff01000100000a00080006001d001700180010000700050461
    6c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e9
    94ec74d748002b0003020304000d0010000e0403050306030203080408050806002d00020101001c000240010039003204
    08ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff`,
  padding: 917,
  sample: 'd1b1c98dd7689fb8ec11d242b123dc9b',
  mask: '437b9aec36',
  packet: 'c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c',
  tag: 'e221af44860018ab0856972e194cd934',
}

const SERVER_INITIAL: PacketCase = {
  name: 'aes-128-gcm',
  key: 'cf3a5331653c364c88f0f379b6067e37',
  iv: '0ac1493ca1905853b0bba03e',
  hp: 'c206b8d9b9f0f37644430b490eeaa314',
  packetNumber: 1,
  header: 'c1000000010008f067a5502a4262b50040750001',
  payload: `02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200
    130100002e00330024001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304`,
  sample: '2cd0991cd25b0aac406a5816b6394100',
  mask: '2ec0d8356a',
  packet: `cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb3
    8cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84
    022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee`,
}

const CHACHA_PACKET: PacketCase = {
  name: 'chacha20-poly1305',
  key: 'c6d98ff3441c3fe1b2182094f69caa2ed4b716b65488960a7a984979fb23e1c8',
  iv: 'e0459b3474bdd0e44a41c144',
  hp: '25a282b9e82f06f21f488917a4fc8f1b73573685608597d0efcb076b0ab7a7a4',
  packetNumber: 654360564,
  header: '4200bff4',
  payload: '01',
  sample: '5e5cd55c41f69080575d7999c25a5bfb',
  mask: 'aefefe7d03',
  packet: '4cfe4189655e5cd55c41f69080575d7999c25a5bfb',
}

/** PATH_CHALLENGE packets under the traffic secret 00..1f; the last one after a key update. */
const MULTIPATH: readonly PacketCase[] = [
  {
    name: 'aes-128-gcm',
    key: '924edab0f23acc302f67ebab959e97e5',
    iv: 'b5a994a325d611a996d7df60',
    hp: '0e5f49a9b9f1a5d81ae752524e7d6807',
    path: 0,
    packetNumber: 2,
    header: '40a0a1a2a3a4a5a6a702',
    payload: '1a0102030405060708',
    sample: '8387945c339d127e62e7983b376c71e2',
    mask: 'c320b49a7a',
    packet: '43a0a1a2a3a4a5a6a722cc7a928387945c339d127e62e7983b376c71e2cd03e24d70ed',
  },
  {
    name: 'aes-128-gcm',
    key: '924edab0f23acc302f67ebab959e97e5',
    iv: 'b5a994a325d611a996d7df60',
    hp: '0e5f49a9b9f1a5d81ae752524e7d6807',
    path: 1,
    packetNumber: 2,
    header: '40a0a1a2a3a4a5a6a702',
    payload: '1a0102030405060708',
    sample: '4a9661db7ea55c5f88e73c99851ec29e',
    mask: 'ce0d939e4b',
    packet: '4ea0a1a2a3a4a5a6a70f0959f44a9661db7ea55c5f88e73c99851ec29e6239bec3a987',
  },
  {
    name: 'aes-128-gcm',
    key: '52a8ea4d44bd6ee8f7f34df728be5dea',
    iv: '8c1635ecd2b745d8467158ed',
    hp: '0e5f49a9b9f1a5d81ae752524e7d6807',
    path: 1,
    packetNumber: 1000,
    header: '45a0a1a2a3a4a5a6a703e8',
    payload: '1a0102030405060708',
    sample: '5c872f426cc2a91ee4ae78e00a9d0dba',
    mask: '7f1d14c7fc',
    packet: '5aa0a1a2a3a4a5a6a71efc44035c872f426cc2a91ee4ae78e00a9d0dba96b7f94885aa4d',
  },
]
