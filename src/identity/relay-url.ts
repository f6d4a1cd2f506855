/**
 * `RelayUrl`: the identity of a relay, which is its normalised URL string (WHATWG), spec/endpoint.md §1.2. A trailing dot of the host
 * is kept: to iroh `https://r.example./` and `https://r.example/` are two relays. Whether a URL can be dialled is the relay client's question.
 */
import { parseUrl, quote } from '../bytes/index.ts'
import { IdentityError } from './errors.ts'

/** Immutable. */
export class RelayUrl {
  /** Normalised: lower-case host, no default port, a path. */
  readonly href: string

  private constructor(href: string) {
    this.href = href
  }

  /** Reads any absolute URL, as iroh does. Throws IdentityError INVALID_RELAY_URL. */
  static parse(text: string): RelayUrl {
    const url = parseUrl(text)
    if (url === undefined) {
      throw new IdentityError('INVALID_RELAY_URL', `expected a URL like https://relay.example/, got ${quote(text)}`)
    }
    return new RelayUrl(url.href)
  }

  toURL(): URL {
    return new URL(this.href)
  }

  toString(): string {
    return this.href
  }

  toJSON(): string {
    return this.href
  }

  equals(other: RelayUrl): boolean {
    return this.href === other.href
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `RelayUrl(${this.href})`
  }
}
