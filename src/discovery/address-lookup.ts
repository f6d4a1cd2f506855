/** The seam of address lookup: whatever knows, or can find out, where an endpoint is (spec/endpoint.md §12). */
import type { EndpointAddr, EndpointId } from '../identity/index.ts'

export interface AddressLookup {
  /**
   * What is known of `id`; undefined: nothing. What has to ask elsewhere gives a promise, which settles in bounded time and is only waited for when
   * nobody else knows anything; `signal` says that the answer is not wanted any more.
   */
  lookup(id: EndpointId, signal: AbortSignal | undefined): LookupAnswer | Promise<LookupAnswer>
}

export type LookupAnswer = EndpointAddr | undefined
