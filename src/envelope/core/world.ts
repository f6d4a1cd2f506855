/**
 * What a `Messenger` needs of the world, and what it tells: the seam between the messenger, which opens nothing and reads no clock, and `TomNode` or the simulator around
 * it. Types only.
 */
import type { EndpointAddr } from '../../identity/index.ts'
import type { JournalRecord } from '../backup/stored-message.ts'
import type { Liveness } from '../peers/liveness.ts'
import type { DeliveryState } from '../routing/delivery-state.ts'
import type { Role } from '../wire/bodies.ts'
import type { PeerKey } from '../wire/envelope.ts'

/** No call comes back into the messenger before the messenger's own call has returned. */
export interface MessengerWorld {
  /** Brings one frame to a peer, dialling it if need be, with attempts of its own. Answered by `Messenger.transmitted(ticket, …)`, once. */
  transmit(peer: PeerKey, frame: Uint8Array, ticket: number): void
  /** To all members of the topic, as far as they can be reached. */
  broadcast(content: Uint8Array): void
  /** To `neighbor` alone, or to all our neighbours in the topic; nobody passes it on. Nothing happens where it is no neighbour. */
  tellNeighbors(content: Uint8Array, neighbor?: PeerKey): void
  /** Writes to the journal. `done(true)`: it will survive a crash; `done(false)`: it could not be written. Records become durable in their order. */
  persist(record: JournalRecord, done: (isDurable: boolean) => void): void
  /** Where a peer says it is, signed by it. */
  learned(addr: EndpointAddr): void
  /** A message that went straight to `peer` was acknowledged, or was not in time: connections that seem to live and do not are found out by that (TRN-10). */
  answered(peer: PeerKey): void
  unanswered(peer: PeerKey): void
  emit(event: MessengerEvent): void
}

export type MessengerEvent =
  /** `holders`: how many other nodes keep the message. */
  | { readonly kind: 'state'; readonly id: string; readonly state: DeliveryState; readonly holders: number }
  /** `take` has something. */
  | { readonly kind: 'message' }
  /** `name` is what the peer calls itself; unsigned announcements are marked `isVerified: false`. */
  | {
      readonly kind: 'peer'
      readonly peer: PeerKey
      readonly liveness: Liveness | 'forgotten'
      /** Undefined: it was not known. */
      readonly before: Liveness | undefined
      readonly name: string
      readonly role: Role
      readonly isVerified: boolean
    }
  /** Something a peer sent was refused; counted as well. */
  | { readonly kind: 'rejected'; readonly peer: PeerKey; readonly reason: string }
