/** The door of `gossip/`: broadcast in swarms, over an endpoint. */
export { GossipError, type GossipErrorCode } from './errors.ts'
export { DEFAULT_PROFILE, type GossipProfile, UPSTREAM_PROFILE } from './proto/settings.ts'
export { TopicId } from './topic-id.ts'
