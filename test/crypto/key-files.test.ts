/** The forms that keys and certificates come in: DER, PEM, and the store of the system. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { CryptoError, contextTag, DerError, DerReader, DerTag, decodePem, readDer } from '../../src/crypto/index.ts'
import { systemRootCertificates } from '../../src/crypto/node/index.ts'
import { hex, toHex } from './hex.ts'

describe('X.690: reading DER', () => {
  test('elements, views of the input', () => {
    const input = hex('300a 020105 0500 8003616263')
    const reader = new DerReader(input).sequence()
    expect(reader.nextTag).toBe(DerTag.INTEGER)
    expect(reader.smallInteger()).toBe(5)
    expect(reader.optional(contextTag(0, false))).toBeUndefined()
    reader.null()
    const element = reader.element(contextTag(0, false))
    expect(toHex(element)).toBe('8003616263')
    expect(element.buffer).toBe(input.buffer)
    expect(reader.isEmpty).toBe(true)
    expect(reader.nextTag).toBeUndefined()
    reader.end()
  })

  test('§8.1.3: lengths of one to four octets', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536]) {
      const digits = length < 0x80 ? '' : length.toString(16).padStart(length < 256 ? 2 : length < 65_536 ? 4 : 6, '0')
      const prefix = length < 0x80 ? length.toString(16).padStart(2, '0') : `8${digits.length / 2}${digits}`
      const input = hex(`04${prefix}${'ab'.repeat(length)}`)
      expect(readDer(input, (reader) => reader.contents(DerTag.OCTET_STRING)).length).toBe(length)
    }
  })

  test.each([
    ['2a8648ce3d0201', '1.2.840.10045.2.1'],
    ['2b6570', '1.3.101.112'],
    ['551d11', '2.5.29.17'],
    ['8837', '2.999'],
    ['00', '0.0'],
    ['4f', '1.39'],
    ['50', '2.0'],
  ])('§8.19: object identifier %s', (contents, text) => {
    const input = hex(`06${(contents.length / 2).toString(16).padStart(2, '0')}${contents}`)
    expect(readDer(input, (reader) => reader.objectIdentifier())).toBe(text)
  })

  test('§8.3: integers', () => {
    expect(readDer(hex('02020080'), (reader) => toHex(reader.unsigned()))).toBe('80')
    expect(readDer(hex('020100'), (reader) => toHex(reader.unsigned()))).toBe('')
    expect(readDer(hex('02020080'), (reader) => reader.smallInteger())).toBe(128)
    expect(readDer(hex('02047fffffff'), (reader) => reader.smallInteger())).toBe(2 ** 31 - 1)
    expect(readDer(hex('0201ff'), (reader) => toHex(reader.integer()))).toBe('ff')
  })

  test.each([
    ['nothing', '', (reader: DerReader) => reader.integer()],
    ['another tag', '0401ab', (reader: DerReader) => reader.integer()],
    ['a tag alone', '02', (reader: DerReader) => reader.integer()],
    ['an indefinite length', '30800000', (reader: DerReader) => reader.sequence()],
    ['a length in five octets', '308400000001ab', (reader: DerReader) => reader.sequence()],
    ['half a length', '308201', (reader: DerReader) => reader.sequence()],
    ['a long form of a short length', '30817f', (reader: DerReader) => reader.sequence()],
    ['a leading zero in a length', '30820080', (reader: DerReader) => reader.sequence()],
    ['more than there is', '0403abcd', (reader: DerReader) => reader.contents(DerTag.OCTET_STRING)],
    ['an integer without contents', '0200', (reader: DerReader) => reader.integer()],
    ['a needless zero', '02020001', (reader: DerReader) => reader.integer()],
    ['needless ones', '0202ff80', (reader: DerReader) => reader.integer()],
    ['a negative number', '0201ff', (reader: DerReader) => reader.unsigned()],
    ['a number of 2^31', '02050080000000', (reader: DerReader) => reader.smallInteger()],
    ['a number of 2^32', '02050100000000', (reader: DerReader) => reader.smallInteger()],
    ['unused bits', '030201fe', (reader: DerReader) => reader.bitString()],
    ['a bit string without octets', '0300', (reader: DerReader) => reader.bitString()],
    ['a null with contents', '050100', (reader: DerReader) => reader.null()],
    ['bytes left over', '050000', (reader: DerReader) => reader.null()],
  ])('%s', (_name, input, read) => {
    expect(() => readDer(hex(input), read)).toThrow(DerError)
  })
})

describe('RFC 7468: PEM', () => {
  const block = (label: string, body: string) => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`

  test('blocks of one label among text and others', () => {
    const text = `a file\n${block('CERTIFICATE', 'AQID')}${block('PRIVATE KEY', 'BA==')}\r\n${block('CERTIFICATE', 'BQ\r\nY=')}`
    expect(decodePem(text, 'CERTIFICATE').map(toHex)).toEqual(['010203', '0506'])
    expect(decodePem(text, 'PRIVATE KEY').map(toHex)).toEqual(['04'])
    expect(decodePem(text, 'PUBLIC KEY')).toEqual([])
    expect(decodePem('', 'CERTIFICATE')).toEqual([])
  })

  test.each([
    ['no base64', block('CERTIFICATE', 'A?ID')],
    ['a part of a group', block('CERTIFICATE', 'AQI')],
    ['two labels', '-----BEGIN CERTIFICATE-----\nAQID\n-----END PRIVATE KEY-----'],
  ])('%s', (_name, text) => {
    expect(() => decodePem(text, 'CERTIFICATE')).toThrow(CryptoError)
  })
})

describe('the roots of the system', () => {
  afterEach(() => vi.unstubAllEnvs())

  test('hold Node’s, and the file of NODE_EXTRA_CA_CERTS where Node does not tell by itself', () => {
    vi.stubEnv('NODE_EXTRA_CA_CERTS', '')
    const plain = new Set(systemRootCertificates().map(toHex))
    for (const pem of rootCertificates) expect(plain.has(toHex(decodePem(pem, 'CERTIFICATE')[0]!))).toBe(true)
    const hasOwnList = 'getCACertificates' in process.getBuiltinModule('node:tls')
    if (hasOwnList) return
    expect(plain.size).toBe(rootCertificates.length)
    const folder = mkdtempSync(join(tmpdir(), 'tom-roots-'))
    try {
      const file = join(folder, 'extra.pem')
      writeFileSync(file, `-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n${rootCertificates[0]}`)
      vi.stubEnv('NODE_EXTRA_CA_CERTS', file)
      const more = systemRootCertificates().map(toHex)
      expect(more.length).toBe(plain.size + 1)
      expect(more).toContain('010203')
      writeFileSync(file, '-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----')
      expect(systemRootCertificates().length).toBe(plain.size)
      vi.stubEnv('NODE_EXTRA_CA_CERTS', join(folder, 'absent.pem'))
      expect(systemRootCertificates().length).toBe(plain.size)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
