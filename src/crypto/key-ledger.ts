/**
 * Counts the key handles of one provider that were made and not yet freed, so that tests can prove that nothing leaks. It holds
 * no keys itself; the handles do, and report here.
 */

export class KeyLedger {
  #live = 0

  get live(): number {
    return this.#live
  }

  opened(): void {
    this.#live++
  }

  closed(): void {
    this.#live--
  }
}

/** What every use of a handle after `free()` throws: a defect of the caller, never caused by a peer. */
export function freedError(): Error {
  return new Error('the key was freed')
}
