import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Writer } from '../../../src/bytes/writer.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { PacketHeader, PacketKind, parseHeader } from '../../../src/quic/wire/header.ts'
import { verifyRetry, writeRetry } from '../../../src/quic/wire/retry-packet.ts'
import { embedded, fromHex, toHex, written } from './bytes.ts'

const crypto = createNodeCrypto()
const ORIGINAL = fromHex('8394c8f03e515708')
const SOURCE = fromHex('f067a5502a4262b5')
const NONE = new Uint8Array(0)
const RETRY = 'ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba'

function verify(bytes: Uint8Array, original = ORIGINAL): boolean {
  const { buffer, start, end } = embedded(bytes)
  return verifyRetry(crypto, buffer, start, end, original)
}

describe('Retry', () => {
  test('RFC 9001 §A.4: the packet is written with its tag', () => {
    const token = new TextEncoder().encode('token')
    expect(written((writer) => writeRetry(crypto, writer, NONE, SOURCE, ORIGINAL, token))).toBe(RETRY)
  })

  test('RFC 9001 §A.4: the packet verifies, for its original destination id only', () => {
    expect(verify(fromHex(RETRY))).toBe(true)
    expect(verify(fromHex(RETRY), fromHex('8394c8f03e515709'))).toBe(false)
    expect(verify(fromHex(RETRY), NONE)).toBe(false)
  })

  test('RFC 9001 §5.8: any changed bit and any lost byte fails', () => {
    const good = fromHex(RETRY)
    for (let at = 0; at < good.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const bad = good.slice()
        bad[at]! ^= 1 << bit
        expect(verify(bad), `byte ${at}, bit ${bit}`).toBe(false)
      }
    }
    for (let length = 0; length < good.length; length++) expect(verify(good.subarray(0, length))).toBe(false)
  })

  test('RFC 9000 §17.2.5.2: an empty token is never believed', () => {
    const hex = written((writer) => writeRetry(crypto, writer, NONE, SOURCE, ORIGINAL, NONE))
    expect(verify(fromHex(hex))).toBe(false)
  })

  test('RFC 9000 §17.2.5: what is written anywhere in a datagram parses and verifies', () => {
    const id = fc.uint8Array({ maxLength: 20 })
    const token = fc.uint8Array({ minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(id, id, id, token, (destination, source, original, token) => {
        const writer = new Writer(new Uint8Array(400), 11)
        writeRetry(crypto, writer, destination, source, original, token)
        expect(writer.position - 11).toBe(23 + destination.length + source.length + token.length)
        const header = new PacketHeader()
        expect(parseHeader(writer.bytes, 11, writer.position, 8, header)).toBe(true)
        expect(header.kind).toBe(PacketKind.Retry)
        const at = header.tokenStart
        expect(toHex(writer.bytes.subarray(at, at + header.tokenLength))).toBe(toHex(token))
        expect(verifyRetry(crypto, writer.bytes, 11, writer.position, original)).toBe(true)
      }),
    )
  })
})
