/** Names and envelopes for the tests of routing. Nothing here is signed: the router is asked after that. */
import type { AckKind } from '../../../src/envelope/wire/bodies.ts'
import { encodeAck, encodeReadReceipt } from '../../../src/envelope/wire/body-codec.ts'
import type { Envelope, PeerKey } from '../../../src/envelope/wire/envelope.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS
export const MINUTE_MS = 60_000
/** A Thursday in 2026, whole seconds. */
export const WALL = 1_795_700_000_000

/** A key with a number in it; no point of the curve, which nobody here looks at. */
export const key = (number: number): PeerKey => number.toString(16).padStart(64, '0')
export const uuid = (number: number): string => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`

export const [ME, ALICE, BOB, CAROL, DAVE, EVE] = [1, 2, 3, 4, 5, 6].map(key) as [
  PeerKey,
  PeerKey,
  PeerKey,
  PeerKey,
  PeerKey,
  PeerKey,
]

/** From Alice to us, straight, made at `WALL`. */
export function envelope(fields: Partial<Envelope> = {}): Envelope {
  return {
    id: uuid(1),
    from: ALICE,
    to: ME,
    via: [],
    type: 'Chat',
    payload: Uint8Array.of(1, 2, 3),
    timestamp: WALL,
    signature: new Uint8Array(64).fill(7),
    hopsLeft: 4,
    isEncrypted: false,
    ...fields,
  }
}

export function ack(originalId: string, kind: AckKind = 'RecipientReceived', fields: Partial<Envelope> = {}): Envelope {
  return envelope({ id: uuid(900), type: 'Ack', payload: encodeAck({ originalId, kind }), ...fields })
}

export function receipt(originalId: string, readAt: number, fields: Partial<Envelope> = {}): Envelope {
  return envelope({ id: uuid(901), type: 'ReadReceipt', payload: encodeReadReceipt({ originalId, readAt }), ...fields })
}
