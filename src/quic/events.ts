/**
 * Control events of a connection and their queue. Bytes are never in here: they are pulled by reading, which is the back-pressure;
 * a stream is announced as readable once until it was read empty.
 */
import type { AddressBytes } from '../platform/index.ts'
import type { CloseReason } from './errors.ts'
import type { PathStatus } from './path/path.ts'
import type { Route } from './path/route.ts'

export type ConnectionEvent =
  /** The handshake is complete on this side: peer key and ALPN are known. A server may still refuse a client's key until `confirmed`. Comes before any stream event. */
  | { readonly type: 'connected' }
  /** RFC 9001 §4.1.2. */
  | { readonly type: 'confirmed' }
  /** The peer opened a stream: `streams.accept` has one. */
  | { readonly type: 'stream-incoming'; readonly bidirectional: boolean }
  /** `streams.open` can succeed again. */
  | { readonly type: 'stream-available'; readonly bidirectional: boolean }
  | { readonly type: 'stream-readable'; readonly id: number }
  | { readonly type: 'stream-writable'; readonly id: number }
  /** The peer reads no more (STOP_SENDING). */
  | { readonly type: 'stream-stopped'; readonly id: number; readonly code: number }
  /** Everything including FIN was acknowledged. */
  | { readonly type: 'stream-finished'; readonly id: number }
  | { readonly type: 'datagram' }
  | { readonly type: 'datagram-writable' }
  /** A path beside the first was opened, by us or by the peer (multipath). It carries data once it is validated. */
  | { readonly type: 'path-opened'; readonly path: number; readonly route: Route }
  | { readonly type: 'path-validated'; readonly path: number; readonly route: Route }
  | { readonly type: 'path-migrated'; readonly path: number; readonly route: Route }
  /** Data goes over this path first from now on (several paths). */
  | { readonly type: 'path-preferred'; readonly path: number; readonly route: Route }
  /** Several probes in a row went unanswered on the path; once until the next answer. What waited there goes another way if there is one. */
  | { readonly type: 'path-suspect'; readonly path: number; readonly route: Route }
  /** Nothing is sent on the path any more. `code` is what the PATH_ABANDON says; `byPeer`: it came from there. */
  | {
      readonly type: 'path-abandoned'
      readonly path: number
      readonly route: Route
      readonly code: number
      readonly byPeer: boolean
    }
  /** Nothing is received on the path any more either; after `path-abandoned`. */
  | { readonly type: 'path-discarded'; readonly path: number }
  /** What the peer prefers of the path has changed (PATH_STATUS). */
  | { readonly type: 'path-status'; readonly path: number; readonly status: PathStatus }
  /** What kept `openPath` from opening a path is gone. */
  | { readonly type: 'paths-available' }
  /** The peer sees our packets on this path come from here (OBSERVED_ADDRESS); IPv4 as 4 bytes. */
  | { readonly type: 'observed-address'; readonly path: number; readonly address: AddressBytes }
  /** Client: the server's addresses have changed: `remoteCandidates` has them (NAT traversal). Waits once at most. */
  | { readonly type: 'remote-candidates' }
  /** Server: the client asks to be probed: `reachOuts` has the addresses of its newest round. Waits once at most. */
  | { readonly type: 'reach-out' }
  /** Client: the peer answered a probe on `route`, or a challenge that rode on an answer to a probe of its own: a path can be opened there. */
  | { readonly type: 'probe-answered'; readonly route: Route }
  /** A message of the peer (`sendMessage`). While 16 wait, further ones are dropped. */
  | { readonly type: 'message'; readonly payload: Uint8Array }
  /** `watchPaths`: the peer answers on another path and not on this one, and no burst of loss explains that. Once for each silence. */
  | { readonly type: 'path-dead'; readonly path: number; readonly route: Route }
  /** A token to present in a later `connect` to the same server (NEW_TOKEN). */
  | { readonly type: 'token'; readonly token: Uint8Array }
  /** Once; nothing but `close-answered` and `drained` follows. */
  | { readonly type: 'closed'; readonly reason: CloseReason }
  /** We closed, and the peer has said that it knows: whoever closes the socket need not wait for `drained` (RFC 9000 §10.2). */
  | { readonly type: 'close-answered' }
  /** The last: the engine has forgotten the connection. */
  | { readonly type: 'drained' }

/** First in, first out; taken one at a time. */
export class EventQueue {
  #events: ConnectionEvent[] = []
  #next = 0

  push(event: ConnectionEvent): void {
    this.#events.push(event)
  }

  /** Takes the place of an event of the same type about the same path that waits: what it told is outdated, and a peer can send many. */
  replace(event: ConnectionEvent & { readonly path: number }): void {
    const index = this.#events.findIndex(
      (other, at) => at >= this.#next && other.type === event.type && 'path' in other && other.path === event.path,
    )
    if (index !== -1) this.#events.splice(index, 1)
    this.#events.push(event)
  }

  /** Adds one unless `limit` of its type wait already: for what a peer can send many of and nobody needs all. */
  pushUpTo(limit: number, event: ConnectionEvent): void {
    let waiting = 0
    for (let at = this.#next; at < this.#events.length; at++) if (this.#events[at]!.type === event.type) waiting++
    if (waiting < limit) this.#events.push(event)
  }

  /** Events that wait. */
  get length(): number {
    return this.#events.length - this.#next
  }

  take(): ConnectionEvent | undefined {
    if (this.#next >= this.#events.length) return undefined
    const event = this.#events[this.#next++]
    if (this.#next === this.#events.length) {
      this.#events.length = 0
      this.#next = 0
    }
    return event
  }

  /** Stream and datagram events of a connection that ended mean nothing any more. */
  clear(): void {
    this.#events.length = 0
    this.#next = 0
  }
}
