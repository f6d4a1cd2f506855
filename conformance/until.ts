/** Waiting for what a test expects. */

/** Longest wait for something that should come within milliseconds. */
const WAIT_MS = 10_000

/** Resolves when the condition holds; asked every few milliseconds. Rejects with `what`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = WAIT_MS,
): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${limitMs / 1000} s`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
