import { describe, expect, test } from 'vitest'
import { FrameDispatch } from '../../../src/quic/connection/frame-dispatch.ts'
import type { Parts } from '../../../src/quic/connection/parts.ts'
import { ErrorCode, Level } from '../../../src/quic/index.ts'
import type { Path } from '../../../src/quic/path/path.ts'
import type { PacketSpace } from '../../../src/quic/recovery/packet-space.ts'
import { Scratch } from '../../../src/quic/scratch.ts'
import { isAllowedAt } from '../../../src/quic/wire/frame-types.ts'
import { forge, padded } from './forge.ts'
import { EXTENSIONS, NAMING_PATHS, type Specimen } from './multipath-catalogue.ts'
import { bytesOf, multipathPair, otherSide, RoguePeer, type Side, withPaths, writeFreshId } from './multipath-peer.ts'
import { Pair } from './pair.ts'

const { FRAME_ENCODING_ERROR, PROTOCOL_VIOLATION } = ErrorCode
const REPORTS = { client: { observedAddressRole: 2 }, server: { observedAddressRole: 2 } } as const
const SIDES: readonly Side[] = ['client', 'server']

function expectClosed(pair: Pair, victim: Side, code: number, frameType?: number): void {
  const reason = pair[victim].of('closed')[0]?.reason
  expect(reason).toMatchObject({ kind: 'local-transport', code, ...(frameType === undefined ? {} : { frameType }) })
  const told = pair[victim].tap.sent.flatMap(({ frames }) => frames).find((frame) => frame.error_space === 'transport')
  expect(told).toMatchObject({
    error_code: code,
    ...(frameType === undefined ? {} : { trigger_frame_type: frameType }),
  })
}

/** A dispatch whose owners take everything and keep a list of what they were told. */
function recordingDispatch() {
  const calls: string[] = []
  const recorder = (name: string): unknown =>
    new Proxy(() => undefined, {
      get: (_, key) => recorder(`${name}.${String(key)}`),
      apply: () => {
        calls.push(name)
        return undefined
      },
    })
  const parts = {
    paths: new Proxy({ multipath: true }, { get: (target, key) => Reflect.get(target, key) ?? recorder(String(key)) }),
    events: recorder('events'),
    traversal: recorder('traversal'),
    messages: { peerCapabilities: 1 },
    settings: { observedAddressRole: 2, minAckDelayUs: 1000 },
    handshake: { peerParameters: { observedAddressRole: 2 } },
    lifecycle: { isEnded: false },
    role: 'client',
    scratch: new Scratch(),
  } as unknown as Parts
  const dispatch = new FrameDispatch(parts)
  const path = { id: 0, isOpen: true, observedSequence: -1 } as Path
  const take = (bytes: Uint8Array) =>
    dispatch.dispatch(bytes, 0, bytes.length, Level.OneRtt, path, {} as PacketSpace, 0, 100, bytes.length, 0)
  return { take, calls }
}

describe('cut off', () => {
  for (const { name, write, type } of EXTENSIONS)
    test(`quic.md §4.1: ${name} cut off at every byte changes nothing`, () => {
      const whole = bytesOf((writer) => write(writer, 70))
      for (let length = 1; length < whole.length; length++) {
        const { take, calls } = recordingDispatch()
        const code = FRAME_ENCODING_ERROR
        expect(() => take(whole.slice(0, length)), `${length} bytes`).toThrow(expect.objectContaining({ code }))
        expect(calls, `${length} bytes`).toEqual([])
      }
      const { take, calls } = recordingDispatch()
      if (type === 0x1f) return
      take(whole)
      expect(calls).toHaveLength(1)
    })

  for (const { name, write, type } of EXTENSIONS.filter((specimen) => specimen.type !== 0x1f))
    test(`RFC 9000 §12.4: ${name} without its last byte closes the connection`, () => {
      const pair = multipathPair(REPORTS).cut()
      const whole = bytesOf((writer) => write(writer, 0))
      new RoguePeer(pair, 'server').send(whole.slice(0, -1))
      expectClosed(pair, 'client', FRAME_ENCODING_ERROR, type)
    })

  test('quic.md §4.1: PATH_ACK with ranges below packet 0, or more of them than bytes', () => {
    for (const frames of [
      [0x3e, 0, 0, 0, 0, 5],
      [0x3e, 0, 4, 0, 1, 0, 3, 0],
      [0x3f, 0, 0, 0, 0x7f, 0xff, 0],
    ]) {
      const pair = multipathPair().cut()
      new RoguePeer(pair, 'client').send(frames)
      expectClosed(pair, 'server', FRAME_ENCODING_ERROR, frames[0])
    }
  })

  test('quic.md §4.1: PATH_NEW_CONNECTION_ID with an id of 0 or 21 bytes, or retiring what comes later', () => {
    const frame = (sequence: number, retirePriorTo: number, length: number) => [
      ...[0x7e, 0x78, 1, sequence, retirePriorTo, length],
      ...new Uint8Array(length + 16).fill(9),
    ]
    for (const frames of [frame(9, 0, 0), frame(9, 0, 21), frame(9, 10, 8)]) {
      const pair = multipathPair().cut()
      new RoguePeer(pair, 'client').send(frames)
      expectClosed(pair, 'server', FRAME_ENCODING_ERROR, 0x3e78)
    }
  })
})

describe('mistimed', () => {
  /** A server that has sent its first flight; the client's answer never comes. */
  function midHandshake(): Pair {
    const pair = new Pair({ client: { maxPathId: 7 }, server: { maxPathId: 7 }, wire: () => [] })
    pair.flush()
    pair.deliver('server', pair.log[0]!.bytes, 100)
    pair.flush()
    return pair
  }

  for (const { name, write, type } of EXTENSIONS)
    test(`quic.md §4.2: ${name} in Initial and Handshake packets`, () => {
      const frames = [...bytesOf((writer) => write(writer, 0))]
      for (const level of [Level.Initial, Level.Handshake]) {
        const pair = midHandshake()
        forge(pair, 'client', padded(frames, 1160), { level })
        expectClosed(pair, 'server', PROTOCOL_VIOLATION, type)
      }
    })

  test('quic.md §4.2: none of them in 0-RTT', () => {
    for (const { name, type } of EXTENSIONS) expect(isAllowedAt(type, Level.ZeroRtt), name).toBe(false)
  })

  test('quic.md §4.3: a Handshake packet to the connection id of a path above 0', () => {
    // the client has issued ids, and not yet heard that the handshake is confirmed
    const pair = new Pair({ client: { maxPathId: 7 }, server: { maxPathId: 7 } })
    pair.until(() => pair.client.of('connected').length > 0)
    pair.flush()
    const rogue = new RoguePeer(pair.cut(), 'server')
    expect(pair.client.connection!.isConfirmed).toBe(false)
    rogue.deliver(rogue.handshakePacket([1, 0, 0], 1), 100)
    expectClosed(pair, 'client', PROTOCOL_VIOLATION)
  })

  test('quic.md §5.4: a path that the server uses before the handshake is confirmed', () => {
    const pair = new Pair({ client: { maxPathId: 7 }, server: { maxPathId: 7 } })
    pair.until(() => pair.client.of('connected').length > 0)
    pair.flush()
    const rogue = new RoguePeer(pair.cut(), 'server')
    rogue.send((writer) => writeFreshId(writer, 3, 0))
    rogue.send([1, 0, 0], { path: 3, route: 100 })
    expect(pair.client.connection!.closeReason).toBeUndefined()
    expect(pair.client.connection!.paths().map(({ id }) => id)).toEqual([0])
  })

  test('quic.md §4.3: nobody can read a Handshake packet any more once paths can be opened', () => {
    const pair = withPaths(1).cut()
    const rogue = new RoguePeer(pair, 'client')
    rogue.deliver(rogue.handshakePacket([1, 0, 0], 1), 200)
    expect(pair.server.connection!.isClosed).toBe(false)
  })
})

describe('not negotiated', () => {
  const offers: Record<Specimen['needs'], [name: string, settings: object][]> = {
    multipath: [
      ['by nobody', { client: { maxPathId: undefined }, server: { maxPathId: undefined } }],
      ['by the sender', { client: { maxPathId: undefined } }],
      ['by the receiver', { server: { maxPathId: undefined } }],
    ],
    reports: [
      ['by nobody', {}],
      ['by the sender, who only listens', { client: { observedAddressRole: 1 }, server: { observedAddressRole: 2 } }],
      ['by the sender', { server: { observedAddressRole: 2 } }],
      ['by the receiver, who only reports', { client: { observedAddressRole: 2 }, server: { observedAddressRole: 0 } }],
      ['by the receiver', { client: { observedAddressRole: 2 } }],
    ],
    'ack-frequency': [['by the receiver', { server: { minAckDelayUs: undefined } }]],
    traversal: [
      ['by nobody', { client: { natTraversalAddresses: undefined }, server: { natTraversalAddresses: undefined } }],
      ['by the client', { client: { natTraversalAddresses: undefined } }],
      ['by the server', { server: { natTraversalAddresses: undefined } }],
      ['for want of multipath', { client: { maxPathId: undefined } }],
    ],
    capabilities: [
      ['by nobody', {}],
      ['by the client', { server: { tomCapabilities: 3 } }],
      ['by the server', { client: { tomCapabilities: 3 } }],
    ],
  }
  for (const { name, write, type, needs, sender = 'client' } of EXTENSIONS)
    for (const [whom, settings] of offers[needs])
      test(`quic.md §4.3: ${name}, not offered ${whom}`, () => {
        const pair = multipathPair(settings).cut()
        const payload = bytesOf((writer) => write(writer, 0))
        forge(pair, sender, padded([...payload], payload.length + 3))
        expectClosed(pair, otherSide(sender), PROTOCOL_VIOLATION, type)
      })

  for (const { name, write, type, sender } of EXTENSIONS)
    if (sender !== undefined)
      test(`quic.md §4.3: ${name} from a ${otherSide(sender)}`, () => {
        const pair = multipathPair().cut()
        new RoguePeer(pair, otherSide(sender)).send((writer) => write(writer, 0))
        expectClosed(pair, sender, PROTOCOL_VIOLATION, type)
      })
})

describe('beyond what was allowed', () => {
  for (const { name, write, type } of NAMING_PATHS.filter((specimen) => specimen.name !== 'MAX_PATH_ID'))
    test(`draft-ietf-quic-multipath §4: ${name} for a path above our maximum`, () => {
      for (const [index, path] of [8, 0xffff_ffff].entries()) {
        const pair = multipathPair().cut()
        const role = SIDES[index]!
        new RoguePeer(pair, role).send((writer) => write(writer, path))
        expectClosed(pair, otherSide(role), PROTOCOL_VIOLATION, type)
      }
    })

  for (const { name, write, type } of NAMING_PATHS)
    test(`draft-ietf-quic-multipath §4: ${name} for a path above 2^32 - 1`, () => {
      const pair = multipathPair().cut()
      new RoguePeer(pair, 'client').send((writer) => write(writer, 2 ** 32))
      expectClosed(pair, 'server', PROTOCOL_VIOLATION, type)
    })

  test('draft-ietf-quic-multipath §4: what we gave back counts', () => {
    const pair = withPaths(1)
    pair.client.connection!.abandonPath(1, 0x3e, pair.now)
    pair.run(5000)
    const rogue = new RoguePeer(pair.cut(), 'client')
    rogue.send((writer) => writer.raw(bytesOf([0x7e, 0x76, 8, 1])))
    expect(pair.server.connection!.isClosed).toBe(false)
    rogue.send((writer) => writer.raw(bytesOf([0x7e, 0x76, 9, 1])))
    expectClosed(pair, 'server', PROTOCOL_VIOLATION, 0x3e76)
  })
})
