/** What a bridge needs of a node, what it tells, and its settings. `TomNode` fits; tests bring their own. */
import type { WaitOptions } from '../../endpoint/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import type { DeliveryState } from '../routing/delivery-state.ts'
import type { SignatureState } from '../v1/v1-envelope.ts'
import type { PeerKey } from '../wire/envelope.ts'

export interface BridgeNode {
  readonly id: EndpointId
  send(to: EndpointId, bytes: Uint8Array): Promise<BridgeReceipt>
  /** Asking for the next one acknowledges it: the bridge asks only when it has room and the signalling server is there. */
  messages(options?: WaitOptions): AsyncIterableIterator<BridgeMail>
}

/** The state of a message and those that follow; ends when nothing can follow. */
export type BridgeReceipt = AsyncIterable<{ readonly state: DeliveryState }>

export interface BridgeMail {
  /** Proved. */
  readonly from: EndpointId
  readonly bytes: Uint8Array
}

/** Somebody who is registered at the signalling server; who it is, only the server says. */
export interface V1Participant {
  readonly id: PeerKey
  /** At most 64 characters; anybody may call themselves anything. */
  readonly name: string
  /** X25519, 64 hex digits, as the server says; undefined: none. */
  readonly encryptionKey: string | undefined
}

/** Why a message to a v1 peer was given up. */
export type UndeliveredReason =
  /** Not signed by its sender, not a chat, or not to a v1 peer. */
  | 'refused'
  /** The bridge does not speak for this sender. */
  | 'not-presented'
  /** Too many of this sender's messages are under way. */
  | 'busy'
  /** The v1 peer did not come. */
  | 'absent'
  /** The v1 peer is there and did not acknowledge. */
  | 'no-answer'

export type BridgeEvent =
  /** The signalling server answers, or does not any more: it is tried again. */
  | { readonly kind: 'up' }
  | { readonly kind: 'down'; readonly reason: string }
  | { readonly kind: 'joined' | 'left'; readonly participant: V1Participant }
  /** A v2 peer is presented to the v1 side, or not any more. */
  | { readonly kind: 'presented' | 'withdrawn'; readonly peer: PeerKey }
  /** A text is on its way; `signatureState` says what proves the author. */
  | {
      readonly kind: 'text'
      readonly direction: 'to-v1' | 'to-v2'
      readonly id: string
      readonly from: PeerKey
      readonly to: PeerKey
      readonly signatureState: SignatureState
    }
  /** Acknowledged on the far side, and told to the author. */
  | { readonly kind: 'delivered' | 'read'; readonly direction: 'to-v1' | 'to-v2'; readonly id: string }
  | {
      readonly kind: 'undelivered'
      readonly direction: 'to-v1' | 'to-v2'
      readonly id: string
      readonly reason: UndeliveredReason | 'failed'
    }

/** Counters; they only grow, but `inFlight`, `presented` and `participants`, which are what there is. */
export interface BridgeMetrics {
  /** Texts carried, and acknowledgements that came back for them. */
  textsToV1: number
  textsToV2: number
  acksToV1: number
  acksToV2: number
  /** Passed on between v1 peers that chose one of ours as their relay. */
  forwarded: number
  /** Texts to v1 peers that were given up. */
  undelivered: number
  /** Of the signalling server: messages or envelopes that could not be read or must not be. */
  refused: number
  /** Beyond a rate or a bound. */
  flooded: number
  /** Types that no bridge carries: groups, backups, presence. */
  notCarried: number
  /** Messages from v2 peers that are no v1 envelopes. */
  foreignMail: number
  /** Connections to the signalling server that were lost. */
  reconnects: number
  inFlight: number
  presented: number
  participants: number
}

/** All of it can be set, for tests and unusual servers. Times in ms. Guesses, where nothing else is said. */
export interface BridgeSettings {
  /** v2 peers presented at most; each is a WebSocket. Default 64. */
  readonly maxPresented: number
  /** v1 peers known at most. Default 4,096. */
  readonly maxParticipants: number
  /** The earlier stack's own 5 s; who is silent for 20 s is offline there. */
  readonly heartbeatMs: number
  /** After so long without a sign the server is asked for one, and has this long to answer. Defaults 15 s and 10 s. */
  readonly probeMs: number
  readonly probeTimeoutMs: number
  /** From the dial to the first list of participants. Default 10 s. */
  readonly connectTimeoutMs: number
  /** A connection that lasted so long resets the back-off. Default 5 s. */
  readonly steadyMs: number
  /** Read from one connection, a second, and four times that at once; beyond it the server has to wait. Default 1 MiB. */
  readonly readBytesPerSecond: number
  /** Queued to one connection; beyond it the connection is given up. Default 1 MiB. */
  readonly maxQueuedBytes: number
  /** UTF-8 bytes of an envelope that crosses: it must fit into a sealed one. Default 100,000. */
  readonly maxEnvelopeLength: number
  /** Envelopes to one presented peer, a second, and five times that at once. Default 10. */
  readonly perPeerPerSecond: number
  /** Envelopes to all of them together, the same: a bad signature on a large one costs some 10 ms. Default 100. */
  readonly perSecond: number
  /** Envelopes passed on between v1 peers, a second, and five times that at once. Default 50. */
  readonly forwardsPerSecond: number
  /** Texts to v2 peers that wait for their acknowledgement, in all and for one. Defaults 1,000 and 200. */
  readonly maxToV2: number
  readonly maxToV2PerPeer: number
  /** Ids of texts from the v1 side that are remembered. Default 10,000. */
  readonly maxSeen: number
  /** Texts to v1 peers that wait for their acknowledgement, in all and from one. Defaults 256 and 32. */
  readonly maxToV1: number
  readonly maxToV1PerPeer: number
  /** Such a text is sent again so often, and given up after so long. Defaults 10 s and 60 s. */
  readonly resendMs: number
  readonly holdMs: number
}

export const BRIDGE_DEFAULTS: BridgeSettings = {
  maxPresented: 64,
  maxParticipants: 4_096,
  heartbeatMs: 5_000,
  probeMs: 15_000,
  probeTimeoutMs: 10_000,
  connectTimeoutMs: 10_000,
  steadyMs: 5_000,
  readBytesPerSecond: 1_048_576,
  maxQueuedBytes: 1_048_576,
  maxEnvelopeLength: 100_000,
  perPeerPerSecond: 10,
  perSecond: 100,
  forwardsPerSecond: 50,
  maxToV2: 1_000,
  maxToV2PerPeer: 200,
  maxSeen: 10_000,
  maxToV1: 256,
  maxToV1PerPeer: 32,
  resendMs: 10_000,
  holdMs: 60_000,
}
