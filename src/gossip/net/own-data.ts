/** What we say of ourselves: how to reach us, as bytes, kept true while our addresses change (spec/gossip.md §4.6). */
import type { Endpoint } from '../../endpoint/index.ts'
import { encodeAddrInfo } from '../wire/addr-info.ts'

export class OwnData {
  readonly #endpoint: Endpoint
  readonly #abort = new AbortController()
  #bytes: Uint8Array

  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint
    this.#bytes = encodeAddrInfo(endpoint.addr())
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Calls `onChange` when `bytes` are others, until `close` or the end of the endpoint. Never rejects. */
  async watch(onChange: () => void): Promise<void> {
    try {
      for await (const addr of this.#endpoint.addrChanges({ signal: this.#abort.signal })) {
        this.#bytes = encodeAddrInfo(addr)
        onChange()
      }
    } catch {
      // closed
    }
  }

  close(): void {
    this.#abort.abort()
  }
}
