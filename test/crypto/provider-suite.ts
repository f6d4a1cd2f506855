/**
 * What every crypto provider must do: the vectors of the RFCs, Wycheproof, refusals, and the life of key handles. Run over each of
 * them by a two-line test file.
 */
import { afterAll, describe, expect, test } from 'vitest'
import { CryptoError, type CryptoProvider, type GroupName } from '../../src/crypto/index.ts'
import { counting, hex, toHex } from './hex.ts'
import { packetSuite } from './packet-suite.ts'
import { signatureSuite } from './signature-suite.ts'
import { wholePacketSuite } from './whole-packet-suite.ts'
import { wycheproofSuite } from './wycheproof-suite.ts'

export interface CountingProvider extends CryptoProvider {
  readonly liveKeys: number
}

export function providerSuite(create: () => CountingProvider): void {
  const crypto = create()

  describe(`crypto provider ${crypto.name}`, () => {
    afterAll(() => {
      expect(crypto.liveKeys, 'handles that the tests did not free').toBe(0)
    })

    hashSuite(crypto)
    packetSuite(crypto)
    wholePacketSuite(crypto)
    keyExchangeSuite(crypto)
    signatureSuite(crypto)
    handleSuite(crypto)
    wycheproofSuite(crypto)
  })
}

function hashSuite(crypto: CryptoProvider): void {
  test('FIPS 180-4: SHA-256 and SHA-384 of "abc"', () => {
    const sha256 = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    const sha384 = 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'
    expect(toHex(crypto.hash('sha256', hex('616263')))).toBe(sha256)
    expect(toHex(crypto.hash('sha384', hex('616263')))).toBe(sha384)
  })

  test('RFC 8446 §4.4.1: a running hash can be read at any point and goes on', () => {
    for (const name of ['sha256', 'sha384'] as const) {
      const running = crypto.createHash(name)
      expect(running.digest()).toEqual(crypto.hash(name, hex('')))
      running.update(hex('6162'))
      const first = running.digest()
      expect(first).toEqual(crypto.hash(name, hex('6162')))
      expect(running.digest()).toEqual(first)
      running.update(hex('63'))
      expect(running.digest()).toEqual(crypto.hash(name, hex('616263')))
      expect(first, 'digests do not share memory').toEqual(crypto.hash(name, hex('6162')))
    }
  })

  test('RFC 4231 §4.3 and §4.7: HMAC with a short key and with one longer than a block', () => {
    const jefe = hex('4a656665')
    const question = new TextEncoder().encode('what do ya want for nothing?')
    expect(toHex(crypto.hmac('sha256', jefe, question))).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
    expect(toHex(crypto.hmac('sha384', jefe, question))).toBe(
      'af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649',
    )
    const long = new Uint8Array(131).fill(0xaa)
    const first = new TextEncoder().encode('Test Using Larger Than Block-Size Key - Hash Key First')
    expect(toHex(crypto.hmac('sha256', long, first))).toBe(
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    )
    expect(crypto.hmac('sha256', hex(''), hex('00')).length).toBe(32)
  })

  test('RFC 5869 appendix A.1 to A.3: HKDF-SHA-256', () => {
    const cases = [
      {
        ikm: new Uint8Array(22).fill(0x0b),
        salt: counting(0, 13),
        info: counting(0xf0, 10),
        prk: '077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5',
        okm: '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
      },
      {
        ikm: counting(0, 80),
        salt: counting(0x60, 80),
        info: counting(0xb0, 80),
        prk: '06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244',
        okm: `b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09
          da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87`,
      },
      {
        ikm: new Uint8Array(22).fill(0x0b),
        salt: hex(''),
        info: hex(''),
        prk: '19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04',
        okm: '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
      },
    ]
    for (const { ikm, salt, info, prk, okm } of cases) {
      expect(toHex(crypto.hkdfExtract('sha256', salt, ikm))).toBe(prk)
      expect(crypto.hkdfExpand('sha256', hex(prk), info, hex(okm).length)).toEqual(hex(okm))
    }
  })

  test('RFC 5869 §2.3: at most 255 hash lengths', () => {
    const key = new Uint8Array(48)
    expect(crypto.hkdfExpand('sha256', key, hex(''), 255 * 32).length).toBe(255 * 32)
    expect(crypto.hkdfExpand('sha384', key, hex(''), 0)).toEqual(hex(''))
    expect(() => crypto.hkdfExpand('sha256', key, hex(''), 255 * 32 + 1)).toThrow(RangeError)
    expect(() => crypto.hkdfExpand('sha384', key, hex(''), 255 * 48 + 1)).toThrow(RangeError)
  })

  test('equal compares contents, and lengths first', () => {
    expect(crypto.equal(hex('0102'), hex('0102'))).toBe(true)
    expect(crypto.equal(hex('0102'), hex('0103'))).toBe(false)
    expect(crypto.equal(hex('0102'), hex('010200'))).toBe(false)
    expect(crypto.equal(hex(''), hex(''))).toBe(true)
  })
}

function keyExchangeSuite(crypto: CountingProvider): void {
  const agree = (group: GroupName, privateKey: string, peer: string) => {
    const own = crypto.keyExchange(group, hex(privateKey))
    const secret = own.agree(hex(peer))
    own.free()
    return toHex(secret)
  }

  test('RFC 7748 §5.2: X25519 function vectors', () => {
    const scalar = 'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4'
    const u = 'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c'
    expect(agree('x25519', scalar, u)).toBe('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552')
    const scalar2 = '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d'
    const u2 = 'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493'
    expect(agree('x25519', scalar2, u2)).toBe('95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957')
    const base = `09${'00'.repeat(31)}`
    expect(agree('x25519', base, base)).toBe('422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079')
  })

  test('RFC 7748 §6.1: X25519 key agreement', () => {
    const alice = crypto.keyExchange('x25519', hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'))
    const bob = crypto.keyExchange('x25519', hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'))
    expect(toHex(alice.publicKey)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a')
    expect(toHex(bob.publicKey)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f')
    const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'
    expect(toHex(alice.agree(bob.publicKey))).toBe(shared)
    expect(toHex(bob.agree(alice.publicKey))).toBe(shared)
    alice.free()
    bob.free()
  })

  test('RFC 5903 §8.1: P-256 key agreement', () => {
    const own = crypto.keyExchange('p256', hex('c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433'))
    expect(toHex(own.publicKey)).toBe(
      '04dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180' +
        '5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3',
    )
    const peer = hex(
      '04d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63' +
        '56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab',
    )
    expect(toHex(own.agree(peer))).toBe('d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de')
    own.free()
  })

  test('RFC 8446 §4.2.8.2: only uncompressed points on the P-256 curve are taken', () => {
    const own = crypto.keyExchange('p256')
    const peer = crypto.keyExchange('p256')
    const point = peer.publicKey
    const offCurve = point.slice()
    offCurve[64]! ^= 1
    const hybrid = point.slice()
    hybrid[0] = 6 | (point[64]! & 1)
    const compressed = point.slice(0, 33)
    compressed[0] = 2 | (point[64]! & 1)
    const infinity = new Uint8Array(65)
    for (const bad of [
      offCurve,
      hybrid,
      compressed,
      infinity,
      infinity.slice(0, 1),
      new Uint8Array(0),
      point.slice(1),
    ]) {
      expect(() => own.agree(bad)).toThrow(CryptoError)
    }
    expect(own.agree(point)).toEqual(peer.agree(own.publicKey))
    own.free()
    peer.free()
  })

  test('RFC 7748 §6.1: an all-zero shared secret and wrong lengths are refused', () => {
    const own = crypto.keyExchange('x25519')
    const one = hex(`01${'00'.repeat(31)}`)
    for (const bad of [new Uint8Array(32), one, new Uint8Array(31).fill(9), new Uint8Array(33).fill(9)]) {
      expect(() => own.agree(bad)).toThrow(CryptoError)
    }
    own.free()
  })

  test('private keys of a wrong length or out of range are refused, and leave no handle', () => {
    const before = crypto.liveKeys
    const order = 'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'
    for (const bad of ['', '00'.repeat(31), '01'.repeat(33), '00'.repeat(32), order, 'ff'.repeat(32)]) {
      expect(() => crypto.keyExchange('p256', hex(bad)), bad).toThrow(CryptoError)
    }
    for (const bad of ['', '01'.repeat(31), '01'.repeat(33)]) {
      expect(() => crypto.keyExchange('x25519', hex(bad)), bad).toThrow(CryptoError)
      expect(() => crypto.signer(hex(bad)), bad).toThrow(CryptoError)
    }
    expect(crypto.liveKeys).toBe(before)
  })

  test('fresh pairs differ', () => {
    for (const group of ['x25519', 'p256'] as const) {
      const [one, two] = [crypto.keyExchange(group), crypto.keyExchange(group)]
      expect(one.publicKey).not.toEqual(two.publicKey)
      expect(one.publicKey.length).toBe(group === 'x25519' ? 32 : 65)
      expect(one.agree(two.publicKey)).toEqual(two.agree(one.publicKey))
      one.free()
      two.free()
    }
  })
}

function handleSuite(crypto: CountingProvider): void {
  test('a freed handle refuses every use; freeing twice is harmless; the count comes back', () => {
    const before = crypto.liveKeys
    const bytes = new Uint8Array(64)
    const mask = new Uint8Array(5)
    const handles = [
      ...(['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const).flatMap((name) => {
        const secret = new Uint8Array(name === 'aes-128-gcm' ? 16 : 32)
        const packet = crypto.aeadKey(name, secret, new Uint8Array(12))
        const header = crypto.headerKey(name, secret)
        return [
          {
            handle: packet,
            uses: [
              () => packet.seal(bytes, 0, 4, 48, 0, 0),
              () => packet.open(bytes, 0, 4, 64, 0, 0),
              () => packet.protect(header, bytes, 0, 1, 4, 48, 0, 0),
              () => packet.unprotect(header, bytes, 0, 1, 64, 0, -1, -1),
            ],
          },
          { handle: header, uses: [() => header.mask(bytes, 0, mask)] },
        ]
      }),
      ...(['x25519', 'p256'] as const).map((group) => {
        const pair = crypto.keyExchange(group)
        return { handle: pair, uses: [() => pair.agree(pair.publicKey)] }
      }),
      ...[crypto.signer(new Uint8Array(32))].map((signer) => ({ handle: signer, uses: [() => signer.sign(bytes)] })),
    ]
    expect(crypto.liveKeys).toBe(before + handles.length)
    for (const { handle, uses } of handles) {
      for (const use of uses) expect(use).not.toThrow()
      handle.free()
      handle.free()
      for (const use of uses) expect(use).toThrow('the key was freed')
    }
    expect(crypto.liveKeys).toBe(before)
  })

  test('keys are copied: the caller may wipe what it handed in', () => {
    const secret = counting(1, 32)
    const iv = counting(1, 12)
    for (const name of ['aes-256-gcm', 'chacha20-poly1305'] as const) {
      const keep = crypto.aeadKey(name, secret, iv)
      const mine = [secret.slice(), iv.slice(), secret.slice(), secret.slice(), secret.slice()] as const
      const wiped = crypto.aeadKey(name, mine[0], mine[1])
      const header = crypto.headerKey(name, mine[2])
      const pair = crypto.keyExchange('p256', mine[3])
      const signer = crypto.signer(mine[4])
      const masks = [new Uint8Array(5), new Uint8Array(5)] as const
      header.mask(counting(0, 16), 0, masks[0])
      const [publicKey, secretBefore] = [pair.publicKey.slice(), pair.agree(pair.publicKey)]
      const signature = signer.sign(iv)
      for (const array of mine) array.fill(0xee)
      const sealed = [new Uint8Array(40), new Uint8Array(40)] as const
      keep.seal(sealed[0], 0, 4, 24, 1, 2)
      wiped.seal(sealed[1], 0, 4, 24, 1, 2)
      expect(sealed[1]).toEqual(sealed[0])
      header.mask(counting(0, 16), 0, masks[1])
      expect(masks[1]).toEqual(masks[0])
      expect(pair.agree(publicKey)).toEqual(secretBefore)
      expect(signer.sign(iv)).toEqual(signature)
      for (const handle of [keep, wiped, header, pair, signer]) handle.free()
    }
  })

  test('results are plain byte arrays, whose slices are copies', () => {
    const pair = crypto.keyExchange('x25519')
    const point = crypto.keyExchange('p256')
    const signer = crypto.signer(new Uint8Array(32))
    const results = [
      crypto.hash('sha256', hex('')),
      crypto.createHash('sha384').digest(),
      crypto.hmac('sha256', hex('01'), hex('')),
      crypto.hkdfExtract('sha256', hex(''), hex('01')),
      crypto.hkdfExpand('sha256', new Uint8Array(32), hex(''), 16),
      pair.publicKey,
      point.publicKey,
      point.agree(point.publicKey),
      pair.agree(pair.publicKey),
      signer.publicKey,
      signer.sign(hex('')),
    ]
    for (const result of results) expect(Object.getPrototypeOf(result)).toBe(Uint8Array.prototype)
    for (const handle of [pair, point, signer]) handle.free()
  })
}
