/**
 * Datagram slots: fixed pieces of one memory that never grows. The driver owns the memory; QUIC borrows a slot to build a datagram in and
 * hands it out with `poll`; whoever holds a slot releases it exactly once.
 */
export interface DatagramSlots {
  /** All slots, one after the other. */
  readonly bytes: Uint8Array
  /** Bytes in one slot. */
  readonly slotSize: number
  /** Index of the slot's first byte in `bytes`. */
  offset(slot: number): number
  /** A free slot, or -1 when all are in use: try again after one was released. */
  acquire(): number
  release(slot: number): void
  /** Slots in use now. */
  readonly inUse: number
}

/** A datagram to send: the caller's reused record, filled by `poll`. The caller sends `length` bytes of `slot` on `route`, then releases the slot. */
export class Transmit {
  slot = -1
  length = 0
  route = -1
  /** Path id, for counters and traces. */
  path = 0
  kind: 'data' | 'probe' | 'mtu' = 'data'
}
