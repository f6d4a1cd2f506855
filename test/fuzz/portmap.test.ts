import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeHex, encodeUtf8 } from '../../src/bytes/index.ts'
import { isPublicIpv4 } from '../../src/holepunch/portmap/ip-scope.ts'
import {
  decodeNatPmpAddress,
  decodeNatPmpMap,
  encodeNatPmpMap,
  isNatPmpOnly,
} from '../../src/holepunch/portmap/nat-pmp.ts'
import { decodePcp, encodePcpMap } from '../../src/holepunch/portmap/pcp.ts'
import { PortMapper, type PortMapping } from '../../src/holepunch/portmap/port-mapper.ts'
import { decodeAction, encodeAction } from '../../src/holepunch/portmap/soap.ts'
import { decodeSearchAnswer } from '../../src/holepunch/portmap/ssdp.ts'
import { acceptLocation, parseDescription } from '../../src/holepunch/portmap/upnp-description.ts'
import { parseXml } from '../../src/holepunch/portmap/xml.ts'
import { RouterPlatform } from '../holepunch/portmap/virtual-router.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'

const RUNS = { numRuns: 500 * FACTOR, seed: Number(SEED) }

/** The obvious twin: the whole datagram as hex, fields cut out by their place in RFC 6886 and RFC 6887. */
function readPlainly(message: Uint8Array): readonly unknown[] {
  const hex = Buffer.from(message).toString('hex')
  const number = (at: number, bytes: number): number => Number.parseInt(hex.slice(2 * at, 2 * (at + bytes)), 16)
  const size = message.length
  const isPcp = size >= 24 && size <= 1100 && size % 4 === 0 && number(0, 1) === 2
  const ip = hex.slice(88, 112).match(/^0{20}ffff$/) ? hex.slice(112, 120) : hex.slice(88, 120)
  const isNatPmp = size >= 8 && number(0, 1) === 0
  return [
    isPcp && number(1, 1) === 0x80 ? [number(3, 1), number(4, 4), number(8, 4)] : undefined,
    isPcp && number(1, 1) === 0x81 && size >= 60 && number(36, 1) === 17
      ? [number(3, 1), number(4, 4), number(8, 4), hex.slice(48, 72), number(40, 2), number(42, 2), ip]
      : undefined,
    isNatPmp && number(1, 1) === 0x80 && (number(2, 2) !== 0 || size === 12)
      ? [number(2, 2), number(4, 4), number(2, 2) === 0 ? hex.slice(16) : undefined]
      : undefined,
    isNatPmp && number(1, 1) === 0x81 && size === 16
      ? [number(2, 2), number(4, 4), number(8, 2), number(10, 2), number(12, 4)]
      : undefined,
    isNatPmp && number(2, 2) === 1,
  ]
}

/** The same from the decoders. */
function readFast(message: Uint8Array): readonly unknown[] {
  const pcp = decodePcp(message)
  const head = pcp && [pcp.result, pcp.lifetime, pcp.epoch]
  const { map } = pcp ?? {}
  const address = decodeNatPmpAddress(message)
  const mapping = decodeNatPmpMap(message)
  return [
    map === undefined ? head : undefined,
    map && [...head!, encodeHex(map.nonce), map.internalPort, map.externalPort, encodeHex(map.externalIp)],
    address && [address.result, address.epoch, address.externalIp && encodeHex(address.externalIp)],
    mapping && [mapping.result, mapping.epoch, mapping.internalPort, mapping.externalPort, mapping.lifetime],
    isNatPmpOnly(message),
  ]
}

/** Answers of an honest router. */
function genuineAnswers(random: SimRandom): Uint8Array[] {
  const request = { internalPort: random.int(0, 65_535), externalPort: random.int(0, 65_535), lifetime: random.u32() }
  const map = encodePcpMap({
    ...request,
    client: random.bytes(4),
    nonce: random.bytes(12),
    externalIp: random.bytes(4),
  })
  map[1]! |= 0x80
  map[3] = random.pick([0, 0, 2, 8, 12])
  map.set(random.bytes(4), 8)
  const natPmp = encodeNatPmpMap(request)
  const mapping = new Uint8Array(16)
  mapping.set([0, 0x81, 0, random.pick([0, 0, 2])])
  mapping.set(random.bytes(4), 4)
  mapping.set(natPmp.subarray(4), 8)
  const address = Uint8Array.from([0, 0x80, 0, random.pick([0, 0, 3]), ...random.bytes(8)])
  const announce = Uint8Array.from([2, 0x80, 0, 0, ...random.bytes(20)])
  const unsupported = Uint8Array.from([0, random.pick([0, 0x80, 0x81]), 0, 1, ...random.bytes(4)])
  return [map, mapping, address, announce, unsupported, Uint8Array.from([...map, 2, 0, 0, 4, ...random.bytes(4)])]
}

test(
  'RFC 6886 §3, RFC 6887 §7: whatever comes, the decoders say the same as a slow one',
  () => {
    const random = new SimRandom(`port mapping/${SEED}`)
    const seen = [0, 0, 0, 0, 0]
    const rounds = 40_000 * FACTOR
    let genuine = genuineAnswers(random)
    for (let round = 0; round < rounds; round++) {
      if (round % 100 === 0) genuine = genuineAnswers(random)
      const message = mutate(random, random.pick(genuine), random.pick(genuine))
      const [fast, plain] = [readFast(message), readPlainly(message)]
      if (JSON.stringify(fast) !== JSON.stringify(plain)) throw new Error(Buffer.from(message).toString('hex'))
      for (const [index, found] of fast.entries()) if (found !== undefined && found !== false) seen[index]!++
    }
    // all were met often, or the mutations miss the point
    for (const count of seen) expect(count).toBeGreaterThan(rounds / 400)
  },
  TIMEOUT,
)

const NASTY = [
  '<',
  '>',
  '&',
  '&amp;',
  '&#x',
  '&#1114112;',
  '"',
  "'",
  '/',
  '<!--',
  '-->',
  '<![CDATA[',
  ']]>',
  '<?',
  '?>',
]
const WORDS = ['a', 'b:', 'root', 'device', 'serviceList', 'service', 'serviceType', 'controlURL', 'URLBase', 'Fault']
const VALUES = [
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'http://192.168.1.1/',
  'http://[',
  '//x/',
  'errorCode',
  '718',
  ' ',
  '\0',
  '\ud800',
]
/** Text that is nearly XML. */
const soup = fc.array(fc.constantFrom(...NASTY, ...WORDS, ...VALUES), { maxLength: 40 }).map((parts) => parts.join(''))
const LOCATION = new URL('http://192.168.1.1:5000/root.xml')

/** A document as it should be, a few places changed. */
const spoilt = fc
  .tuple(
    fc.constantFrom(
      `<?xml version="1.0"?><root><URLBase>http://192.168.1.1/</URLBase><device><serviceList><service><serviceType>${VALUES[0]}</serviceType><controlURL>/ctl</controlURL></service></serviceList></device></root>`,
      '<s:Envelope><s:Body><s:Fault><detail><errorCode>718</errorCode></detail></s:Fault></s:Body></s:Envelope>',
      '<s:Envelope><s:Body><u:XResponse><NewReservedPort>41641</NewReservedPort></u:XResponse></s:Body></s:Envelope>',
    ),
    fc.array(fc.tuple(fc.nat(300), fc.nat(8), fc.oneof(soup, fc.constant(''))), { maxLength: 3 }),
  )
  .map(([document, changes]) =>
    changes.reduce<string>((text, [at, length, put]) => text.slice(0, at) + put + text.slice(at + length), document),
  )

test('spec/disco-stun-nat.md §7.1: any text is a description, an answer, or nothing; and never an address elsewhere', () => {
  const seen = { services: 0, answers: 0, elements: 0 }
  fc.assert(
    fc.property(fc.oneof(spoilt, soup, fc.string({ unit: 'binary' })), (xml) => {
      if (parseXml(xml) !== undefined) seen.elements++
      for (const { controlUrl } of parseDescription(xml, LOCATION)) {
        seen.services++
        expect(new URL(controlUrl)).toMatchObject({ protocol: 'http:', hostname: '192.168.1.1' })
      }
      const answer = decodeAction(xml, 'X')
      if (answer === undefined) return
      seen.answers++
      if (answer.error !== undefined) expect(Number.isInteger(answer.error)).toBe(true)
    }),
    { ...RUNS, numRuns: 1500 * FACTOR },
  )
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50)
})

test('spec/disco-stun-nat.md §7.1: what was asked for in SOAP is read again as it was', () => {
  const text = fc
    .string({ unit: 'grapheme', maxLength: 60 })
    .filter((value) => value.trim() === value && !value.includes('\r'))
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (values) => {
      const { body } = encodeAction(
        'urn:x',
        'XResponse',
        values.map((value, index) => [`New${index}`, value]),
      )
      const answer = decodeAction(new TextDecoder().decode(body), 'X')
      expect([...(answer?.values?.values() ?? [])]).toEqual(values)
    }),
    RUNS,
  )
})

test('spec/disco-stun-nat.md §7.3: any answer to a search leads to the gateway, to the sender itself, or nowhere', () => {
  const line = fc.oneof(
    soup,
    fc.constantFrom('HTTP/1.1 200 OK', 'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1', ''),
    fc
      .oneof(fc.webUrl(), fc.constantFrom('http://192.168.1.1/', 'http://192.168.1.7:1/x', 'http://0x7f.1/'))
      .map((url) => `LOCATION: ${url}`),
  )
  let found = 0
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.boolean(), (lines, isWhole) => {
      const head = ['HTTP/1.1 200 OK', 'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:2']
      const location = decodeSearchAnswer(encodeUtf8([...(isWhole ? head : []), ...lines].join('\r\n')))
      if (location === undefined) return
      const url = acceptLocation(location, '192.168.1.7', '192.168.1.1')
      if (url === undefined) return
      found++
      expect(['192.168.1.1', '192.168.1.7']).toContain(url.hostname)
    }),
    { ...RUNS, numRuns: 1500 * FACTOR },
  )
  expect(found).toBeGreaterThan(20)
})

test(
  'spec/disco-stun-nat.md §7.3: a router that answers anything breaks nothing, and a mapping is always one that others can use',
  async () => {
    const random = new SimRandom(`a mad router/${SEED}`)
    let announced = 0
    for (let round = 0; round < 60 * FACTOR; round++) {
      const platform = new RouterPlatform()
      const router = platform.router!
      Object.assign(router, { pcp: random.chance(0.6), natPmp: random.chance(0.6), upnp: random.int(0, 2) })
      const madness = random.pick([0.2, 0.6, 1])
      const { answerUdp, answerSearch, answerHttp } = router
      let last: Uint8Array = random.bytes(24)
      const spoil = (answer: Uint8Array | undefined): Uint8Array | undefined => {
        if (answer === undefined || !random.chance(madness)) return answer
        const spoilt = mutate(random, answer, last)
        last = answer
        return spoilt
      }
      router.answerUdp = (data, from) => spoil(answerUdp.call(router, data, from))
      router.answerSearch = (data) => spoil(answerSearch.call(router, data))
      router.answerHttp = (options) => {
        const answer = answerHttp.call(router, options)
        const body = spoil(answer && encodeUtf8(answer.text))
        return (
          answer && body && { status: random.chance(0.9) ? answer.status : 302, text: new TextDecoder().decode(body) }
        )
      }
      const errors: unknown[] = []
      const mappings: (PortMapping | undefined)[] = []
      const mapper = new PortMapper({
        platform,
        onChange: (mapping) => mappings.push(mapping),
        onError: (error) => errors.push(error),
      })
      mapper.start(41641)
      for (let step = 0; step < 40; step++) {
        await platform.advanceAsync(random.pick([5, 500, 60_000, 1_200_000]), 500_000)
        if (random.chance(0.2)) router.reboot()
        if (random.chance(0.3)) mapper.request()
        if (random.chance(0.3)) mapper.networkChanged()
      }
      let isClosed = false
      void mapper.close().then(() => {
        isClosed = true
      })
      await platform.advanceAsync(1000, 50)
      expect([isClosed, platform.openSockets, platform.openRequests, errors]).toEqual([true, 0, 0, []])
      await platform.advanceAsync(5000, 500)
      expect(platform.nextTimer).toBe(Number.POSITIVE_INFINITY)
      for (const mapping of mappings) {
        if (mapping === undefined) continue
        announced++
        expect(isPublicIpv4(mapping.external.ip)).toBe(true)
        expect(mapping.external.port).toBeGreaterThan(0)
      }
    }
    expect(announced).toBeGreaterThan(20)
  },
  TIMEOUT,
)
