import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Reader } from '../../../src/bytes/reader.ts'
import { VARINT_MAX } from '../../../src/bytes/varint.ts'
import type { RandomSource } from '../../../src/platform/platform.ts'
import { ErrorCode, TransportError } from '../../../src/quic/errors.ts'
import type { Role } from '../../../src/quic/level.ts'
import {
  decodeTransportParameters,
  defaultTransportParameters,
  encodeTransportParameters,
  type TransportParameters,
} from '../../../src/quic/wire/transport-parameters.ts'
import { fromHex, toHex } from './bytes.ts'

const decode = (hex: string, sender: Role = 'server') => decodeTransportParameters(fromHex(hex), sender)
const encode = (some: Partial<TransportParameters>) =>
  toHex(encodeTransportParameters({ ...defaultTransportParameters(), ...some }))

/** A repeatable RandomSource: xorshift of a seed. */
function seeded(seed: number): RandomSource {
  let state = seed | 1
  return {
    fill(out) {
      for (let index = 0; index < out.length; index++) {
        state ^= state << 13
        state ^= state >>> 17
        state ^= state << 5
        out[index] = state >>> 8
      }
    },
  }
}

function listed(bytes: Uint8Array): { id: number; value: string }[] {
  const reader = new Reader(bytes)
  const entries = []
  while (reader.remaining > 0) entries.push({ id: reader.varint(), value: toHex(reader.view(reader.varint())) })
  return entries
}

const PREFERRED = {
  ipv4: { ip: fromHex('7f000001'), port: 42 },
  ipv6: { ip: fromHex('00000000000000000000000000000001'), port: 24 },
  connectionId: fromHex('2a'),
  statelessResetToken: fromHex('ab'.repeat(16)),
}

const ROWS: [hex: string, values: Partial<TransportParameters>][] = [
  ['010480007530', { maxIdleTimeout: 30000 }],
  ['030245c0', { maxUdpPayloadSize: 1472 }],
  ['030244b0', { maxUdpPayloadSize: 1200 }],
  ['0504801312d0', { initialMaxStreamDataBidiLocal: 1_250_000 }],
  ['0604801312d0', { initialMaxStreamDataBidiRemote: 1_250_000 }],
  ['0704801312d0', { initialMaxStreamDataUni: 1_250_000 }],
  ['08024064', { initialMaxStreamsBidi: 100 }],
  ['09024064', { initialMaxStreamsUni: 100 }],
  ['080110', { initialMaxStreamsBidi: 16 }],
  ['090110', { initialMaxStreamsUni: 16 }],
  ['0a0102', { ackDelayExponent: 2 }],
  ['0e0105', { activeConnectionIdLimit: 5 }],
  ['20048000ffff', { maxDatagramFrameSize: 65535 }],
  ['6ab200', { greaseQuicBit: true }],
  ['c0000000ff04de1b0243e8', { minAckDelay: 1000 }],
  ['c0000000ff04de1b0247d0', { minAckDelay: 2000 }],
  ['c00000009f81a1760100', { observedAddressRole: 0 }],
  ['c00000009f81a1760101', { observedAddressRole: 1 }],
  ['c00000009f81a1760102', { observedAddressRole: 2 }],
  ['3e0107', { initialMaxPathId: 7 }],
  ['3e0100', { initialMaxPathId: 0 }],
  ['3e08c0000000ffffffff', { initialMaxPathId: 2 ** 32 - 1 }],
  ['c0003d7f911204010120', { natTraversal: 32 }],
  ['c0003d7f911204010108', { natTraversal: 8 }],
  ['c0003d7f911204010105', { natTraversal: 5 }],
  ['c0003d7f911204010140', { natTraversal: 64 }],
  ['80746f6d0103', { tomCapabilities: 3 }],
  ['80746f6d0100', { tomCapabilities: 0 }],
  [
    '0d2a7f000001002a000000000000000000000000000000010018012aabababababababababababababababab',
    { preferredAddress: PREFERRED },
  ],
  ['000401020304', { originalDestinationConnectionId: fromHex('01020304') }],
  [`0210${'cd'.repeat(16)}`, { statelessResetToken: fromHex('cd'.repeat(16)) }],
  ['0b0132', { maxAckDelay: 50 }],
  ['0c00', { disableActiveMigration: true }],
  ['0f00', { initialSourceConnectionId: new Uint8Array(0) }],
  ['10080102030405060708', { retrySourceConnectionId: fromHex('0102030405060708') }],
]

describe('transport parameters on the wire', () => {
  test.each(ROWS)('spec/quic.md §8.5: %s', (hex, values) => {
    expect(decode(hex)).toEqual({ ...defaultTransportParameters(), ...values })
    expect(encode(values)).toBe(hex)
  })

  test('spec/quic.md §8.5: initial_max_data without a limit', () => {
    expect(encode({ initialMaxData: VARINT_MAX })).toBe('0408ffffffffffffffff')
    expect(decode('0408ffffffffffffffff').initialMaxData).toBe(Number.MAX_SAFE_INTEGER)
  })

  test('spec/quic.md §8.5: the default set of an iroh client', () => {
    const hex = `010480007530 030245c0 0408ffffffffffffffff 0504801312d0 0604801312d0 0704801312d0
      08024064 09024064 0e0105 0f080102030405060708 20048000ffff c0000000ff04de1b0243e8 3e0107 c0003d7f911204010120`
    const values = {
      maxIdleTimeout: 30000,
      maxUdpPayloadSize: 1472,
      initialMaxData: VARINT_MAX,
      initialMaxStreamDataBidiLocal: 1_250_000,
      initialMaxStreamDataBidiRemote: 1_250_000,
      initialMaxStreamDataUni: 1_250_000,
      initialMaxStreamsBidi: 100,
      initialMaxStreamsUni: 100,
      activeConnectionIdLimit: 5,
      initialSourceConnectionId: fromHex('0102030405060708'),
      maxDatagramFrameSize: 65535,
      minAckDelay: 1000,
      initialMaxPathId: 7,
      natTraversal: 32,
    }
    expect(encode(values)).toBe(hex.replaceAll(/\s/g, ''))
    expect(decode(hex, 'client')).toEqual({
      ...defaultTransportParameters(),
      ...values,
      initialMaxData: Number.MAX_SAFE_INTEGER,
    })
  })

  test('RFC 9000 §18.2: nothing sent means the defaults, and the defaults are not sent', () => {
    expect(encode({})).toBe('')
    expect(decode('')).toEqual(defaultTransportParameters())
    expect(defaultTransportParameters()).toMatchObject({
      maxUdpPayloadSize: 65527,
      ackDelayExponent: 3,
      maxAckDelay: 25,
      activeConnectionIdLimit: 2,
    })
  })

  test('RFC 9000 §18.2: a preferred address of one family', () => {
    const { ipv4, ipv6, ...rest } = PREFERRED
    const anyHost = { ip: fromHex('00000000'), port: 7 }
    for (const preferredAddress of [
      { ...rest, ipv4: anyHost },
      { ...rest, ipv4 },
      { ...rest, ipv6 },
    ]) {
      expect(decode(encode({ preferredAddress })).preferredAddress).toEqual(preferredAddress)
    }
  })

  test('RFC 9000 §18: what is written is read again, shuffled or not', () => {
    const limit = fc.oneof(fc.nat({ max: 20_000 }), fc.maxSafeNat())
    const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
    const id = fc.uint8Array({ maxLength: 20 })
    const parameters = fc.record({
      maxIdleTimeout: limit,
      maxUdpPayloadSize: fc.integer({ min: 1200, max: 2 ** 40 }),
      initialMaxData: limit,
      initialMaxStreamDataBidiLocal: limit,
      initialMaxStreamDataBidiRemote: limit,
      initialMaxStreamDataUni: limit,
      initialMaxStreamsBidi: limit,
      initialMaxStreamsUni: limit,
      ackDelayExponent: fc.nat({ max: 20 }),
      maxAckDelay: fc.integer({ min: 10, max: 2 ** 14 - 1 }),
      disableActiveMigration: fc.boolean(),
      activeConnectionIdLimit: fc.integer({ min: 2, max: 1000 }),
      maxDatagramFrameSize: limit,
      greaseQuicBit: fc.boolean(),
      minAckDelay: optional(fc.nat({ max: 10_000 })),
      initialMaxPathId: optional(fc.nat({ max: 2 ** 32 - 1 })),
      natTraversal: optional(fc.integer({ min: 1, max: 255 })),
      tomCapabilities: optional(fc.maxSafeNat()),
      observedAddressRole: optional(fc.nat({ max: 2 })),
      originalDestinationConnectionId: optional(id),
      initialSourceConnectionId: optional(id),
      retrySourceConnectionId: optional(id),
      statelessResetToken: optional(fc.uint8Array({ minLength: 16, maxLength: 16 })),
      preferredAddress: optional(fc.constant(PREFERRED)),
    })
    fc.assert(
      fc.property(parameters, optional(fc.nat()), (some, seed) => {
        const known = Object.entries(some).filter(([, value]) => value !== undefined)
        const whole = Object.fromEntries(known) as unknown as TransportParameters
        const bytes = encodeTransportParameters(whole, seed === undefined ? undefined : seeded(seed))
        expect(decodeTransportParameters(bytes, 'server')).toEqual(whole)
      }),
    )
  })

  test('RFC 9000 §18.1: with randomness the order changes and one reserved parameter is added', () => {
    const whole = { ...defaultTransportParameters(), maxIdleTimeout: 1, initialMaxData: 2, initialMaxPathId: 3 }
    const plain = listed(encodeTransportParameters(whole))
    const orders = new Set<string>()
    const sizes = new Set<number>()
    for (let seed = 1; seed <= 200; seed++) {
      const entries = listed(encodeTransportParameters(whole, seeded(seed * 7919)))
      const known = entries.filter(({ id }) => id === 0x01 || id === 0x04 || id === 0x3e)
      const [grease, ...more] = entries.filter((entry) => !known.includes(entry))
      expect(more).toEqual([])
      expect(grease!.id % 31).toBe(27)
      sizes.add(grease!.value.length / 2)
      orders.add(entries.map(({ id }) => (id % 31 === 27 ? 'grease' : id)).join())
      expect([...known].sort((a, b) => a.id - b.id)).toEqual([...plain].sort((a, b) => a.id - b.id))
    }
    expect(orders.size).toBe(24)
    expect([Math.min(...sizes), Math.max(...sizes)]).toEqual([0, 15])
  })

  test('RFC 9000 §18.1: no parameter of ours has a reserved id', () => {
    for (const [hex] of ROWS) expect(listed(fromHex(hex))[0]!.id % 31).not.toBe(27)
  })
})

describe('transport parameters that close the connection', () => {
  const refusal = (hex: string, sender: Role): TransportError => {
    try {
      decode(hex, sender)
    } catch (error) {
      if (error instanceof TransportError) return error
      throw error
    }
    throw new Error(`${hex} was accepted`)
  }

  const malformed: [hex: string, why: string][] = [
    ['0108c000000000007530', 'max_idle_timeout in a longer varint'],
    ['3e024007', 'initial_max_path_id in a longer varint'],
    ['c00000009f81a176024001', 'observed address role in a longer varint'],
    ['3e08c000000100000000', 'path id 2^32'],
    ['010480007530010480007530', 'sent twice'],
    ['0f000f00', 'connection id sent twice'],
    ['0c000c00', 'flag sent twice'],
    ['6ab2006ab200', 'grease_quic_bit sent twice'],
    ['2001002001 00', 'max_datagram_frame_size sent twice'],
    ['c0003d7f91120401024020', 'NAT traversal in two bytes'],
    ['c0003d7f9112040100', 'NAT traversal in no byte'],
    [`0f15${'11'.repeat(21)}`, 'connection id of 21 bytes'],
    ['0c0100', 'flag with a body'],
    ['6ab20100', 'flag with a body'],
    ['0104800075', 'cut inside a value'],
    ['01', 'cut before the length'],
    ['0100', 'integer without a byte'],
    ['01024075 0f', 'cut after a good one'],
    ['01028000', 'varint longer than the value'],
    ['0202cdcd', 'reset token of two bytes'],
    ['2002 0100', 'max_datagram_frame_size with a byte too many'],
    [
      '0d2b7f000001002a000000000000000000000000000000010018012aabababababababababababababababab00',
      'preferred address too long',
    ],
    [
      '0d297f000001002a000000000000000000000000000000010018012aababababababababababababababab',
      'preferred address too short',
    ],
  ]

  test.each(malformed)('spec/quic.md §3.3, §8.5: malformed %s (%s)', (hex) => {
    expect(refusal(hex, 'server')).toMatchObject({ code: ErrorCode.TRANSPORT_PARAMETER_ERROR })
    expect(refusal(hex, 'server').message).toMatch(/^malformed /)
  })

  test('RFC 9000 §7.4: the text names the parameter', () => {
    expect(refusal('0100', 'server').message).toContain('max_idle_timeout')
    expect(refusal('0a0115', 'server').message).toContain('ack_delay_exponent')
  })

  const illegal: [hex: string, sender: Role, why: string][] = [
    ['c0003d7f911204010100', 'client', 'NAT traversal 0'],
    ['c00000009f81a1760103', 'client', 'observed address role 3'],
    ['0e0101', 'client', 'active_connection_id_limit 1'],
    ['030244af', 'client', 'max_udp_payload_size 1199'],
    ['0a0115', 'client', 'ack_delay_exponent 21'],
    ['0b0480004000', 'client', 'max_ack_delay 2^14'],
    ['c0000000ff04de1b0480006591', 'client', 'min_ack_delay of 26001 µs'],
    ['c0000000ff04de1b0247d00b0101', 'client', 'min_ack_delay of 2 ms, max_ack_delay of 1 ms after it'],
    ['0808d000000000000001', 'client', 'more than 2^60 streams'],
    ['0908ffffffffffffffff', 'client', 'more than 2^60 streams'],
    ['000401020304', 'client', 'from a client'],
    [`0210${'cd'.repeat(16)}`, 'client', 'from a client'],
    [
      '0d2a7f000001002a000000000000000000000000000000010018012aabababababababababababababababab',
      'client',
      'from a client',
    ],
    ['100401020304', 'client', 'from a client'],
    [
      '0d297f000001002a00000000000000000000000000000001001800abababababababababababababababab',
      'server',
      'preferred address without connection id',
    ],
    [`0d2a${'00'.repeat(24)}012a${'ab'.repeat(16)}`, 'server', 'preferred address without address'],
  ]

  test.each(illegal)('spec/quic.md §3.3, §8.5: illegal value %s from a %s (%s)', (hex, sender) => {
    expect(refusal(hex, sender)).toMatchObject({ code: ErrorCode.TRANSPORT_PARAMETER_ERROR })
    expect(refusal(hex, sender).message).toMatch(/^illegal value /)
  })

  const accepted: [hex: string, why: string][] = [
    ['c00000009f81a1760102', 'observed address role 2'],
    ['6ab200', 'grease_quic_bit'],
    ['0c00', 'disable_active_migration'],
    ['3e08c0000000ffffffff', 'path id 2^32 - 1'],
    ['0808d000000000000000', '2^60 streams'],
    ['c0000000ff04de1b04800061a8', 'min_ack_delay equal to max_ack_delay'],
    ['c0000000ff04de1b0480006591 0b011b', 'min_ack_delay of 26.001 ms, max_ack_delay of 27 ms'],
    ['400102 4401', 'an id in a longer varint'],
    ['1b021b001b021b00', 'an unknown parameter twice'],
    ['ffffffffffffffff00ffffffffffffffff00', 'the largest id twice'],
    ['20048000000a', 'max_datagram_frame_size in a longer varint'],
    ['c0000000ff04de1b04800003e8', 'min_ack_delay in a longer varint'],
  ]

  test.each(accepted)('spec/quic.md §3.3, §8.5: accepted %s from either side (%s)', (hex) => {
    expect(() => decode(hex, 'client')).not.toThrow()
    expect(() => decode(hex, 'server')).not.toThrow()
  })

  test('RFC 9000 §7.4: random bytes decode or are refused, nothing else', () => {
    const known = fc.constantFrom(
      '00',
      '01',
      '02',
      '03',
      '08',
      '0d',
      '0e',
      '0f',
      '20',
      '3e',
      '6ab2',
      'c0000000ff04de1b',
    )
    const entry = fc.tuple(known, fc.uint8Array({ maxLength: 45 }), fc.integer({ min: -1, max: 1 })).map(
      ([id, value, lie]) =>
        id +
        Math.max(0, Math.min(63, value.length + lie))
          .toString(16)
          .padStart(2, '0') +
        toHex(value),
    )
    const lists = fc.array(entry, { maxLength: 4 }).map((entries) => fromHex(entries.join('')))
    fc.assert(
      fc.property(
        fc.oneof(lists, fc.uint8Array({ maxLength: 80 })),
        fc.constantFrom<Role>('client', 'server'),
        (bytes, sender) => {
          try {
            decodeTransportParameters(bytes, sender)
          } catch (error) {
            expect(error).toBeInstanceOf(TransportError)
            expect(error).toMatchObject({ code: ErrorCode.TRANSPORT_PARAMETER_ERROR })
          }
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('RFC 9000 §7.4: ids and tokens are copies', () => {
    const bytes = fromHex('0f0401020304')
    const decoded = decodeTransportParameters(bytes, 'client')
    bytes.fill(0)
    expect(toHex(decoded.initialSourceConnectionId!)).toBe('01020304')
  })
})
