/** The door of `gossip/`: broadcast in swarms, over an endpoint. */
export { GossipError, type GossipErrorCode } from './errors.ts'
export {
  Gossip,
  type GossipEvent,
  type GossipMetrics,
  type GossipOptions,
  GossipPeerError,
  type GossipPeerErrorCode,
  GossipTopic,
  type JoinedOptions,
  type SubscribeOptions,
  type TopicName,
} from './net/gossip.ts'
export type { NeighborDownReason } from './proto/effects.ts'
export {
  type BroadcastSettings,
  DEFAULT_GOSSIP_PROFILE,
  type GossipProfile,
  type GraftTiming,
  type MembershipSettings,
  UPSTREAM_GOSSIP_PROFILE,
} from './proto/settings.ts'
export { TopicId } from './topic-id.ts'
