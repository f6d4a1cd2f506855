import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CryptoProvider } from '../../../src/crypto/index.ts'
import { CLIENT_AUTH_HEADER, clientAuthHeader, verifyClientAuthHeader } from '../../../src/relay/index.ts'
import { decodeBase64Url, encodeBase64Url } from '../../../src/relay/protocol/base64url.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { CLIENT_ID, CLIENT_SEED, PROVIDERS } from './support.ts'

const HEADER =
  'iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1xAGkiVzJzFETOHJt_reIIn6dIlGbg6soYb9cLbMBhOZ8nlNJJT_H5xS5HrRNMa3Oihy4HJYJL1Fq8-pwV13OliBDXLFaXLojjoj_E_Hpr6VnE'
const EXPORTED = 'bf2ea52e1e40630f67a1f0f281c871fd35cb15a5cba238e88ff13f1e9afa5671'
const SIGNATURE =
  '1a4895cc9cc511338726dfeb788227e9d22519b83ab2861bf5c2db30184e67c9e5349253fc7e714b91eb44d31adce8a1cb81c96092f516af3ea70575dce96204'

/** RFC 8446 §7.5 with SHA-256 and an exporter secret of 32 × 07. */
function tls13Exporter(crypto: CryptoProvider) {
  const text = (value: string) => new TextEncoder().encode(value)
  const expandLabel = (secret: Uint8Array, label: string, context: Uint8Array, length: number) => {
    const full = text(`tls13 ${label}`)
    const info = Uint8Array.from([length >>> 8, length & 0xff, full.length, ...full, context.length, ...context])
    return crypto.hkdfExpand('sha256', secret, info, length)
  }
  return (label: string, context: Uint8Array, length: number) => {
    const derived = expandLabel(new Uint8Array(32).fill(7), label, crypto.hash('sha256', new Uint8Array()), 32)
    return expandLabel(derived, 'exporter', crypto.hash('sha256', context), length)
  }
}

const crypto = PROVIDERS[0]!
const exporter = tls13Exporter(crypto)
const verify = (value: string, theirs: typeof exporter | undefined = exporter) =>
  verifyClientAuthHeader(crypto, value, theirs)

/** The vector with one byte of its 113 changed. */
function changed(at: number, value?: number): string {
  const bytes = decodeBase64Url(HEADER)!
  bytes[at] = value ?? bytes[at]! ^ 1
  return encodeBase64Url(bytes)
}

describe('spec/relay.md §8.2: header authentication', () => {
  test.each(PROVIDERS)('the vector: $name', (provider) => {
    const signer = provider.signer(CLIENT_SEED)
    const value = clientAuthHeader(signer, tls13Exporter(provider))
    expect(value).toBe(HEADER)
    expect(value).toHaveLength(151)
    expect(toHex(decodeBase64Url(value)!)).toBe(`${CLIENT_ID}40${SIGNATURE}${EXPORTED.slice(32)}`)
    expect(toHex(verifyClientAuthHeader(provider, value, tls13Exporter(provider))!)).toBe(CLIENT_ID)
    signer.free()
  })

  test('§2.4: what both ends ask their TLS session for', () => {
    const calls: unknown[] = []
    const recording = (label: string, context: Uint8Array, length: number) => {
      calls.push([label, toHex(context), length])
      return hex(EXPORTED)
    }
    clientAuthHeader(crypto.signer(CLIENT_SEED), recording)
    expect(verify(HEADER, recording)).toBeDefined()
    expect(calls).toEqual(Array(2).fill(['iroh-relay handshake v1', CLIENT_ID, 32]))
    expect(CLIENT_AUTH_HEADER).toBe('x-iroh-relay-client-auth-v1')
  })

  test('the exported secret does not stay in memory', () => {
    const given: Uint8Array[] = []
    const keeping = () => {
      const bytes = hex(EXPORTED)
      given.push(bytes)
      return bytes
    }
    clientAuthHeader(crypto.signer(CLIENT_SEED), keeping)
    verify(HEADER, keeping)
    verify(changed(40), keeping)
    expect(given.map(toHex)).toEqual(Array(3).fill('00'.repeat(32)))
  })
})

describe('spec/relay.md §2.4: a header that proves nothing', () => {
  test('any changed byte', () => {
    for (let at = 0; at < 113; at++) expect([at, verify(changed(at))]).toEqual([at, undefined])
  })

  test('no TLS session, another session, a session that exports nothing', () => {
    expect(verifyClientAuthHeader(crypto, HEADER, undefined)).toBeUndefined()
    expect(verify(HEADER, () => new Uint8Array(32))).toBeUndefined()
    expect(verify(HEADER, () => new Uint8Array(0))).toBeUndefined()
    expect(
      verify(HEADER, () => {
        throw new Error('the session is gone')
      }),
    ).toBeUndefined()
  })

  test('the same suffix, another first half', () => {
    expect(verify(HEADER, () => hex(`00${EXPORTED.slice(2)}`))).toBeUndefined()
  })

  test('malformed values', () => {
    for (const value of ['', 'A', `${HEADER}=`, `${HEADER}A`, HEADER.slice(1), ` ${HEADER}`, `${HEADER}, ${HEADER}`]) {
      expect(verify(value)).toBeUndefined()
    }
    // standard base64 where the vector has - and _
    expect(verify(HEADER.replace(/_/g, '/'))).toBeUndefined()
    expect(verify(HEADER.replace(/-/g, '+'))).toBeUndefined()
    // the last character carries two bits that must be zero
    expect(verify(HEADER.replace(/E$/, 'F'))).toBeUndefined()
  })
})

describe('RFC 4648 §5: base64 for URLs', () => {
  test('RFC 4648 §10: vectors, without padding', () => {
    const vectors = { '': '', f: 'Zg', fo: 'Zm8', foo: 'Zm9v', foob: 'Zm9vYg', fooba: 'Zm9vYmE', foobar: 'Zm9vYmFy' }
    for (const [text, encoded] of Object.entries(vectors)) {
      expect(encodeBase64Url(new TextEncoder().encode(text))).toBe(encoded)
      expect(decodeBase64Url(encoded)).toEqual(new TextEncoder().encode(text))
    }
    expect(encodeBase64Url(hex('fbffbf'))).toBe('-_-_')
  })

  test('as Buffer does it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = encodeBase64Url(bytes)
        expect(text).toBe(Buffer.from(bytes).toString('base64url'))
        expect(decodeBase64Url(text)).toEqual(bytes)
      }),
    )
  })

  test('what no encoder writes is refused', () => {
    for (const text of ['A', 'AAAAA', 'Zg==', 'Zg=', 'Zh', 'Zm9', '+_-_', 'Zm 9', 'Zm9v\n', 'ÄÄÄÄ', '😀😀']) {
      expect([text, decodeBase64Url(text)]).toEqual([text, undefined])
    }
  })
})
