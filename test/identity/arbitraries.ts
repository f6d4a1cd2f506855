/** Random addresses for property tests. */
import fc from 'fast-check'
import { customAddr, EndpointAddr, ipAddr, relayAddr, SecretKey } from '../../src/identity/index.ts'

const anyRelayAddr = fc.webUrl({ validSchemes: ['http', 'https'], withFragments: true }).map((url) => relayAddr(url))

export const anyIpAddr = fc
  .tuple(
    fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
    fc.nat(65535),
  )
  .map(([ip, port]) => ipAddr({ ip, port }))

const anyCustomAddr = fc
  .tuple(fc.bigInt(0n, 2n ** 64n - 1n), fc.uint8Array({ maxLength: 40 }))
  .map(([id, data]) => customAddr(id, data))

export const anyTransportAddr = fc.oneof(anyRelayAddr, anyIpAddr, anyCustomAddr)

const IDS = Array.from({ length: 8 }, (_, index) => SecretKey.fromBytes(new Uint8Array(32).fill(index)).id)

/** What a ticket can carry. */
export const anyTicketAddr = fc
  .tuple(fc.constantFrom(...IDS), fc.array(fc.oneof(anyRelayAddr, anyIpAddr), { maxLength: 8 }))
  .map(([id, addrs]) => new EndpointAddr(id, addrs))
