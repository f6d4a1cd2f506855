import { expect, test } from 'vitest'
import { TargetCache } from '../../src/endpoint/target-cache.ts'
import { EndpointAddr, EndpointTicket, SecretKey } from '../../src/identity/index.ts'

const key = (index: number) => SecretKey.fromBytes(new Uint8Array(32).fill(index + 1))

test('a text that was dialled before is not read again', () => {
  const cache = new TargetCache()
  const text = new EndpointTicket(new EndpointAddr(key(1).id).withIp('192.0.2.1:5')).toString()
  const addr = cache.parse(text)
  expect(addr.ipAddrs.length).toBe(1)
  expect(addr.id.equals(key(1).id)).toBe(true)
  expect(cache.parse(text)).toBe(addr)
  expect(cache.parse(key(2).id.toString()).id.equals(key(2).id)).toBe(true)
})

test('what is no target throws each time', () => {
  const cache = new TargetCache()
  for (let time = 0; time < 2; time++) expect(() => cache.parse('nobody')).toThrow(/id/)
})

test('256 texts are remembered, the oldest goes first', () => {
  const cache = new TargetCache()
  const { id } = key(1)
  const text = (port: number) => new EndpointTicket(new EndpointAddr(id).withIp(`192.0.2.1:${port}`)).toString()
  const [first, second] = [cache.parse(text(1)), cache.parse(text(2))]
  for (let port = 3; port <= 257; port++) cache.parse(text(port))
  expect(cache.parse(text(2))).toBe(second)
  expect(cache.parse(text(1))).not.toBe(first)
})
