/** Whom a topic tried to join, for the message of an error: nothing depends on it. */
import { messageOf } from '../../bytes/index.ts'

/** Remembered at most, the last ones; and named in a message. */
const MAX = 32
const NAMED = 5
/** Characters of a peer's key that are shown. */
const SHORT = 10

export class JoinAttempts {
  readonly #keys = new Set<string>()

  began(key: string): void {
    this.#keys.delete(key)
    this.#keys.add(key)
    if (this.#keys.size <= MAX) return
    for (const oldest of this.#keys) {
      this.#keys.delete(oldest)
      return
    }
  }

  /** It is, or was, a neighbour. */
  over(key: string): void {
    this.#keys.delete(key)
  }

  /** What was tried and what to do; `errorOf` says why a peer could not be dialled. */
  describe(errorOf: (key: string) => unknown): string {
    if (this.#keys.size === 0) return 'nobody was tried: name peers to join, or wait until somebody joins us'
    const tried = [...this.#keys]
    const texts = tried.slice(0, NAMED).map((key) => {
      const error = errorOf(key)
      const why = error === undefined ? 'no answer' : messageOf(error)
      return `${key.slice(0, SHORT)} (${why})`
    })
    const more = tried.length > NAMED ? ` and ${tried.length - NAMED} more` : ''
    return `tried ${texts.join(', ')}${more}; check that these peers run, have subscribed this topic and speak the same ALPN`
  }
}
