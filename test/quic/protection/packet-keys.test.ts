import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { deriveAead, deriveKeys, freeKeys, initialKeys, nextSecret } from '../../../src/quic/protection/packet-keys.ts'
import { PacketProtection, readTruncated } from '../../../src/quic/protection/packet-protection.ts'
import { TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256 } from '../../../src/quic/tls/cipher-suites.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('vectors', () => {
  test('RFC 9001 §5.2: the client Initial of appendix A.2', () => {
    const keys = initialKeys(createNodeCrypto(), hex('8394c8f03e515708'), 'client')
    const hello = hex(`060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868
      04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578
      616d706c652e636f6dff01000100000a00080006001d00170018001000070005
      04616c706e000500050100000000003300260024001d00209370b2c9caa47fba
      baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400
      0d0010000e0403050306030203080408050806002d00020101001c0002400100
      3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000
      75300901100f088394c8f03e51570806048000ffff`)
    const header = hex('c300000001088394c8f03e5157080000449e00000002')
    const packet = new Uint8Array(1_200)
    packet.set(header)
    packet.set(hello, header.length)
    const end = new PacketProtection().protect(keys.send.aead, keys.send.header, packet, 0, 18, 22, 1_184, 0, 2)
    expect(end).toBe(1_200)
    expect(toHex(packet.slice(0, 32))).toBe('c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11')
    expect(toHex(packet.slice(-16))).toBe('e221af44860018ab0856972e194cd934')
  })

  test('RFC 9001 §5.2: the server Initial of appendix A.3', () => {
    const keys = initialKeys(createNodeCrypto(), hex('8394c8f03e515708'), 'server')
    const header = hex('c1000000010008f067a5502a4262b50040750001')
    const payload = hex(`02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf739
      88cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c94
      0d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00
      020304`)
    const packet = new Uint8Array(header.length + payload.length + 16)
    packet.set(header)
    packet.set(payload, header.length)
    const end = header.length + payload.length
    new PacketProtection().protect(keys.send.aead, keys.send.header, packet, 0, 18, 20, end, 0, 1)
    expect(toHex(packet.slice(0, 36))).toBe('cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b639')
    expect(toHex(packet.slice(-16))).toBe('3d20398c276456cbc42158407dd074ee')
  })

  test('RFC 9001 §5.4.4: the ChaCha20 short packet of appendix A.5, and its next secret', () => {
    const crypto = createNodeCrypto()
    const secret = hex('9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b')
    const keys = deriveKeys(crypto, TLS_CHACHA20_POLY1305_SHA256, secret)
    const packet = new Uint8Array(21)
    packet.set(hex('4200bff401'))
    new PacketProtection().protect(keys.aead, keys.header, packet, 0, 1, 4, 5, 0, 654_360_564)
    expect(toHex(packet)).toBe('4cfe4189655e5cd55c41f69080575d7999c25a5bfb')
    expect(toHex(nextSecret(crypto, TLS_CHACHA20_POLY1305_SHA256, secret))).toBe(
      '1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9',
    )
  })
})

describe('protection', () => {
  const crypto = createNodeCrypto()
  const secret = () => new Uint8Array(32).fill(7)
  const keys = deriveKeys(crypto, TLS_AES_128_GCM_SHA256, secret())
  const protection = new PacketProtection()

  test('RFC 9001 §5.4.1: the packet number, its length and the low bits of the first byte are masked, and come back', () => {
    for (const [first, numberLength] of [
      [0x43, 4],
      [0x40, 1],
      [0xe1, 2],
      [0xe2, 3],
    ] as const) {
      const packet = new Uint8Array(60).fill(0x11)
      packet[0] = first
      const number = packet.slice(9, 9 + numberLength)
      const end = protection.protect(keys.aead, keys.header, packet, 0, 9, 9 + numberLength, 44, 0, 0x11)
      expect(packet[0]! & 0xf0 & ~0x1f).toBe(first & 0xf0 & ~0x1f)
      expect(protection.unmask(keys.header, packet, 0, 9, end)).toBe(numberLength)
      expect(packet[0]).toBe(first)
      expect(packet.slice(9, 9 + numberLength)).toEqual(number)
      expect(keys.aead.open(packet, 0, 9 + numberLength, end, 0, 0x11)).toBe(44)
    }
  })

  test('RFC 9001 §5.4.2: a packet without room for the sample is left alone', () => {
    const packet = new Uint8Array(28).fill(0x41)
    expect(protection.unmask(keys.header, packet, 0, 9, 28)).toBe(0)
    expect(packet).toEqual(new Uint8Array(28).fill(0x41))
  })

  test('RFC 9001 §5.3: the header is authenticated too', () => {
    const packet = new Uint8Array(60)
    const aead = deriveAead(crypto, TLS_AES_128_GCM_SHA256, secret())
    aead.seal(packet, 0, 13, 44, 0, 5)
    packet[3] = 1
    expect(aead.open(packet, 0, 13, 60, 0, 5)).toBe(-1)
    freeKeys({ aead, header: keys.header })
  })

  test('packet number fields are read big-endian, unsigned', () => {
    expect(readTruncated(hex('00ffffffff00'), 1, 4)).toBe(0xffffffff)
    expect(readTruncated(hex('0102'), 0, 2)).toBe(0x102)
  })
})
