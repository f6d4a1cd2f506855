/**
 * The sending half of a stream as the application sees it: writes that wait while buffers are full, in order. Owns nothing of the
 * stream's state, which is `quic/streams`'.
 */
import type { EndpointId } from '../identity/index.ts'
import { StreamError as QuicStreamError } from '../quic/index.ts'
import { type ConnectionClosedError, StreamError } from './errors.ts'
import type { StreamHost } from './stream-host.ts'
import { Settled, type WaitOptions, WaitQueue } from './wait.ts'

/** How a sending half ended. */
export type SendStreamEnd =
  /** `finish` was called and the peer has acknowledged every byte. */
  | { readonly kind: 'finished' }
  /** `reset` was called here. */
  | { readonly kind: 'reset'; readonly code: number }
  /** The peer reads no more. */
  | { readonly kind: 'stopped'; readonly code: number }
  | { readonly kind: 'connection-closed'; readonly error: ConnectionClosedError }

const DONE = Promise.resolve()

export class SendStream {
  /** QUIC stream id, unique in the connection. */
  readonly id: number
  /** Resolves when this half is over, one way or another; never rejects. */
  readonly closed: Promise<SendStreamEnd>
  readonly #host: StreamHost
  readonly #writable = new WaitQueue()
  readonly #end = new Settled<SendStreamEnd>()
  /** The last of the writes that wait, settled either way. */
  #tail: Promise<void> | undefined = undefined
  #isOver = false
  #stopCode: number | undefined = undefined
  #web: WritableStream<Uint8Array> | undefined = undefined

  /** Made by `Connection`. */
  constructor(id: number, host: StreamHost) {
    this.id = id
    this.#host = host
    this.closed = this.#end.promise
  }

  /** The peer's stop code once it stops reading; undefined if the half ends otherwise. Never rejects. */
  get stopped(): Promise<number | undefined> {
    return this.closed.then((end) => (end.kind === 'stopped' ? end.code : undefined))
  }

  /**
   * Resolves when all of `bytes` is taken over (copied), which waits while the peer's windows or our send buffer (default 10 MB a connection)
   * are full; there is no time limit but the connection's idle timeout. Writes are sent in the order of the calls. An aborted write may have been
   * taken in part: `reset` the stream then. Throws StreamError (STREAM_FINISHED, STREAM_STOPPED, STREAM_RESET) or ConnectionClosedError.
   */
  write(bytes: Uint8Array, { signal }: WaitOptions = {}): Promise<void> {
    if (this.#tail !== undefined) return this.#queue(() => this.#writeFrom(bytes, 0, signal))
    try {
      signal?.throwIfAborted()
      const taken = this.#take(bytes, 0)
      if (taken === bytes.length) return DONE
      return this.#queue(() => this.#writeFrom(bytes, taken, signal))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** No more will be written. Resolves when the end is taken over, after all writes before it; `closed` tells when the peer has it. */
  finish(): Promise<void> {
    const finish = async (): Promise<void> => this.#verb(() => this.#host.streams.finish(this.id))
    return this.#tail === undefined ? finish() : this.#queue(finish)
  }

  /** Gives up: what was not delivered is dropped, and the peer's reads fail with `code`. No effect on a half that is over. */
  reset(code = 0): void {
    if (this.#isOver || this.#host.closeError !== undefined) return
    this.#verb(() => this.#host.streams.reset(this.id, code))
    this.end({ kind: 'reset', code })
  }

  /** Streams of a higher priority go first; all begin at 0. */
  setPriority(priority: number): void {
    this.#verb(() => this.#host.streams.setPriority(this.id, priority))
  }

  /** The same as a Web Stream: closing finishes, aborting resets with code 0. */
  get writable(): WritableStream<Uint8Array> {
    this.#web ??= new WritableStream<Uint8Array>({
      write: (chunk) => this.write(chunk),
      close: () => this.finish(),
      abort: () => this.reset(0),
    })
    return this.#web
  }

  // Called by the connection.

  onWritable(): void {
    this.#writable.wake()
  }

  end(end: SendStreamEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    if (end.kind === 'stopped') this.#stopCode = end.code
    this.#end.resolve(end)
    this.#host.sendOver(this.id)
    // Whoever waits tries again and meets the error that fits.
    this.#writable.wake()
  }

  /** Runs after the writes that wait, whether those succeed or not. */
  #queue(work: () => Promise<void>): Promise<void> {
    const mine = this.#tail === undefined ? work() : this.#tail.then(work)
    const settled = mine.then(
      () => {},
      () => {},
    )
    this.#tail = settled
    settled.then(() => {
      if (this.#tail === settled) this.#tail = undefined
    })
    return mine
  }

  async #writeFrom(bytes: Uint8Array, start: number, signal: AbortSignal | undefined): Promise<void> {
    let at = start
    for (;;) {
      signal?.throwIfAborted()
      at += this.#take(bytes, at)
      if (at === bytes.length) return
      await this.#writable.wait(signal)
    }
  }

  #take(bytes: Uint8Array, start: number): number {
    return this.#verb(() => this.#host.streams.write(this.id, bytes, start, bytes.length))
  }

  #verb<T>(verb: () => T): T {
    try {
      const result = verb()
      this.#host.touch()
      return result
    } catch (error) {
      throw this.#translate(error)
    }
  }

  #translate(error: unknown): unknown {
    const { closeError, remoteId } = this.#host
    if (!(error instanceof QuicStreamError)) return error
    if (error.code === 'CONNECTION_CLOSED' || closeError !== undefined) return closeError ?? error
    return streamError(error, remoteId, this.id, this.#stopCode)
  }
}

/** The application's error for that of `quic/streams`. */
function streamError(error: QuicStreamError, peer: EndpointId, id: number, stopCode: number | undefined): StreamError {
  const peerCode = stopCode ?? error.peerCode
  if (peerCode !== undefined) {
    return new StreamError(
      'STREAM_STOPPED',
      `the peer stopped reading with code ${peerCode}; write no more to it`,
      peer,
      id,
      peerCode,
    )
  }
  switch (error.code) {
    case 'STREAM_FINISHED':
      return new StreamError('STREAM_FINISHED', 'it was finished; open another stream to send more', peer, id)
    case 'STREAM_RESET':
      return new StreamError('STREAM_RESET', 'it was reset here; open another stream to send more', peer, id)
    default:
      return new StreamError('STREAM_OVER', 'it is over; open another stream to send more', peer, id)
  }
}
