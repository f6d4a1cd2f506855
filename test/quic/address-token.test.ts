import { expect, test } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { AddressTokens } from '../../src/quic/address-token.ts'
import { SeededRandom } from './connection/pair.ts'

const at = (host: number, port: number) => ({ ip: Uint8Array.of(10, 0, 0, host), port })
const id = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)
const make = (seed = 3) => new AddressTokens(createNodeCrypto(), new SeededRandom(seed))

test('RFC 9000 §8.1.2: a Retry token comes back from the same address and port within 15 s', () => {
  const tokens = make()
  const token = tokens.forRetry(at(1, 500), id, 1_000)
  expect(tokens.check(token, at(1, 500), 16_000)).toEqual({ kind: 'retry', originalDestinationId: id })
  expect(tokens.check(token, at(1, 500), 16_001)).toEqual({ kind: 'invalid' })
  expect(tokens.check(token, at(1, 501), 2_000)).toEqual({ kind: 'invalid' })
  expect(tokens.check(token, at(2, 500), 2_000)).toEqual({ kind: 'invalid' })
  expect(tokens.check(token, undefined, 2_000)).toEqual({ kind: 'invalid' })
})

test('RFC 9000 §8.1.3: a NEW_TOKEN token comes back from the same host within a day; else it is none', () => {
  const tokens = make()
  const token = tokens.forLater(at(1, 500), 0)
  expect(tokens.check(token, at(1, 999), 86_400_000)).toEqual({ kind: 'new-token' })
  expect(tokens.check(token, at(1, 500), 86_400_001)).toEqual({ kind: 'unknown' })
  expect(tokens.check(token, at(2, 500), 1)).toEqual({ kind: 'unknown' })
})

test('RFC 9000 §8.1.4: no token is like another, none shows what is in it, and none can be changed', () => {
  const tokens = make()
  const one = tokens.forRetry(at(1, 500), id, 0)
  const two = tokens.forRetry(at(1, 500), id, 0)
  expect(one).not.toEqual(two)
  expect(Buffer.from(one).includes(Buffer.from(id))).toBe(false)
  for (let index = 0; index < one.length; index++) {
    const changed = one.slice()
    changed[index] = changed[index]! ^ 0x10
    expect(tokens.check(changed, at(1, 500), 0)).toEqual({ kind: 'unknown' })
  }
  for (let length = 0; length < one.length; length++)
    expect(tokens.check(one.slice(0, length), at(1, 500), 0)).toEqual({ kind: 'unknown' })
})

test('RFC 9000 §8.1.4: a token of another engine is none', () => {
  expect(make(4).check(make(8).forRetry(at(1, 500), id, 0), at(1, 500), 0)).toEqual({ kind: 'unknown' })
})

test('a token is left as it was by checking it, and its key can be freed', () => {
  const crypto = createNodeCrypto()
  const tokens = new AddressTokens(crypto, new SeededRandom(3))
  const token = tokens.forLater(undefined, 5)
  const before = token.slice()
  expect(tokens.check(token, undefined, 5)).toEqual({ kind: 'new-token' })
  expect(token).toEqual(before)
  tokens.free()
  expect(crypto.liveKeys).toBe(0)
})
