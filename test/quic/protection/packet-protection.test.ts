import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { deriveAead, deriveKeys, freeKeys, nextSecret } from '../../../src/quic/protection/packet-keys.ts'
import { PacketProtection } from '../../../src/quic/protection/packet-protection.ts'
import {
  CIPHER_SUITES,
  TLS_AES_128_GCM_SHA256,
  TLS_CHACHA20_POLY1305_SHA256,
} from '../../../src/quic/tls/cipher-suites.ts'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const toHex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const SECRET = () => Uint8Array.from({ length: 32 }, (_, i) => i)
const PAYLOAD = '1a0102030405060708'

/** spec/quic.md §8.2: path, packet number, header; the last one is of the next key phase. */
const CASES = [
  { path: 0, packetNumber: 2, header: '40a0a1a2a3a4a5a6a702', phase: 0 },
  { path: 1, packetNumber: 2, header: '40a0a1a2a3a4a5a6a702', phase: 0 },
  { path: 1, packetNumber: 1000, header: '45a0a1a2a3a4a5a6a703e8', phase: 1 },
] as const
const AES_PACKETS = [
  '43a0a1a2a3a4a5a6a722cc7a928387945c339d127e62e7983b376c71e2cd03e24d70ed',
  '4ea0a1a2a3a4a5a6a70f0959f44a9661db7ea55c5f88e73c99851ec29e6239bec3a987',
  '5aa0a1a2a3a4a5a6a71efc44035c872f426cc2a91ee4ae78e00a9d0dba96b7f94885aa4d',
]
/** Made by OpenSSL alone from the same secret. */
const CHACHA20_PACKETS = [
  '42a0a1a2a3a4a5a6a743bd617f4b072b95c308c4738c7dfa911da4a6fa82ce080d2994',
  '4ca0a1a2a3a4a5a6a742cb357714385d40d5b0807aff16e1f93ffa0cd922a08fa29ca5',
  '58a0a1a2a3a4a5a6a72c2c22803a72806a7d12fe4c971f7eacb38c5981cf80596a05418d',
]

const providers = {
  'node with the kernel': createNodeCrypto(),
  'node without': createNodeCrypto({ kernel: false }),
  'portable without': createPortableCrypto({ kernel: false }),
}

describe.each(Object.entries(providers))('packet protection by %s', (_name, crypto) => {
  const protection = new PacketProtection()

  /** The packets of `CASES`, protected; each is opened again. */
  function packets(suite: (typeof CIPHER_SUITES)[number]): string[] {
    return CASES.map(({ path, packetNumber, header, phase }) => {
      const keys = deriveKeys(crypto, suite, SECRET())
      let aead = keys.aead
      if (phase === 1) {
        aead.free()
        aead = deriveAead(crypto, suite, nextSecret(crypto, suite, SECRET()))
      }
      const plain = hex(header + PAYLOAD)
      const packet = new Uint8Array(plain.length + 16)
      packet.set(plain)
      const payloadStart = hex(header).length
      const end = protection.protect(aead, keys.header, packet, 0, 9, payloadStart, plain.length, path, packetNumber)
      expect(end).toBe(packet.length)
      const sealed = toHex(packet)
      expect(protection.unprotect(aead, keys.header, packet, 0, 9, end, path, packetNumber - 2, phase)).toBe('opened')
      expect(protection).toMatchObject({ packetNumber, payloadStart, plainEnd: plain.length })
      expect(toHex(packet.subarray(0, plain.length))).toBe(header + PAYLOAD)
      freeKeys({ aead, header: keys.header })
      return sealed
    })
  }

  test('quic.md §8.2: packets of two paths and two key phases, AES-128-GCM', () => {
    expect(packets(TLS_AES_128_GCM_SHA256)).toEqual(AES_PACKETS)
  })

  test('quic.md §8.2: the same with ChaCha20-Poly1305, as OpenSSL has them', () => {
    expect(packets(TLS_CHACHA20_POLY1305_SHA256)).toEqual(CHACHA20_PACKETS)
  })

  test('RFC 9001 §5.4.4, appendix A.5: the short packet, in and out', () => {
    const secret = hex('9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b')
    const keys = deriveKeys(crypto, TLS_CHACHA20_POLY1305_SHA256, secret)
    const packet = new Uint8Array(21)
    packet.set(hex('4200bff401'))
    expect(protection.protect(keys.aead, keys.header, packet, 0, 1, 4, 5, 0, 654_360_564)).toBe(21)
    expect(toHex(packet)).toBe('4cfe4189655e5cd55c41f69080575d7999c25a5bfb')
    expect(protection.unprotect(keys.aead, keys.header, packet, 0, 1, 21, 0, 654_360_563, 0)).toBe('opened')
    expect(protection).toMatchObject({ packetNumber: 654_360_564, payloadStart: 4, plainEnd: 5 })
    expect(packet[4]).toBe(1)
    freeKeys(keys)
  })

  test.each(CIPHER_SUITES)('RFC 9001 §5.5, §6.3: what each refusal leaves behind, $name', (suite) => {
    const secret = new Uint8Array(suite.hashLength).fill(5)
    const keys = deriveKeys(crypto, suite, secret)
    const next = deriveAead(crypto, suite, nextSecret(crypto, suite, secret))
    const plain = new Uint8Array(80).fill(0x11)
    plain.set(hex('45a0a1a2a3a4a5a6a70064'))
    const packet = plain.slice()
    const end = protection.protect(next, keys.header, packet, 0, 9, 11, 64, 3, 100)
    const sealed = packet.slice()

    // The current key meets a packet of the next phase: its number is there to choose by.
    expect(protection.unprotect(keys.aead, keys.header, packet, 0, 9, end, 3, 98, 0)).toBe('other-phase')
    expect(protection).toMatchObject({ packetNumber: 100, payloadStart: 11, plainEnd: -1 })
    expect(toHex(packet.subarray(11, end))).toBe(toHex(sealed.subarray(11, end)))
    expect(protection.open(keys.aead, packet.slice(), 0, end, 3)).toBe(false)
    expect(protection.open(next, packet.slice(), 0, end, 4)).toBe(false)
    expect(protection.plainEnd).toBe(-1)
    expect(protection.open(next, packet, 0, end, 3)).toBe(true)
    expect(protection.plainEnd).toBe(64)
    expect(toHex(packet.subarray(0, 64))).toBe(toHex(plain.subarray(0, 64)))

    const forged = sealed.slice()
    forged[40]! ^= 4
    expect(protection.unprotect(next, keys.header, forged, 0, 9, end, 3, 98, 1)).toBe('failed')
    expect(protection).toMatchObject({ packetNumber: 100, payloadStart: 11, plainEnd: -1 })
    expect(toHex(forged.subarray(end - 16))).toBe(toHex(sealed.subarray(end - 16)))

    expect(protection.unprotect(next, keys.header, forged, 0, 9, 28, 3, 98, 1)).toBe('too-short')
    expect(protection).toMatchObject({ packetNumber: 100, payloadStart: 11, plainEnd: -1 })
    next.free()
    freeKeys(keys)
  })

  test('no key is left over', () => {
    expect(crypto.liveKeys).toBe(0)
  })
})
