/**
 * Standard input of `tom gossip` as lines. A read of 0 bytes is the end, as is the end of the stream (spec/gossip.md §14.4, bug 3), and a line longer than a
 * message is counted, not stored.
 */

export type InputLine =
  | { readonly kind: 'line'; readonly text: string }
  /** More than the limit; so many bytes. */
  | { readonly kind: 'too-long'; readonly bytes: number }

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * Lines without their line end (LF or CRLF); the last needs none. Empty lines are left out. Lines of more than `maxBytes` bytes come as `too-long`. Bytes that are no UTF-8
 * become U+FFFD. Reads no further than it is asked to: the reader's pace is the writer's.
 */
export async function* readLines(
  input: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<InputLine, void, undefined> {
  const line = new LineBuffer(maxBytes)
  for await (const chunk of input) {
    if (chunk.length === 0) break
    let start = 0
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start)
      if (end < 0) break
      line.append(chunk.subarray(start, end))
      const complete = line.take()
      if (complete !== undefined) yield complete
      start = end + 1
    }
    line.append(chunk.subarray(start))
  }
  const last = line.take()
  if (last !== undefined) yield last
}

/** The line that is being read; what is beyond the limit is only counted. */
class LineBuffer {
  readonly #bytes: Uint8Array
  readonly #maxBytes: number
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #length = 0
  #last = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#bytes = new Uint8Array(maxBytes)
  }

  append(part: Uint8Array): void {
    const kept = part.subarray(0, Math.max(0, this.#bytes.length - this.#length))
    this.#bytes.set(kept, Math.min(this.#length, this.#bytes.length))
    this.#length += part.length
    this.#last = part.at(-1) ?? this.#last
  }

  /** The line, which is over; undefined when it is empty. */
  take(): InputLine | undefined {
    const length = this.#length > 0 && this.#last === CARRIAGE_RETURN ? this.#length - 1 : this.#length
    this.#length = 0
    if (length === 0) return undefined
    if (length > this.#maxBytes) return { kind: 'too-long', bytes: length }
    return { kind: 'line', text: this.#decoder.decode(this.#bytes.subarray(0, length)) }
  }
}
