/** The forms of MessagePack: the writer's against a slow and obvious twin, the reader's against a table of what Rust reads. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeBase32, sameBytes } from '../../../src/bytes/index.ts'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import { PLAIN_TEST } from '../../../src/envelope/wire/known-keys.ts'
import { PackReader } from '../../../src/envelope/wire/pack-reader.ts'
import { PackWriter } from '../../../src/envelope/wire/pack-writer.ts'
import { hex, toHex } from '../../crypto/hex.ts'
import { ALICE } from './vectors.ts'

/** After the table of spec/envelope.md §1.2, without a care for speed. */
const twin = {
  number: (value: number | bigint, length: number): number[] =>
    Array.from({ length }, (_, index) => Number((BigInt(value) >> BigInt(8 * (length - 1 - index))) & 0xffn)),
  uint(value: number): number[] {
    if (value <= 0x7f) return [value]
    if (value <= 0xff) return [0xcc, value]
    if (value <= 0xffff) return [0xcd, ...this.number(value, 2)]
    if (value <= 0xffff_ffff) return [0xce, ...this.number(value, 4)]
    return [0xcf, ...this.number(value, 8)]
  },
  array(count: number): number[] {
    if (count <= 15) return [0x90 + count]
    return count <= 0xffff ? [0xdc, ...this.number(count, 2)] : [0xdd, ...this.number(count, 4)]
  },
  string(text: string): number[] {
    const utf8 = [...new TextEncoder().encode(text)]
    const { length } = utf8
    if (length <= 31) return [0xa0 + length, ...utf8]
    if (length <= 255) return [0xd9, length, ...utf8]
    return length <= 0xffff ? [0xda, ...this.number(length, 2), ...utf8] : [0xdb, ...this.number(length, 4), ...utf8]
  },
  bytes(data: Uint8Array): number[] {
    return [...this.array(data.length), ...[...data].flatMap((byte) => this.uint(byte))]
  },
  bin(data: Uint8Array): number[] {
    const { length } = data
    if (length <= 0xff) return [0xc4, length, ...data]
    return length <= 0xffff ? [0xc5, ...this.number(length, 2), ...data] : [0xc6, ...this.number(length, 4), ...data]
  },
}

function written(write: (writer: PackWriter) => void): Uint8Array {
  // so small that it must grow
  const writer = new PackWriter(1)
  write(writer)
  expect(sameBytes(writer.view(), writer.finish())).toBe(true)
  return writer.finish()
}

const reading = (text: string | Uint8Array) => new PackReader(typeof text === 'string' ? hex(text) : text, 'MALFORMED')

function codeOf(use: () => unknown): string {
  try {
    use()
  } catch (error) {
    if (error instanceof EnvelopeError) return error.code
    throw error
  }
  return 'none'
}

/** Around each length at which a head grows. */
const LENGTHS = [0, 1, 3, 4, 5, 15, 16, 31, 32, 255, 256, 65_535, 65_536]

describe('ENV-1: what is written', () => {
  const numbers = [0, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER]

  test.each(numbers)('spec/envelope.md §1.2: the integer %d in its shortest form', (value) => {
    const bytes = written((writer) => writer.uint(value))
    expect([...bytes]).toEqual(twin.uint(value))
    expect(reading(bytes).uint()).toBe(value)
  })

  test('what is behind the point is cut; other numbers cannot be written', () => {
    expect(toHex(written((writer) => writer.uint(1_708_000_000_000.75)))).toBe('cf0000018dacbbb800')
    expect(toHex(written((writer) => writer.uint(5.9)))).toBe('05')
    for (const value of [-1, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => new PackWriter().uint(value)).toThrow(RangeError)
  })

  test.each(LENGTHS)('spec/envelope.md §1.2: strings, arrays, bytes and bin of %d', (length) => {
    const data = Uint8Array.from({ length }, (_, index) => index * 89)
    const text = 'a'.repeat(length)
    // sameBytes: toEqual looks at each of them for microseconds
    const isWritten = (write: (writer: PackWriter) => void, expected: number[]) =>
      sameBytes(written(write), Uint8Array.from(expected))
    expect(isWritten((writer) => writer.string(text), twin.string(text))).toBe(true)
    expect(isWritten((writer) => writer.array(length), twin.array(length))).toBe(true)
    expect(isWritten((writer) => writer.bytes(data), twin.bytes(data))).toBe(true)
    expect(isWritten((writer) => writer.bin(data), twin.bin(data))).toBe(true)
    expect(reading(Uint8Array.from(twin.string(text))).string() === text).toBe(true)
    expect(sameBytes(reading(Uint8Array.from(twin.bytes(data))).bytes(), data)).toBe(true)
    expect(sameBytes(reading(Uint8Array.from(twin.bin(data))).bytes(), data)).toBe(true)
  })

  test('ENV-2: any bytes and any text, as the twin writes them, and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.string({ unit: 'grapheme', maxLength: 80 }), (data, text) => {
        const bytes = written((writer) => {
          writer.bytes(data)
          writer.string(text)
          writer.bin(data)
          writer.bytes(data)
        })
        expect([...bytes]).toEqual([...twin.bytes(data), ...twin.string(text), ...twin.bin(data), ...twin.bytes(data)])
        const reader = reading(bytes)
        expect(reader.bytes()).toEqual(data)
        expect(reader.string()).toBe(text)
        expect(reader.bytes()).toEqual(data)
        expect(reader.bytes()).toEqual(data)
        reader.end()
      }),
    )
  })

  test('ENV-3: a float takes nine bytes, a whole one too', () => {
    expect(toHex(written((writer) => writer.float64(2)))).toBe('cb4000000000000000')
    expect(toHex(written((writer) => writer.float64(-0)))).toBe('cb8000000000000000')
  })

  test('spec/envelope.md §1.2: nil, bools, an enum with something in it', () => {
    const bytes = written((writer) => {
      writer.nil()
      writer.bool(true)
      writer.bool(false)
      writer.variant('HubPing')
    })
    expect(toHex(bytes)).toBe('c0c3c281a748756250696e67')
    const reader = reading(bytes)
    expect([reader.isNil(), reader.isNil(), reader.bool(), reader.bool(), reader.variant()]).toEqual([
      true,
      false,
      true,
      false,
      'HubPing',
    ])
  })

  test('spec/envelope.md §1.2: the first character that is not ASCII', () => {
    expect(toHex(written((writer) => writer.string('a\u007f\u0080')))).toBe('a4617fc280')
  })

  test('a lone surrogate is written as U+FFFD, which can be read', () => {
    expect(toHex(written((writer) => writer.string('a\ud800b')))).toBe('a561efbfbd62')
  })

  test('a writer that is used again holds nothing of before', () => {
    const writer = new PackWriter(4)
    writer.bytes(new Uint8Array(100).fill(0xff))
    const first = writer.finish()
    writer.restart()
    writer.uint(7)
    expect(toHex(writer.finish())).toBe('07')
    expect(first.length).toBe(203)
    writer.patch(0, 0x08)
    expect(toHex(writer.view())).toBe('08')
  })
})

describe('spec/envelope.md §1.3: what is read', () => {
  test.each([
    ['00', 0],
    ['7f', 127],
    ['cc05', 5],
    ['ccff', 255],
    ['cd0005', 5],
    ['cdffff', 65_535],
    ['ce00000005', 5],
    ['ceffffffff', 2 ** 32 - 1],
    ['cf0000000000000005', 5],
    ['cf001fffffffffffff', 2 ** 53 - 1],
    ['d005', 5],
    ['d10005', 5],
    ['d200000005', 5],
    ['d30000000000000005', 5],
    ['d3001fffffffffffff', 2 ** 53 - 1],
  ])('the integer %s, in whatever length', (text, value) => {
    const reader = reading(text)
    expect(reader.uint()).toBe(value)
    reader.end()
  })

  test.each([
    ['cf0020000000000000', '2^53'],
    ['cfffffffffffffffff', 'more than a number holds'],
    ['ff', '-1'],
    ['d0ff', '-1 in two bytes'],
    ['d180ff', 'a negative one in three'],
    ['d2ffffffff', 'in five'],
    ['d3ffffffffffffffff', 'in nine'],
    ['d37fffffffffffffff', 'the largest signed one'],
    ['cb4014000000000000', 'a float'],
    ['ca40a00000', 'a short float'],
    ['a135', 'a string'],
    ['c0', 'nil'],
    ['c3', 'a bool'],
    ['c1', 'what is never used'],
    ['', 'nothing'],
  ])('no integer: %s (%s)', (text) => {
    expect(codeOf(() => reading(text).uint())).toBe('MALFORMED')
  })

  test.each([
    ['cb402f000000000000', 15.5],
    ['ca40a00000', 5],
    ['05', 5],
    ['ff', -1],
    ['e0', -32],
    ['d0ff', -1],
    ['cd0100', 256],
  ])('the float %s', (text, value) => {
    expect(reading(text).float()).toBe(value)
  })

  test.each(['cb7ff8000000000000', 'cb7ff0000000000000', 'ca7f800000', 'c0', 'cb40', 'a0'])(
    'W28: no float: %s',
    (text) => {
      expect(codeOf(() => reading(text).float())).toBe('MALFORMED')
    },
  )

  test.each([
    ['93010203', '010203'],
    ['93ccff80', undefined],
    ['93ccff01cc02', 'ff0102'],
    ['9301cd0002ce00000003', '010203'],
    ['9401020304', '01020304'],
    ['94ccff020304', 'ff020304'],
    ['98cc8001cc810203cc82cc8304', '8001810203828304'],
    ['98cd00800102030405060708', undefined],
    ['98cd008001020304050607', '8001020304050607'],
    ['dc0003010203', '010203'],
    ['dd00000003010203', '010203'],
    ['c403010203', '010203'],
    ['c50003010203', '010203'],
    ['c600000003010203', '010203'],
    ['90', ''],
    ['c400', ''],
    ['94cc80cc81cc82cc83', '80818283'],
    ['94cc80cc81cc82cc', undefined],
    ['94cc80cc8102cc', undefined],
    ['9301cd010003', undefined],
    ['93010203ff', undefined],
    ['94ff020304050607', undefined],
    ['9401ff0304050607', undefined],
    ['940102ff04050607', undefined],
    ['94010203ff050607', undefined],
    ['a3010203', undefined],
    ['c70101ff', undefined],
  ])('the bytes %s', (text, expected) => {
    const read = () => {
      const reader = reading(text)
      const bytes = reader.bytes()
      reader.end()
      return toHex(bytes)
    }
    if (expected === undefined) expect(codeOf(read)).toBe('MALFORMED')
    else expect(read()).toBe(expected)
  })

  test('bytes in any mixture of forms', () => {
    const forms = (byte: number) => [
      ...(byte < 0x80 ? [[byte]] : []),
      [0xcc, byte],
      [0xcd, 0, byte],
      [0xce, 0, 0, 0, byte],
      [0xcf, 0, 0, 0, 0, 0, 0, 0, byte],
      [0xd1, 0, byte],
    ]
    const element = fc
      .tuple(fc.nat(255), fc.nat(5))
      .map(([byte, form]) => ({ byte, form: forms(byte)[form] ?? [0xcc, byte] }))
    fc.assert(
      fc.property(fc.array(element, { maxLength: 40 }), fc.uint8Array({ maxLength: 12 }), (elements, rest) => {
        const bytes = Uint8Array.from([
          ...twin.array(elements.length),
          ...elements.flatMap(({ form }) => form),
          ...rest,
        ])
        const reader = reading(bytes)
        expect([...reader.bytes()]).toEqual(elements.map(({ byte }) => byte))
        expect(reader.remaining).toBe(rest.length)
      }),
    )
  })

  test.each([
    ['95', 'an array that is longer than what is there'],
    ['dcffff00', 'one of 16 bits'],
    ['ddffffffff00', 'one of 32 bits'],
    ['c4ff00', 'bin'],
    ['c5ffff00', 'bin of 16 bits'],
    ['c6ffffffff00', 'bin of 32 bits'],
  ])('nothing is made room for that is not there: %s (%s)', (text) => {
    expect(codeOf(() => reading(text).bytes())).toBe('MALFORMED')
  })

  test('an array has as many bytes behind its head as it has elements', () => {
    expect([codeOf(() => reading('91').array()), reading('9100').array(), reading('90').array()]).toEqual([
      'MALFORMED',
      1,
      0,
    ])
  })

  test.each([
    ['a5616263', 'shorter than it says'],
    ['dbffffffff61', 'much shorter'],
    ['a2c3', 'cut'],
    ['a1ff', 'no UTF-8'],
    ['a3eda080', 'a surrogate'],
    ['c40161', 'bin'],
    ['9161', 'an array'],
  ])('no string: %s (%s)', (text) => {
    expect(codeOf(() => reading(text).string())).toBe('MALFORMED')
  })

  test('strings in longer forms; a byte order mark stays', () => {
    expect(['a161', 'd90161', 'da000161', 'db0000000161'].map((text) => reading(text).string())).toEqual(
      Array(4).fill('a'),
    )
    expect(reading('a3efbbbf').string()).toBe('\ufeff')
    expect(codeOf(() => reading('a3616263').string(2))).toBe('MALFORMED')
  })

  test.each([
    ['a120', ' '],
    ['a17e', '~'],
    ['a0', undefined],
    ['a11f', undefined],
    ['a17f', undefined],
    ['a180', undefined],
    ['a2c3a9', undefined],
    [`d941${'61'.repeat(65)}`, undefined],
  ])('ENV-6: the id %s', (text, id) => {
    const read = () => reading(text).id(64, 'INVALID_FIELD')
    if (id === undefined) expect(codeOf(read)).toBe('INVALID_FIELD')
    else expect(read()).toBe(id)
  })

  test('a key in hex or base32, always hex afterwards', () => {
    const base32 = encodeBase32(hex(ALICE))
    for (const text of [ALICE, base32, base32.toUpperCase()])
      expect(reading(Uint8Array.from(twin.string(text))).key(PLAIN_TEST)).toBe(ALICE)
  })

  test.each([
    ['upper case', ALICE.toUpperCase()],
    ['one digit in upper case', `${ALICE.slice(0, 1)}${ALICE.slice(1).replace('a', 'A')}`],
    ['too short', ALICE.slice(2)],
    ['too long', `${ALICE}00`],
    ['no hex', `${ALICE.slice(1)}g`],
    ['a line feed', `${ALICE.slice(1)}\n`],
    ['no point of the curve', `02${'00'.repeat(31)}`],
    ['base32 of another length', 'a'.repeat(51)],
    ['base32 with spare bits', `${'a'.repeat(51)}b`],
    ['a character of three bytes', `${ALICE.slice(3)}€`],
    ['nothing', ''],
  ])('no key: %s', (_what, text) => {
    expect(codeOf(() => reading(Uint8Array.from(twin.string(text))).key(PLAIN_TEST, 'INVALID_KEY'))).toBe('INVALID_KEY')
  })

  test('one of some names: by name only', () => {
    const names = ['Peer', 'Relay'] as const
    expect(reading('a552656c6179').oneOf(names)).toBe('Relay')
    // another name, an index, a map of a name and nil, the same in lower case
    expect(codeOf(() => reading('a46e6f6e65').oneOf(names, 'UNKNOWN_TYPE'))).toBe('UNKNOWN_TYPE')
    for (const text of ['01', '81a552656c6179c0', 'a572656c6179'])
      expect(codeOf(() => reading(text).oneOf(names))).toBe('MALFORMED')
  })

  test('what is left over is an error at the end', () => {
    const reader = reading('0500')
    reader.uint()
    expect(codeOf(() => reader.end())).toBe('MALFORMED')
  })

  test('an error says where, and carries the code of its reader', () => {
    const reader = new PackReader(hex('05a0'), 'UNREADABLE_BODY')
    reader.uint()
    expect(() => reader.bool()).toThrow(/bool.*0xa0.*at byte 2/)
    expect(codeOf(() => new PackReader(hex(''), 'UNREADABLE_BODY').bool())).toBe('UNREADABLE_BODY')
  })
})
