/** What the parts of a messenger share: who we are, the machines below, the world around. Made by `Messenger`. */
import type { EndpointAddr } from '../../identity/index.ts'
import type { Mailbox } from '../backup/mailbox.ts'
import type { PeerChange, PeerTable } from '../peers/peer-table.ts'
import type { DeliveryTracker } from '../routing/delivery-tracker.ts'
import type { Router } from '../routing/router.ts'
import type { SenderBudgets } from '../routing/sender-budget.ts'
import type { Sealer } from '../sealing/sealer.ts'
import type { PeerKey } from '../wire/envelope.ts'
import type { KnownKeys } from '../wire/known-keys.ts'
import type { MessageType } from '../wire/message-type.ts'
import type { Clock } from './clock.ts'
import type { Counters, Refusal } from './metrics.ts'
import type { MessengerSettings } from './settings.ts'
import type { Transmissions } from './transmissions.ts'
import type { MessengerWorld } from './world.ts'

export interface Context {
  readonly key: PeerKey
  readonly name: string
  /** Where we are, as far as it is known. */
  readonly addr: () => EndpointAddr | undefined
  readonly clock: Clock
  readonly settings: MessengerSettings
  readonly world: MessengerWorld
  readonly counters: Counters
  readonly keys: KnownKeys
  readonly sealer: Sealer
  readonly router: Router
  readonly tracker: DeliveryTracker
  readonly budgets: SenderBudgets
  readonly peers: PeerTable
  readonly mailbox: Mailbox
  readonly transmissions: Transmissions
  /** Peers that may send as much as they like. */
  readonly trusts: (peer: PeerKey) => boolean
  /** Counts, and tells. */
  refuse(peer: PeerKey, reason: Refusal): void
  /** Tells, and brings a peer that is back its mail. Undefined: nothing has changed. */
  onPeerChange(change: PeerChange | undefined): void
}

/** Signs `payload`, in clear, for `to`, and sends it straight or over `via`; nobody waits for it. */
export function sendSigned(
  context: Context,
  to: PeerKey,
  type: MessageType,
  payload: Uint8Array,
  via: readonly PeerKey[] = [],
): void {
  const { wire } = context.sealer.seal({ to, via, type, payload, timestamp: context.clock.wall })
  const [hop] = via
  if (hop === undefined) context.transmissions.send(to, wire)
  // the hop may be gone for good, and the way is signed
  else context.transmissions.send(hop, wire, (isAccepted) => isAccepted || sendSigned(context, to, type, payload))
}
