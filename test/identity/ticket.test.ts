import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase32, decodeHex, encodeBase32, encodeHex } from '../../src/bytes/index.ts'
import {
  customAddr,
  EndpointAddr,
  EndpointTicket,
  formatTransportAddr,
  IdentityError,
  parseTarget,
} from '../../src/identity/index.ts'
import { anyTicketAddr } from './arbitraries.ts'
import { EXAMPLE_BASE32, EXAMPLE_ID, EXAMPLE_KEY, TICKET_EXAMPLES, type TicketExample } from './examples.ts'

function addrOf(example: TicketExample): EndpointAddr {
  let addr = new EndpointAddr(EXAMPLE_KEY.id)
  for (const ip of example.ips) addr = addr.withIp(ip)
  for (const relay of example.relays) addr = addr.withRelay(relay)
  return addr
}

/** A ticket of the example key with these bytes (hex) where the addresses are. */
function ticketHex(addrs: string): string {
  return `00${EXAMPLE_ID}${addrs}`
}

function textOf(hex: string): string {
  return `endpoint${encodeBase32(decodeHex(hex))}`
}

function failure(action: () => unknown): IdentityError {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(IdentityError)
    expect((error as IdentityError).message).not.toContain('\n')
    return error as IdentityError
  }
  throw new Error('expected an error')
}

describe('EndpointTicket', () => {
  test.each(TICKET_EXAMPLES)('endpoint.md §1.3, §1.4: $name, both ways', (example) => {
    const ticket = new EndpointTicket(addrOf(example))
    expect(encodeHex(ticket.toBytes())).toBe(example.hex)
    expect(EndpointTicket.fromBytes(decodeHex(example.hex)).equals(ticket)).toBe(true)
    const text = example.text ?? textOf(example.hex)
    expect(String(ticket)).toBe(text)
    expect(JSON.parse(JSON.stringify({ ticket }))).toEqual({ ticket: text })
    expect(EndpointTicket.parse(text).equals(ticket)).toBe(true)
  })

  test('endpoint.md §1.3: the vector of iroh-tickets', () => {
    const id = 'ae58ff8833241ac82d6ff7611046ed67b5072d142c588d0063e942d9a75502b6'
    const hex = `00${id}020010687474703a2f2f646572702e6d652e2f01007f0000018008`
    const { addr } = EndpointTicket.fromBytes(decodeHex(hex))
    expect(addr.addrs.map(formatTransportAddr)).toEqual(['relay:http://derp.me./', 'ip:127.0.0.1:1024'])
    expect(encodeHex(new EndpointTicket(addr).toBytes())).toBe(hex)
  })

  test('every address comes back', () => {
    fc.assert(
      fc.property(anyTicketAddr, (addr) => {
        const ticket = new EndpointTicket(addr)
        expect(EndpointTicket.parse(String(ticket)).addr.equals(addr)).toBe(true)
        expect(EndpointTicket.fromBytes(ticket.toBytes()).addr.equals(addr)).toBe(true)
      }),
    )
  })

  describe('endpoint.md §1.4: text', () => {
    const text = textOf(ticketHex('00'))

    test('the body is read in any case', () => {
      expect(String(EndpointTicket.parse(`endpoint${text.slice(8).toUpperCase()}`))).toBe(text)
    })

    test.each([
      ['an upper-case prefix', text.replace('endpoint', 'Endpoint')],
      ['no prefix', text.slice(8)],
      ['a ticket of iroh before 1.0', text.replace('endpoint', 'node')],
      ['padding', `${text}=`],
      ['a space', `${text} `],
      ['a space in front', ` ${text}`],
      ['non-zero trailing bits', `${text.slice(0, -1)}b`],
      ['a foreign character', text.replace('a', '1')],
      ['nothing after the prefix', 'endpoint'],
      ['empty text', ''],
    ])('refuses %s', (_name, bad) => {
      expect(failure(() => EndpointTicket.parse(bad)).code).toBe('INVALID_TICKET')
    })

    test('says what became of old tickets', () => {
      expect(failure(() => EndpointTicket.parse('nodeabc')).message).toContain('before 1.0')
    })
  })

  describe('endpoint.md §1.4: structure', () => {
    test('trailing bytes are dropped', () => {
      const ticket = EndpointTicket.fromBytes(decodeHex(ticketHex('0001020304')))
      expect(encodeHex(ticket.toBytes())).toBe(ticketHex('00'))
    })

    test('addresses in any order, and twice, are accepted; encoding sorts them', () => {
      const v6 = '0101200100000000000000000000000000010a'
      const ticket = EndpointTicket.fromBytes(
        decodeHex(ticketHex(`04${v6}01000a00000950${v6}000a687474703a2f2f612e62`)),
      )
      expect(ticket.addr.addrs.map(formatTransportAddr)).toEqual([
        'relay:http://a.b/',
        'ip:10.0.0.9:80',
        'ip:[2001::1]:10',
      ])
    })

    test.each([
      ['an unknown format', `01${EXAMPLE_ID}00`],
      ['no format', ''],
      ['a cut id', `00${EXAMPLE_ID.slice(2)}`],
      ['an id that is no point', `00${'02'.padEnd(64, '0')}00`],
      ['no address count', `00${EXAMPLE_ID}`],
      ['fewer addresses than announced', ticketHex('0201000a00000950')],
      ['an absurd count', ticketHex('ffffffffffffff0f')],
      ['an unknown kind of address', ticketHex('0103')],
      ['an unknown address family', ticketHex('0101020a00000950')],
      ['a port beyond 65535', ticketHex('0101000a000009ffff04')],
      ['a URL that is none', ticketHex('010003612e62')],
      ['a URL that is no UTF-8', ticketHex('010001ff')],
      ['a URL longer than the input', ticketHex('0100ff01')],
      ['one bad address among good ones', ticketHex('0201000a000009500000')],
    ])('%s fails the whole ticket', (_name, hex) => {
      expect(failure(() => EndpointTicket.fromBytes(decodeHex(hex))).code).toBe('INVALID_TICKET')
    })

    test('any prefix of a ticket fails, and no bytes cause another error', () => {
      const whole = decodeHex(TICKET_EXAMPLES[2]!.hex)
      for (let length = 0; length < whole.length; length++) {
        expect(failure(() => EndpointTicket.fromBytes(whole.subarray(0, length))).code).toBe('INVALID_TICKET')
      }
      const noise = fc.tuple(fc.uint8Array({ maxLength: 60 }), fc.nat(whole.length)).map(([bytes, at]) => {
        const mixed = Uint8Array.from([...whole.subarray(0, at), ...bytes])
        return mixed
      })
      fc.assert(
        fc.property(noise, (bytes) => {
          try {
            EndpointTicket.fromBytes(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(IdentityError)
          }
        }),
      )
    })
  })

  describe('endpoint.md §1.5: custom addresses', () => {
    test('are never written', () => {
      const addr = new EndpointAddr(EXAMPLE_KEY.id).withIp('10.0.0.9:80')
      const custom = addr.withAddrs([customAddr(7n, Uint8Array.of(1, 2))])
      expect(encodeHex(new EndpointTicket(custom).toBytes())).toBe(encodeHex(new EndpointTicket(addr).toBytes()))
    })

    test('are read in the current form', () => {
      const { addr } = EndpointTicket.fromBytes(decodeHex(ticketHex(`0202070201020101${'00'.repeat(15)}0150`)))
      expect(addr.addrs.map(formatTransportAddr)).toEqual(['ip:[::1]:80', 'custom:7_0102'])
    })

    test.each([
      ['short, then an IP', `0202070002${'0102'.padEnd(60, '0')}01000a00000950`],
      ['short, alone', `0102070002${'0102'.padEnd(60, '0')}`],
      ['empty', `0102070000${'0'.repeat(60)}`],
      ['long', `010207011f${'ab'.repeat(31)}`],
    ])('in the form of iroh 1.0.3 and older fail with a message that says so: %s', (_name, addrs) => {
      expect(failure(() => EndpointTicket.fromBytes(decodeHex(ticketHex(addrs)))).message).toContain('1.0.3')
    })
  })
})

describe('parseTarget', () => {
  test.each(TICKET_EXAMPLES)('takes a ticket: $name', (example) => {
    const addr = addrOf(example)
    expect(parseTarget(String(new EndpointTicket(addr))).equals(addr)).toBe(true)
  })

  test.each([EXAMPLE_ID, EXAMPLE_BASE32, EXAMPLE_BASE32.toUpperCase(), `  ${EXAMPLE_ID}\n`])(
    'takes an id: %j',
    (text) => {
      const addr = parseTarget(text)
      expect(String(addr.id)).toBe(EXAMPLE_ID)
      expect(addr.isEmpty).toBe(true)
    },
  )

  test('an id in base32 that begins like a ticket is an id', () => {
    const text = `endpoint${'a'.repeat(44)}`
    expect(decodeBase32(text).length).toBe(32)
    // it may be no point of the curve; what matters is who judges it
    try {
      expect(parseTarget(text).id.toBase32()).toBe(text)
    } catch (error) {
      expect((error as IdentityError).code).toBe('INVALID_ID')
    }
  })

  test.each([
    ['', 'INVALID_TARGET'],
    ['hello', 'INVALID_TARGET'],
    ['203.0.113.7:4433', 'INVALID_TARGET'],
    ['nodeaaaaaaaaaaaaaaaaaaaa', 'INVALID_TICKET'],
    ['endpoint', 'INVALID_TICKET'],
    ['endpoint!', 'INVALID_TICKET'],
    [EXAMPLE_ID.toUpperCase(), 'INVALID_ID'],
    ['z'.repeat(64), 'INVALID_ID'],
  ])('refuses %j with %s', (text, code) => {
    expect(failure(() => parseTarget(text)).code).toBe(code)
  })
})
