/**
 * Ed25519 of one provider: the vectors of RFC 8032 and what strict verification refuses beyond them.
 */
import { expect, test } from 'vitest'
import type { CryptoProvider } from '../../src/crypto/index.ts'
import { hex, toHex } from './hex.ts'

export function signatureSuite(crypto: CryptoProvider): void {
  test('RFC 8032 §7.1: Ed25519 tests 1, 2, 3 and SHA(abc)', () => {
    const cases = [
      {
        seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
        key: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
        message: '',
        signature: `e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
          5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b`,
      },
      {
        seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
        key: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
        message: '72',
        signature: `92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
          085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00`,
      },
      {
        seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
        key: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
        message: 'af82',
        signature: `6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
          18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a`,
      },
      {
        seed: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
        key: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
        message: `ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a
          2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f`,
        signature: `dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589
          09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704`,
      },
    ]
    for (const { seed, key, message, signature } of cases) {
      const signer = crypto.signer(hex(seed))
      expect(toHex(signer.publicKey)).toBe(key)
      expect(signer.sign(hex(message))).toEqual(hex(signature))
      signer.free()
      expect(crypto.verify(hex(key), hex(message), hex(signature))).toBe(true)
      const wrong = hex(signature)
      wrong[0]! ^= 1
      expect(crypto.verify(hex(key), hex(message), wrong)).toBe(false)
    }
  })

  test('RFC 8032 §5.1.7: a small-order public key verifies nothing, however it is written', () => {
    // S = 1 and R = B: the bare equation holds for whichever messages give [k]A = 0, which is at least every eighth.
    const forged = hex(`58${'66'.repeat(31)}01${'00'.repeat(31)}`)
    for (const key of SMALL_ORDER_ENCODINGS) {
      for (let message = 0; message < 48; message++) {
        expect(crypto.verify(hex(key), Uint8Array.of(message), forged), key).toBe(false)
      }
    }
  })

  test('RFC 8032 §5.1.7: a small-order R is refused, as by the verify_strict of the peers', () => {
    const key = hex('61485eb624d9786700ce78888fb6f475591f00567be8e573e9829b7df1f91acd')
    const identity = `01${'00'.repeat(31)}`
    const response = 'd6fd0535de42ada68883dc97157672b695b2f561aae80e6667452ad85b57970a'
    expect(crypto.verify(key, hex('00'), hex(identity + response))).toBe(false)
  })

  test('RFC 8032 §5.1.7: the equation without the cofactor, as OpenSSL, ring and dalek check it', () => {
    // Wrong by a point of order 8 in the key: holds with cofactor, must fail without.
    const { key, signatures } = MIXED_ORDER
    const verdicts = signatures.map(({ message, signature }) => crypto.verify(hex(key), hex(message), hex(signature)))
    expect(verdicts).toEqual(signatures.map(({ holds }) => holds))
  })

  test('lengths, and keys that are no points, give false and no exception', () => {
    const signer = crypto.signer(new Uint8Array(32).fill(7))
    const message = hex('0102')
    const signature = signer.sign(message)
    expect(crypto.verify(signer.publicKey, message, signature)).toBe(true)
    expect(crypto.verify(signer.publicKey.slice(1), message, signature)).toBe(false)
    expect(crypto.verify(signer.publicKey, message, signature.slice(1))).toBe(false)
    expect(crypto.verify(signer.publicKey, message, hex(`${toHex(signature)}00`))).toBe(false)
    expect(crypto.verify(hex(`02${'00'.repeat(31)}`), message, signature)).toBe(false)
    signer.free()
  })
}

/** y = 0, 1, p - 1 and the two of order 8, and 0 and 1 again as p and p + 1; each with both sign bits. */
const SMALL_ORDER_ENCODINGS = [
  `${'00'.repeat(32)}`,
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
].flatMap((y) => [y, y.slice(0, 62) + (Number.parseInt(y.slice(62), 16) | 0x80).toString(16)])

/** Key a·B + T with T of order 8; the signatures use a. [k]T vanishes only where 8 divides k. Made with noble's points. */
const MIXED_ORDER = {
  key: 'c071b7719870acebe8257c09074a37feef0f7eac8adbc2d2d2b6ee9d0bbb8abd',
  signatures: [
    {
      message: '00',
      signature: `6b12d4d055bd943206034b402ebe601bf715a3bbe772cdac6ab65b94d9a07bf6
        d985bd583e660d6ce0d8cb40a66fb7b587a6029d32563b1ded0471027b831904`,
      holds: false,
    },
    {
      message: '01',
      signature: `6b12d4d055bd943206034b402ebe601bf715a3bbe772cdac6ab65b94d9a07bf6
        ec026de7d1ad194f9eac2070f6b1ce5ff86887ddbdf5de04969f293b25e1bc06`,
      holds: false,
    },
    {
      message: '08',
      signature: `6b12d4d055bd943206034b402ebe601bf715a3bbe772cdac6ab65b94d9a07bf6
        819f9f1d67121ad6e6ef64368e11d802e71ad701cdf11f88501f48d55bc31f0b`,
      holds: true,
    },
  ],
}
