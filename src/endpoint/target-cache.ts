/**
 * Dialled texts and what they say. Reading one asks whether the id is a point of the curve, which takes half a millisecond, and applications
 * dial the same peers again and again.
 */
import { type EndpointAddr, parseTarget } from '../identity/index.ts'

/** Texts remembered; the oldest goes first. */
const MAX_TEXTS = 256
/** Longer texts than this are read each time: a ticket has a few hundred characters. */
const MAX_LENGTH = 1024

export class TargetCache {
  readonly #known = new Map<string, EndpointAddr>()

  /** As `parseTarget`. Throws IdentityError. */
  parse(text: string): EndpointAddr {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const addr = parseTarget(text)
    if (text.length > MAX_LENGTH) return addr
    if (this.#known.size >= MAX_TEXTS) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest)
        break
      }
    }
    this.#known.set(text, addr)
    return addr
  }
}
