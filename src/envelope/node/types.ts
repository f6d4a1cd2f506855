/** What the public classes of this room take and give. Types only. */
import type { ConnectTarget, EndpointOptions, WaitOptions } from '../../endpoint/index.ts'
import type { GossipOptions, TopicName } from '../../gossip/index.ts'
import type { EndpointId } from '../../identity/index.ts'
import type { Folder } from '../../platform/index.ts'
import type { Liveness } from '../peers/liveness.ts'
import type { DeliveryState } from '../routing/delivery-state.ts'
import type { Role } from '../wire/bodies.ts'

/** What a node is, besides its endpoint. */
export interface TomNodeParts {
  /** The swarm to be part of; a text is read by `TopicId.parse`. Default: ToM's own, `tom-protocol-gossip-discovery-v1`. */
  readonly topic?: TopicName
  /** Members of the swarm to join; one is enough, none is fine: then somebody has to join us. */
  readonly bootstrap?: readonly ConnectTarget[]
  /** Where undelivered messages outlive this process. Default: nowhere, they are kept in memory. */
  readonly storage?: Folder
  /** What we call ourselves, at most 64 bytes of UTF-8; anybody may call themselves anything. Default: empty. */
  readonly name?: string
  /** Peers that may send as much as they like, for the application knows them; others may send 10 to 50 messages a second, by what they do for others (lock 5), and faster ones wait. Default: nobody. */
  readonly trusts?: (peer: EndpointId) => boolean
  /** Options of the gossip below. Default: none, and both names of the protocol are spoken. */
  readonly gossip?: GossipOptions
}

/** All options of an endpoint but its ALPNs, which are the node's, and those of the node. */
export interface TomNodeOptions extends Omit<EndpointOptions, 'alpns'>, TomNodeParts {}

export interface SendOptions extends WaitOptions {
  /** Not encrypted, only signed. Default false. */
  readonly isClear?: boolean
  /** Hops to take, at most 4, each of which passes the envelope on without being able to read it. Default: none; one is chosen when the recipient cannot be reached straight. */
  readonly via?: readonly EndpointId[]
}

export interface DeliveredOptions extends WaitOptions {
  /** Give up waiting after this, ms. Default: when the state becomes `failed`, after 90 to 105 s. */
  readonly timeoutMs?: number
}

/** A message from somebody, handed over once. Taking it acknowledges it. */
export interface IncomingMessage {
  readonly id: string
  /** Proved by the signature. */
  readonly from: EndpointId
  /** Yours to keep. */
  readonly bytes: Uint8Array
  /** By the sender's clock, ms since 1970. */
  readonly sentAt: number
  readonly isEncrypted: boolean
  /** The author is bound into the encryption (W6): nobody passed off another's text as his own. Only nodes of ours do that. */
  readonly isAuthorBound: boolean
  /** Hops the sender chose. */
  readonly via: readonly EndpointId[]
  /** Who brought it: the author, a hop, or a node that kept it. */
  readonly broughtBy: EndpointId
  /** Tells the sender that somebody has seen it. Never rejects. */
  markRead(): void
}

export interface ReceiptState {
  readonly state: DeliveryState
  /** How many other nodes keep the message for the recipient. */
  readonly holders: number
  /** When it became so, ms since 1970. */
  readonly at: number
}

export interface PeerInfo {
  readonly id: EndpointId
  /** What it calls itself. */
  readonly name: string
  readonly liveness: Liveness
  readonly role: Role
  /** It proved its key to us, by a signature or a connection. */
  readonly isVerified: boolean
  /** The path in use, where there is a connection. */
  readonly path: PeerPath | undefined
}

export interface PeerPath {
  readonly kind: 'relay' | 'direct'
  /** `ip:port` or the relay's URL. */
  readonly remote: string
  /** Smoothed round trip, ms; 0 before the first sample. */
  readonly rttMs: number
}

export type PeerEvent = {
  readonly kind: 'online' | 'stale' | 'offline' | 'forgotten' | 'changed'
  readonly peer: EndpointId
  readonly name: string
  readonly role: Role
  readonly isVerified: boolean
}

/** The path in use to a peer has changed; `path` undefined: there is no connection any more. */
export interface NodePathEvent {
  readonly peer: EndpointId
  readonly path: PeerPath | undefined
}

/** A frame of the earlier stack, as it came. */
export interface V1Frame {
  /** UTF-8 of a JSON object, presumably. */
  readonly frame: Uint8Array
  /** Whose connection brought it; not necessarily its author. */
  readonly from: EndpointId
}
