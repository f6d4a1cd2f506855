/** Answers that cost something to find, remembered within bounds. */

/** Two generations, so that forgetting costs nothing: the older one goes when the younger is full. */
export class RecentAnswers<Answer> {
  readonly #half: number
  #young = new Map<string, Answer>()
  #old = new Map<string, Answer>()

  /** `capacity`: answers at most. */
  constructor(capacity: number) {
    this.#half = Math.max(1, Math.floor(capacity / 2))
  }

  /** Answers remembered. */
  get size(): number {
    return this.#young.size + this.#old.size
  }

  /** Undefined: not remembered. What is asked for again and again stays. */
  get(question: string): Answer | undefined {
    const known = this.#young.get(question)
    if (known !== undefined) return known
    const older = this.#old.get(question)
    if (older !== undefined) this.set(question, older)
    return older
  }

  set(question: string, answer: Answer): void {
    this.#old.delete(question)
    this.#young.set(question, answer)
    if (this.#young.size < this.#half) return
    this.#old = this.#young
    this.#young = new Map()
  }
}
