import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { EnvelopeError } from '../../../src/envelope/errors.ts'
import type { SignatureState } from '../../../src/envelope/v1/v1-envelope.ts'
import { readV1 } from '../../../src/envelope/v1/v1-reader.ts'
import { ALICE, BOB, CRYPTO, H_V1, SIGNED, signText } from './support.ts'

const HOP = 'ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1'
const stateOf = (text: string): SignatureState => readV1(text, CRYPTO).signatureState
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function refusal(input: Uint8Array | string): string {
  try {
    readV1(input, CRYPTO)
  } catch (error) {
    if (error instanceof EnvelopeError) return error.code
    throw error
  }
  return 'none'
}

test('V1-1: vector H_v1 is valid, as bytes and as text, by both providers; its text is kept', () => {
  for (const crypto of [CRYPTO, createPortableCrypto({ kernel: false })]) {
    for (const input of [SIGNED, bytes(SIGNED)]) {
      expect(readV1(input, crypto)).toEqual({
        envelope: {
          id: '00000000-0000-4000-8000-000000000001',
          from: ALICE,
          to: BOB,
          via: [],
          type: 'chat',
          payload: { text: 'hello' },
          timestamp: 1_708_000_000_000,
          signature: H_V1.signature,
        },
        signatureState: 'valid',
        text: SIGNED,
      })
    }
  }
})

test('V1-1: without a signature it is absent, and read all the same', () => {
  expect(stateOf(H_V1.text)).toBe('absent')
  expect(stateOf(H_V1.text.replace(',"signature":""', ''))).toBe('absent')
  expect(stateOf(H_V1.text.replace('""', 'null'))).toBe('absent')
})

test.each([
  ['id', '"00000000-0000-4000-8000-000000000002"'],
  ['from', `"${BOB}"`],
  ['to', `"${ALICE}"`],
  ['via', `["${HOP}"]`],
  ['type', '"app"'],
  ['payload', '{"text":"hellp"}'],
  ['timestamp', '1708000000001'],
  ['signature', `"${H_V1.signature.replace('e3', 'e4')}"`],
  ['signature', '"deadbeef"'],
  ['signature', `"${'zz'.repeat(64)}"`],
])('V1-1: %s that is another makes it invalid', (name, value) => {
  const changed = SIGNED.replace(new RegExp(`("${name}":)("[^"]*"|\\[\\]|\\{[^}]*\\}|\\d+)`), `$1${value}`)
  expect(changed).not.toBe(SIGNED)
  // a hop that was put in later is looked past: via is filled in after signing
  expect(stateOf(changed)).toBe(name === 'via' ? 'valid' : 'invalid')
})

test('spec/envelope.md §1.5: a small-order key signs nothing, a mixed-order key neither', () => {
  const forged = (key: string, signature: string): SignatureState =>
    stateOf(H_V1.text.replace(ALICE, key).replace('"signature":""', `"signature":"${signature}"`))
  expect(forged(`01${'00'.repeat(31)}`, `01${'00'.repeat(63)}`)).toBe('invalid')
  expect(
    forged(
      '56b408aa732d2b51460ece91d25893af2340474699b8b8a4572b83df35545d3d',
      '72e6529f8c273f1fc66688cf15ab63195702c173034b6346c210131b799791274e1fad04c7f0d84d1f4009614f2390d6b7417b191e16276161cc829e17026505',
    ),
  ).toBe('invalid')
})

test('spec/envelope.md §2.2: what is added after signing does not count, wherever it stands', () => {
  const late = `"hopTimestamps":[1708000000100, 2],"routeType":"relay"`
  expect(stateOf(SIGNED.replace(/\}$/, `,${late}}`))).toBe('valid')
  expect(stateOf(SIGNED.replace('{"id"', `{${late},"id"`))).toBe('valid')
  expect(stateOf(SIGNED.replace(/\}$/, ',"other":1}'))).toBe('invalid')
})

test('spec/envelope.md §2.2: hops that were put in after signing, and hops that were signed', () => {
  expect(stateOf(SIGNED.replace('"via":[]', `"via":["${HOP}"]`))).toBe('valid')
  const withHop = signText(H_V1.text.replace('"via":[]', `"via":["${HOP}"]`))
  expect(stateOf(withHop)).toBe('valid')
  // signed with a hop, which a direct way took out again: who knows
  const direct = withHop.replace(`["${HOP}"]`, '[]')
  expect(stateOf(direct)).toBe('invalid')
  expect(stateOf(direct.replace(/\}$/, ',"routeType":"direct"}'))).toBe('unverifiable')
})

test('spec/envelope.md §2.2: the signed text is that of JSON.stringify, in the order received or that of creation', () => {
  const reordered = JSON.stringify(
    Object.fromEntries(Object.entries(JSON.parse(SIGNED) as object).sort(([left], [right]) => (left < right ? -1 : 1))),
  )
  expect(reordered.startsWith('{"from"')).toBe(true)
  expect(stateOf(reordered)).toBe('valid')
  expect(stateOf(JSON.stringify(JSON.parse(SIGNED), null, 2))).toBe('valid')
  const accents = signText(H_V1.text.replace('hello', 'é \\"quoted\\" \\u0001 \\\\ / 🎉'))
  expect(stateOf(accents)).toBe('valid')
  expect(stateOf(accents.replace('é', '\\u00e9').replace('/', '\\/').replace('🎉', '\\ud83c\\udf89'))).toBe('valid')
  expect(stateOf(accents.replace('1708000000000', '1.708e12'))).toBe('valid')
  // one who wrote it another way and signed that
  expect(stateOf(signText(H_V1.text.replace('hello', '\\u00e9').replace('1708000000000', '1708000000000.0')))).toBe(
    'valid',
  )
  expect(stateOf(signText(H_V1.text.replace('{"id"', '{"routeTypes":"x","id"')))).toBe('valid')
})

test('spec/envelope.md §2.2: names that are numbers verify from the raw text; sorted by an engine, nobody can tell', () => {
  const signed = signText(H_V1.text.replace('{"text":"hello"}', '{"b":1,"10":2,"9":3}'))
  expect(stateOf(signed)).toBe('valid')
  const passedOn = JSON.stringify(JSON.parse(signed))
  expect(passedOn).toContain('{"9":3,"10":2,"b":1}')
  expect(stateOf(passedOn)).toBe('unverifiable')
  // the same words inside a text are none
  expect(stateOf(signText(H_V1.text).replace('hello', ',\\"9\\":'))).toBe('invalid')
})

test('spec/envelope.md §1.3: a from that is no point of the curve can sign nothing', () => {
  expect(stateOf(SIGNED.replace(ALICE, `02${'00'.repeat(31)}`))).toBe('unverifiable')
})

test.each([
  ['nothing', '', 'MALFORMED'],
  ['no JSON', '{"id":', 'MALFORMED'],
  ['a list', '[1]', 'MALFORMED'],
  ['null', 'null', 'MALFORMED'],
  ['a member twice', SIGNED.replace('{"id"', '{"type":"app","id"'), 'MALFORMED'],
  ['bytes that are not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d), 'MALFORMED'],
  ['a byte order mark', `\ufeff${SIGNED}`, 'MALFORMED'],
  ['65 brackets', H_V1.text.replace('"hello"', `${'['.repeat(63)}${']'.repeat(63)}`), 'MALFORMED'],
  ['brackets without end', '['.repeat(1_000_000), 'MALFORMED'],
  ['65 members', `{${Array.from({ length: 65 }, (_, index) => `"m${index}":1`).join()}}`, 'MALFORMED'],
  ['more than a MiB', `"${'x'.repeat(1_048_576)}"`, 'TOO_LARGE'],
  ['more than a MiB in UTF-8', `"${'€'.repeat(349_526)}"`, 'TOO_LARGE'],
  ['more than a MiB of bytes', new Uint8Array(1_048_577), 'TOO_LARGE'],
  ['no id', H_V1.text.replace('"id"', '"ID"'), 'INVALID_FIELD'],
  ['an empty id', H_V1.text.replace(/"id":"[^"]*"/, '"id":""'), 'INVALID_FIELD'],
  ['an id of 129 characters', H_V1.text.replace(/"id":"[^"]*"/, `"id":"${'x'.repeat(129)}"`), 'INVALID_FIELD'],
  ['an id with a line break', H_V1.text.replace(/"id":"[^"]*"/, '"id":"a\\nb"'), 'INVALID_FIELD'],
  ['an upper-case from', H_V1.text.replace(ALICE, ALICE.toUpperCase()), 'INVALID_KEY'],
  ['a from that is a number', H_V1.text.replace(`"${ALICE}"`, '7'), 'INVALID_KEY'],
  ['a short to', H_V1.text.replace(BOB, 'bob'), 'INVALID_KEY'],
  ['no via', H_V1.text.replace('"via":[],', ''), 'INVALID_FIELD'],
  ['five hops', H_V1.text.replace('[]', JSON.stringify(Array(5).fill(HOP))), 'INVALID_FIELD'],
  ['a hop that is no key', H_V1.text.replace('[]', '[""]'), 'INVALID_FIELD'],
  ['a type of 65 characters', H_V1.text.replace('"chat"', `"${'x'.repeat(65)}"`), 'INVALID_FIELD'],
  ['a timestamp with a fraction', H_V1.text.replace('1708000000000', '1.5'), 'INVALID_FIELD'],
  ['a timestamp beyond 2^53', H_V1.text.replace('1708000000000', '9007199254740993'), 'INVALID_FIELD'],
  ['a negative timestamp', H_V1.text.replace('1708000000000', '-1'), 'INVALID_FIELD'],
  ['a signature that is a number', H_V1.text.replace('""', '7'), 'INVALID_FIELD'],
])('ENV-6: %s is refused', (_name, input, code) => {
  expect(refusal(input)).toBe(code)
})

test('ENV-6: the bounds themselves are taken; to may be empty, a payload missing or deep', () => {
  expect(refusal(H_V1.text.replace('"hello"', `${'['.repeat(62)}${']'.repeat(62)}`))).toBe('none')
  expect(refusal(H_V1.text.replace('[]', JSON.stringify(Array(4).fill(HOP))))).toBe('none')
  expect(readV1(H_V1.text.replace(BOB, ''), CRYPTO).envelope.to).toBe('')
  expect(readV1(H_V1.text.replace('"payload":{"text":"hello"},', ''), CRYPTO).envelope.payload).toBe(undefined)
})

test('whatever is in it, an error is typed and the signature of a foreign text never valid', () => {
  fc.assert(
    fc.property(fc.json(), fc.nat({ max: H_V1.text.length }), fc.string({ maxLength: 4 }), (json, at, noise) => {
      refusal(json)
      const spoiled = SIGNED.slice(0, at) + noise + SIGNED.slice(at)
      if (refusal(spoiled) === 'none' && JSON.stringify(JSON.parse(spoiled)) !== SIGNED)
        expect(stateOf(spoiled)).not.toBe('valid')
    }),
    { numRuns: 200 },
  )
})

test('whatever JSON.stringify wrote and was signed is valid, with white space between too', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (payload) => {
      const text = JSON.stringify({ ...JSON.parse(H_V1.text), payload })
      const signed = signText(text)
      expect(stateOf(signed)).toBe('valid')
      expect(stateOf(JSON.stringify(JSON.parse(signed), null, 1))).toBe('valid')
    }),
    { numRuns: 100 },
  )
})
