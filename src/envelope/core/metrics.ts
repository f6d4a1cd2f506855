/** Counters of a messenger: what went, what came, and why something was refused. Plain numbers, for people and benchmarks. */
import type { EnvelopeErrorCode } from '../errors.ts'

/** Why a frame or gossip content was refused; codes of `EnvelopeError`, and those of the messenger. */
export type Refusal =
  | EnvelopeErrorCode
  /** One connection brought more than it may. */
  | 'LINK_FLOOD'
  /** One author sends more than he may (spec/envelope.md §5.2). */
  | 'SENDER_FLOOD'
  /** No hop may pass it on any more. */
  | 'NO_HOPS_LEFT'
  /** The application does not read: the sender tries again. */
  | 'QUEUE_FULL'
  /** A type that this library does not act on: groups. */
  | 'UNSUPPORTED_TYPE'
  /** An acknowledgement or confirmation from somebody who may not give it (ACK-1 to ACK-3, BAK-4, BAK-5). */
  | 'NOT_ENTITLED'
  /** The backup has no room, or could not be written. */
  | 'NOT_KEPT'
  /** For somebody we do not forward for (RTR-4). */
  | 'STRANGER'

export interface MessengerMetrics {
  /** Messages of ours. */
  readonly sent: number
  readonly delivered: number
  readonly failed: number
  /** Messages handed to the application. */
  readonly received: number
  /** Came again, and were not handed over again. */
  readonly duplicates: number
  /** Passed on for others. */
  readonly forwarded: number
  /** Kept for others since the start. */
  readonly kept: number
  /** Brought to recipients that had been away. */
  readonly brought: number
  readonly acknowledgementsSent: number
  readonly announced: number
  /** Announcements of others that neighbours asked us for. */
  readonly handedOn: number
  readonly refused: Readonly<Partial<Record<Refusal, number>>>
  /** What there is now. */
  readonly pending: number
  readonly stored: number
  readonly storedBytes: number
  readonly waiting: number
  readonly peers: number
  readonly online: number
}

/** The counting part; written by the parts of the messenger. */
export class Counters {
  sent = 0
  delivered = 0
  failed = 0
  received = 0
  duplicates = 0
  forwarded = 0
  kept = 0
  brought = 0
  acknowledgementsSent = 0
  announced = 0
  handedOn = 0
  readonly refused: Partial<Record<Refusal, number>> = {}

  refuse(reason: Refusal): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1
  }
}
