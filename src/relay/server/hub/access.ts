/** Who may use a relay: the question that is asked once for each connection, after its key is proven (spec/relay.md §2.5). Rules are the server's. */
import type { EndpointId } from '../../../identity/index.ts'
import type { RelayProtocol } from '../../protocol/index.ts'

export interface AccessRequest {
  /** Proven. */
  readonly id: EndpointId
  readonly protocol: RelayProtocol
  /** Path and query of the upgrade request. */
  readonly url: string
  /** Of the `Authorization` header, else of the query. */
  readonly token: string | undefined
  readonly remoteAddress: string
}

export type AccessDecision =
  | { readonly allowed: true }
  /** `reason` is told to the client; default `not authorized`. At most 256 characters of it. */
  | { readonly allowed: false; readonly reason?: string }

export interface AccessControl {
  /** To throw, or to reject, is to deny. What takes longer than the handshake may is too late. */
  allow(request: AccessRequest): Promise<AccessDecision> | AccessDecision
  /** Once for each connection that was let in, when it has ended. What it throws is logged. */
  left?(client: { readonly id: EndpointId; readonly remoteAddress: string }): void
}
