/**
 * The receiving half of a stream as the application sees it: chunks, in order, as fast as they are read; not reading is the
 * back-pressure. Owns nothing of the stream's state, which is `quic/streams`'.
 */
import { StreamError as QuicStreamError } from '../quic/index.ts'
import { StreamError } from './errors.ts'
import type { StreamHost } from './stream-host.ts'
import { type WaitOptions, WaitQueue } from './wait.ts'

/** Bytes one chunk may have unless the caller says otherwise: what moves cheaply through promises (spec/fast-path.md §5). */
const DEFAULT_CHUNK = 65_536
/** A reader that had this much, bytes, before it last ran out of data is in the middle of something large. */
const LARGE_READ = 4096
/** Then so much is collected before it is woken, bytes: a wake-up costs as much as receiving a packet. */
const WORTH_WAKING = 16_384
/** For so many turns of the event loop at most, and only while more comes in. */
const MAX_TURNS = 4

export class RecvStream implements AsyncIterable<Uint8Array> {
  /** QUIC stream id, unique in the connection. */
  readonly id: number
  readonly #host: StreamHost
  readonly #readable = new WaitQueue()
  #isOver = false
  /** The end of the stream was read: it is reported again and again. */
  #isAtEnd = false
  #resetCode: number | undefined = undefined
  #isStopped = false
  /** Bytes read since the reader last ran out of data, and between the two times before that. */
  #run = 0
  #lastRun = 0
  /** A wake-up is put off; the bytes that waited when it was last looked at, and the turns since. */
  #isCollecting = false
  #collected = 0
  #turns = 0
  #web: ReadableStream<Uint8Array> | undefined = undefined

  /** Made by `Connection`. */
  constructor(id: number, host: StreamHost) {
    this.id = id
    this.#host = host
  }

  /**
   * The next 1 to `max` bytes (default 65,536), or undefined at the end of the stream. Waits for data; there is no time limit but the
   * connection's idle timeout. The bytes are the caller's to keep, not to write into. Throws StreamError (STREAM_RESET, STREAM_STOPPED) or ConnectionClosedError;
   * what had arrived before the connection closed can still be read.
   */
  async read(max: number = DEFAULT_CHUNK, { signal }: WaitOptions = {}): Promise<Uint8Array | undefined> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.#isAtEnd) return undefined
      const result = this.#tryRead(max)
      if (result !== 'empty') return result
      if (this.#run > 0) {
        this.#lastRun = this.#run
        this.#run = 0
      }
      await this.#readable.wait(signal)
    }
  }

  /**
   * Everything up to the end of the stream, joined. More than `limit` bytes are refused with StreamError TOO_LONG, and the stream is stopped. Other
   * errors and the time limit are those of `read`.
   */
  async readToEnd(limit: number, options: WaitOptions = {}): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let length = 0
    for (;;) {
      const chunk = await this.read(DEFAULT_CHUNK, options)
      if (chunk === undefined) break
      length += chunk.length
      if (length > limit) {
        this.stop(0)
        const text = `more than the limit of ${limit} bytes arrived; raise the limit or read in pieces`
        throw new StreamError('TOO_LONG', text, this.#host.remoteId, this.id)
      }
      chunks.push(chunk)
    }
    const [only] = chunks
    if (only !== undefined && chunks.length === 1) return only
    const joined = new Uint8Array(length)
    let at = 0
    for (const chunk of chunks) {
      joined.set(chunk, at)
      at += chunk.length
    }
    return joined
  }

  /** Gives up reading: what comes is thrown away and the peer's writes fail with `code`. No effect on a half that is over. */
  stop(code = 0): void {
    if (this.#isOver) return
    this.#isStopped = true
    try {
      this.#host.streams.stopSending(this.id, code)
    } catch (error) {
      // Over in this very moment: then there is nothing to stop.
      if (!(error instanceof QuicStreamError)) throw error
    }
    this.#host.touch()
    this.#over()
    this.#readable.wake()
  }

  /** Chunks until the end; leaving the loop early stops the stream with code 0. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const chunk = await this.read()
        if (chunk === undefined) return
        yield chunk
      }
    } finally {
      this.stop(0)
    }
  }

  /** The same as a Web Stream: cancelling stops with code 0. */
  get readable(): ReadableStream<Uint8Array> {
    this.#web ??= new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const chunk = await this.read()
          if (chunk === undefined) controller.close()
          else controller.enqueue(chunk)
        },
        cancel: () => this.stop(0),
      },
      { highWaterMark: 0 },
    )
    return this.#web
  }

  // Called by the connection.

  /** Something can be read, or the connection ended: whoever waits looks again. */
  onReadable(): void {
    if (this.#lastRun < LARGE_READ || this.#readable.size === 0) {
      this.#readable.wake()
      return
    }
    if (this.#isCollecting) return
    this.#isCollecting = true
    this.#collected = 0
    this.#turns = 0
    this.#collect()
  }

  /** Wakes the reader, or waits another turn for more to hand out at once. A turn is a few microseconds; one that brings nothing ends the wait. */
  readonly #collect = (): void => {
    const { streams } = this.#host
    const waiting = this.#isOver ? Number.POSITIVE_INFINITY : streams.waiting(this.id)
    if (waiting < WORTH_WAKING && waiting > this.#collected && this.#turns++ < MAX_TURNS) {
      this.#collected = waiting
      this.#host.defer(this.#collect)
      return
    }
    this.#isCollecting = false
    this.#readable.wake()
  }

  #tryRead(max: number): Uint8Array | undefined | 'empty' {
    const { streams, closeError, remoteId } = this.#host
    if (this.#isStopped) {
      throw new StreamError('STREAM_STOPPED', 'it was stopped here; there is nothing to read', remoteId, this.id)
    }
    if (this.#resetCode !== undefined) throw this.#reset(this.#resetCode)
    let result: ReturnType<typeof streams.read>
    try {
      result = streams.read(this.id, max)
    } catch (error) {
      if (error instanceof QuicStreamError) throw closeError ?? error
      throw error
    }
    if (result === 'empty') return 'empty'
    // Reading gave the peer credit, or freed its place for another stream.
    this.#host.touch()
    if (result === 'fin') {
      this.#isAtEnd = true
      this.#over()
      return undefined
    }
    if (result.kind === 'data') {
      this.#run += result.bytes.length
      return result.bytes
    }
    this.#resetCode = result.code
    this.#over()
    throw this.#reset(result.code)
  }

  #reset(code: number): StreamError {
    const text = `the peer gave up sending with code ${code}; what is missing never comes`
    return new StreamError('STREAM_RESET', text, this.#host.remoteId, this.id, code)
  }

  #over(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#host.receiveOver(this.id)
  }
}
