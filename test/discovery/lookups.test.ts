import { expect, test } from 'vitest'
import { AddressLookups, type LookupAnswer } from '../../src/discovery/index.ts'
import { EndpointAddr, SecretKey } from '../../src/identity/index.ts'

const { id } = SecretKey.fromBytes(new Uint8Array(32).fill(1))
const empty = new EndpointAddr(id)
const at = (port: number): EndpointAddr => empty.withIp(`192.0.2.1:${port}`)
const ports = (addr: EndpointAddr): number[] => addr.ipAddrs.map(({ port }) => port)

function lookupsWith(...answers: (() => LookupAnswer | Promise<LookupAnswer>)[]): AddressLookups {
  const lookups = new AddressLookups()
  for (const answer of answers) lookups.add({ lookup: answer })
  return lookups
}

test('what is known is joined at once, and nobody is waited for', () => {
  const never = new Promise<LookupAnswer>(() => {})
  const lookups = lookupsWith(
    () => at(2),
    () => never,
    () => undefined,
    () => at(3),
  )
  const addr = lookups.resolve(at(1), undefined)
  expect(addr instanceof EndpointAddr && ports(addr)).toEqual([1, 2, 3])
})

test('where nothing is known the first answer with an address decides', async () => {
  const lookups = lookupsWith(
    async () => undefined,
    async () => empty,
    () => Promise.reject(new Error('no network')),
    async () => at(7),
  )
  expect(ports(await lookups.resolve(empty, undefined))).toEqual([7])
})

test('where nobody knows anything the address stays empty', async () => {
  const lookups = lookupsWith(
    async () => undefined,
    () => Promise.reject(new Error('no network')),
  )
  expect((await lookups.resolve(empty, undefined)).isEmpty).toBe(true)
})

test('a lookup that throws, and one that fails while others know, harm nobody', async () => {
  const lookups = lookupsWith(
    () => {
      throw new Error('broken')
    },
    () => Promise.reject(new Error('no network')),
    () => at(4),
  )
  expect(ports(await lookups.resolve(empty, undefined))).toEqual([4])
})

test('a lookup is asked once, however often it was added, and not once it was removed', () => {
  let asked = 0
  const lookup = {
    lookup: () => {
      asked++
      return at(5)
    },
  }
  const lookups = lookupsWith()
  lookups.add(lookup)
  lookups.add(lookup)
  lookups.resolve(empty, undefined)
  expect(asked).toBe(1)
  lookups.remove(lookup)
  lookups.remove(lookup)
  expect(lookups.resolve(empty, undefined)).toBe(empty)
  expect(asked).toBe(1)
})
