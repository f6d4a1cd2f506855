/** Ids, keys and tickets against a real iroh (npm `@number0/iroh`), in both directions. Nothing here touches the network. */
import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeBase32, encodeHex, formatSocketAddress } from '../../src/bytes/index.ts'
import { EndpointAddr, EndpointId, EndpointTicket, SecretKey } from '../../src/identity/index.ts'
import { anyIpAddr, anyTicketAddr } from '../identity/arbitraries.ts'
import { EXAMPLE_BASE32, EXAMPLE_ID, EXAMPLE_KEY, EXAMPLE_Z32, TICKET_EXAMPLES } from '../identity/examples.ts'

const iroh = createRequire(import.meta.url)('@number0/iroh') as typeof import('@number0/iroh')

function refuses(action: () => unknown): boolean {
  try {
    action()
    return false
  } catch {
    return true
  }
}

describe('keys and ids', () => {
  test('endpoint.md §1.1: any seed has the same id on both sides', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (seed) => {
        const ours = SecretKey.fromBytes(seed)
        const theirs = iroh.SecretKey.fromBytes([...seed])
        expect(String(theirs.public())).toBe(String(ours.id))
        expect(theirs.public().fmtShort()).toBe(ours.id.toShortString())
      }),
      { numRuns: 20 },
    )
  })

  test.each([
    EXAMPLE_ID,
    EXAMPLE_ID.toUpperCase(),
    EXAMPLE_BASE32,
    EXAMPLE_BASE32.toUpperCase(),
    EXAMPLE_Z32,
    `${EXAMPLE_BASE32.slice(0, -1)}b`,
    `${EXAMPLE_BASE32}====`,
    ` ${EXAMPLE_ID}`,
    EXAMPLE_ID.slice(2),
    '02'.padEnd(64, '0'),
    '01'.padEnd(64, '0'),
    '0'.repeat(64),
    'f'.repeat(64),
    `ee${'f'.repeat(60)}7f`,
    '',
  ])('endpoint.md §1.1: both parsers agree on %j', (text) => {
    const theirs = refuses(() => iroh.EndpointId.fromString(text))
    expect(refuses(() => EndpointId.parse(text))).toBe(theirs)
    if (!theirs) expect(String(EndpointId.parse(text))).toBe(String(iroh.EndpointId.fromString(text)))
  })

  test('endpoint.md §1.1: both agree on which 32 bytes are a point', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      // around the field's prime: non-canonical encodings
      fc.tuple(fc.nat(255), fc.constantFrom(0x7f, 0xff)).map(([low, high]) => {
        const edge = new Uint8Array(32).fill(0xff)
        edge[0] = low
        edge[31] = high
        return edge
      }),
    )
    fc.assert(
      fc.property(bytes, (candidate) => {
        const theirs = refuses(() => iroh.EndpointId.fromBytes([...candidate]))
        expect([encodeHex(candidate), refuses(() => EndpointId.fromBytes(candidate))]).toEqual([
          encodeHex(candidate),
          theirs,
        ])
      }),
      { numRuns: 60 },
    )
  })
})

describe('tickets', () => {
  test.each(TICKET_EXAMPLES)('endpoint.md §1.4: $name has the same text on both sides', (example) => {
    const id = iroh.EndpointId.fromString(EXAMPLE_ID)
    const theirs = iroh.EndpointTicket.fromAddr(new iroh.EndpointAddr(id, example.relays[0], [...example.ips]))
    const ours = EndpointTicket.parse(String(theirs))
    expect(encodeHex(ours.toBytes())).toBe(example.hex)
    expect(String(ours)).toBe(String(theirs))
  })

  test('endpoint.md §1.3: ours are read by iroh, and come back unchanged', () => {
    fc.assert(
      fc.property(anyTicketAddr, (addr) => {
        const text = String(new EndpointTicket(addr))
        const theirs = iroh.EndpointTicket.fromString(text)
        expect(String(theirs)).toBe(text)
        expect(String(theirs.endpointAddr().id())).toBe(String(addr.id))
        expect(theirs.endpointAddr().directAddresses()).toEqual(addr.ipAddrs.map(formatSocketAddress))
        // of several relays the binding shows one
        const shown = theirs.endpointAddr().relayUrl()
        expect(addr.relayUrls.length === 0 ? [null] : addr.relayUrls.map(String)).toContain(shown)
      }),
    )
  })

  test('endpoint.md §1.3: iroh’s are read by us', () => {
    const id = iroh.EndpointId.fromString(EXAMPLE_ID)
    const relay = fc.option(fc.webUrl({ validSchemes: ['http', 'https'] }), { nil: undefined })
    fc.assert(
      fc.property(relay, fc.array(anyIpAddr, { maxLength: 6 }), (url, ips) => {
        const addr = new EndpointAddr(EXAMPLE_KEY.id, ips)
        const expected = url === undefined ? addr : addr.withRelay(url)
        const theirs = new iroh.EndpointAddr(id, url, addr.ipAddrs.map(formatSocketAddress))
        const text = String(iroh.EndpointTicket.fromAddr(theirs))
        expect(EndpointTicket.parse(text).addr.toJSON()).toEqual(expected.toJSON())
      }),
    )
  })

  const good = TICKET_EXAMPLES[1]!.text!
  test.each([
    good,
    `endpoint${good.slice(8).toUpperCase()}`,
    good.replace('endpoint', 'Endpoint'),
    good.replace('endpoint', 'node'),
    good.slice(8),
    `${good}=`,
    `${good} `,
    good.replace(/.$/, 'r'),
    good.slice(0, -10),
    'endpoint',
    '',
  ])('endpoint.md §1.4: both agree on %j', (text) => {
    expect(refuses(() => EndpointTicket.parse(text))).toBe(refuses(() => iroh.EndpointTicket.fromString(text)))
  })

  test('endpoint.md §1.4: both agree on tickets with broken or unusual structure', () => {
    const whole = EndpointTicket.parse(good).toBytes()
    // custom addresses (kind 2) differ between iroh versions and are left out
    const change = fc.tuple(fc.nat(whole.length), fc.uint8Array({ maxLength: 3 }), fc.nat(3))
    fc.assert(
      fc.property(change, ([at, inserted, removed]) => {
        const bytes = Uint8Array.from([...whole.subarray(0, at), ...inserted, ...whole.subarray(at + removed)])
        const text = `endpoint${encodeBase32(bytes)}`
        let ours: EndpointTicket | undefined
        try {
          ours = EndpointTicket.parse(text)
        } catch (error) {
          if (String(error).includes('custom')) return
        }
        if (ours?.addr.addrs.some((addr) => addr.kind === 'custom')) return
        expect([encodeHex(bytes), ours === undefined]).toEqual([
          encodeHex(bytes),
          refuses(() => iroh.EndpointTicket.fromString(text)),
        ])
        if (ours !== undefined) {
          const theirs = iroh.EndpointTicket.fromString(text).endpointAddr()
          expect(String(theirs.id())).toBe(String(ours.addr.id))
        }
      }),
      { numRuns: 300 },
    )
  })
})
