import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { localParameters, resolveSettings } from '../../../src/quic/config.ts'
import { Handshake } from '../../../src/quic/connection/handshake.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import type { Role } from '../../../src/quic/level.ts'
import { PacketProtection } from '../../../src/quic/protection/packet-protection.ts'
import { SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'
import type { Resources } from '../../../src/quic/resources.ts'
import { encodeTransportParameters, type TransportParameters } from '../../../src/quic/wire/transport-parameters.ts'
import { ALPN, SeededRandom } from './pair.ts'

const id = (seed: number) => new Uint8Array(8).fill(seed)

/** A handshake of `role` whose peer is known by its source id; `received` are the peer's parameters that passed. */
function setUp(role: Role, retrySourceId?: Uint8Array) {
  const crypto = createNodeCrypto()
  const resources = {
    role,
    settings: resolveSettings(),
    crypto,
    random: new SeededRandom(5),
    protection: new PacketProtection(),
    trace: undefined,
    keyLog: undefined,
  } as unknown as Resources
  const received: TransportParameters[] = []
  const handshake = new Handshake(
    resources,
    new SentFramePool(),
    { peerParameters: (parameters) => received.push(parameters), handshakeComplete: () => {} },
    { signer: crypto.signer(new Uint8Array(32).fill(1)), alpns: [ALPN], sourceId: id(1), originalDestinationId: id(2) },
  )
  if (retrySourceId !== undefined) handshake.receiveRetry(retrySourceId, Uint8Array.of(1))
  handshake.peerSourceId = id(3)
  const give = (changes: Partial<TransportParameters>) =>
    handshake.receivedTransportParameters(
      encodeTransportParameters({ ...localParameters(resolveSettings()), ...changes }),
    )
  return { give, received }
}

const refused = expect.objectContaining({ code: ErrorCode.TRANSPORT_PARAMETER_ERROR })
const ids = (source?: number, original?: number, retry?: number): Partial<TransportParameters> => ({
  ...(source === undefined ? {} : { initialSourceConnectionId: id(source) }),
  ...(original === undefined ? {} : { originalDestinationConnectionId: id(original) }),
  ...(retry === undefined ? {} : { retrySourceConnectionId: id(retry) }),
})

describe('connection ids in the transport parameters', () => {
  test('RFC 9000 §7.3: a client accepts the ids it saw, and no others', () => {
    const { give, received } = setUp('client')
    for (const wrong of [ids(), ids(3), ids(undefined, 2), ids(4, 2), ids(3, 4), ids(3, 2, 2)])
      expect(() => give(wrong)).toThrow(refused)
    expect(received).toEqual([])
    give(ids(3, 2))
    expect(received.length).toBe(1)
  })

  test('RFC 9000 §7.3: after a Retry its source id must come back', () => {
    const { give, received } = setUp('client', id(7))
    for (const wrong of [ids(3, 2), ids(3, 2, 6), ids(3, 7, 7)]) expect(() => give(wrong)).toThrow(refused)
    give(ids(3, 2, 7))
    expect(received.length).toBe(1)
  })

  test('RFC 9000 §7.3: a server checks the client’s source id', () => {
    const { give, received } = setUp('server')
    for (const wrong of [ids(), ids(4)]) expect(() => give(wrong)).toThrow(refused)
    give(ids(3))
    expect(received.length).toBe(1)
  })

  test('RFC 9000 §18.2: what only a server may send, a client may not', () => {
    const { give } = setUp('server')
    for (const wrong of [ids(3, 2), ids(3, undefined, 2), { ...ids(3), statelessResetToken: new Uint8Array(16) }])
      expect(() => give(wrong)).toThrow(refused)
  })

  test('RFC 9000 §18.2: values out of range', () => {
    const { give } = setUp('client')
    for (const wrong of [
      { maxUdpPayloadSize: 1199 },
      { ackDelayExponent: 21 },
      { maxAckDelay: 2 ** 14 },
      { activeConnectionIdLimit: 1 },
      { initialMaxStreamsBidi: 2 ** 60 + 2 ** 10 },
    ])
      expect(() => give({ ...ids(3, 2), ...wrong })).toThrow(refused)
  })
})
