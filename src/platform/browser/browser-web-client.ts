/**
 * HTTP and WebSockets as a client in a browser, over the global `fetch` and `WebSocket` (spec/relay.md §1.7): no headers on a WebSocket, no
 * reasons for failures, no pausing. What the seam promises beyond that is made here: an end within 2 s, one call when the queue has drained.
 */
import { encodeUtf8, messageOf, parseUrl } from '../../bytes/index.ts'
import type {
  HttpAnswer,
  HttpGetOptions,
  WebClient,
  WebSocketEnd,
  WebSocketLink,
  WebSocketOptions,
} from '../platform.ts'
import { WebError } from '../web-error.ts'

/** `onDrain` is called when the queue falls to this, bytes; above it, the queue is looked at this often, ms: browsers tell nobody. */
const LOW_MARK = 64 * 1024
const LOOK_EVERY_MS = 10

/** How long the other side may take to answer a Close, ms. */
const CLOSE_TIMEOUT_MS = 2000

/** Of a body that is dropped, bytes (spec/relay.md §6.2). */
const MAX_BODY_BYTES = 8 * 1024

const NORMAL = 1000
const ABNORMAL = 1006
const TOO_BIG = 1009

const ignore = (): void => {}

export class BrowserWebClient implements WebClient {
  readonly canSetHeaders = false

  openWebSocket(options: WebSocketOptions): Promise<WebSocketLink> {
    const { url, signal } = options
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      let socket: WebSocket
      try {
        socket = new WebSocket(url, [...options.protocols])
      } catch (error) {
        reject(new WebError('WEB_URL', `cannot open a WebSocket to ${url}: ${messageOf(error)}`, undefined, error))
        return
      }
      socket.binaryType = 'arraybuffer'
      const settle = (): void => {
        socket.onopen = null
        socket.onclose = null
        signal?.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        settle()
        socket.close()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort)
      socket.onopen = () => {
        settle()
        resolve(new BrowserWebSocket(socket, options.maxMessageSize))
      }
      socket.onclose = () => {
        settle()
        reject(new WebError('WEB_CONNECT', `cannot open a WebSocket to ${hostOf(url)}: browsers do not tell why`))
      }
    })
  }

  async get(options: HttpGetOptions): Promise<HttpAnswer> {
    const { url, signal } = options
    signal?.throwIfAborted()
    let response: Response
    try {
      response = await fetch(url, {
        headers: options.headers ?? {},
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
        referrerPolicy: 'no-referrer',
        ...(signal === undefined ? {} : { signal }),
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw new WebError('WEB_CONNECT', `cannot reach ${hostOf(url)}: ${messageOf(error)}`, undefined, error)
    }
    if (response.body !== null) void dropBody(response.body)
    return { status: response.status, header: (name) => response.headers.get(name) ?? undefined }
  }
}

/** Reads up to 8 KiB, so that a short answer ends in peace, and cancels the rest. */
async function dropBody(body: ReadableStream<Uint8Array>): Promise<void> {
  try {
    const reader = body.getReader()
    for (let received = 0; received < MAX_BODY_BYTES; ) {
      const { done, value } = await reader.read()
      if (done) return
      received += value.length
    }
    await reader.cancel()
  } catch {
    // Broken off: nobody wanted it anyway.
  }
}

class BrowserWebSocket implements WebSocketLink {
  readonly protocol: string
  readonly localAddress = undefined
  onMessage: (message: Uint8Array) => void = ignore
  onClose: (end: WebSocketEnd) => void = ignore
  onDrain: () => void = ignore
  onRead: (bytes: number) => void = ignore
  onText: (text: string) => void = ignore
  readonly #socket: WebSocket
  readonly #maxMessageSize: number
  /** `close` was called: what still comes is dropped. */
  #isClosing = false
  #isOver = false
  #closeTimer: ReturnType<typeof setTimeout> | undefined = undefined
  #lookTimer: ReturnType<typeof setTimeout> | undefined = undefined

  constructor(socket: WebSocket, maxMessageSize: number) {
    this.protocol = socket.protocol
    this.#socket = socket
    this.#maxMessageSize = maxMessageSize
    socket.onmessage = (event) => this.#receive(event.data)
    socket.onclose = (event) => this.#finish({ code: event.code, reason: event.reason })
  }

  get queuedBytes(): number {
    return this.#isOver ? 0 : this.#socket.bufferedAmount
  }

  send(message: Uint8Array, start = 0, end: number = message.length): void {
    if (this.#isClosing || this.#isOver) return
    // The browser copies before `send` returns.
    this.#socket.send(message.subarray(start, end) as Uint8Array<ArrayBuffer>)
    if (this.#lookTimer === undefined && this.#socket.bufferedAmount > LOW_MARK) this.#lookLater()
  }

  sendText(text: string): void {
    if (this.#isClosing || this.#isOver) return
    this.#socket.send(text)
    if (this.#lookTimer === undefined && this.#socket.bufferedAmount > LOW_MARK) this.#lookLater()
  }

  flush(): void {}

  pause(): void {}

  resume(): void {}

  close(code: number, reason: string): void {
    if (this.#isClosing || this.#isOver) return
    this.#isClosing = true
    this.#closeTimer = setTimeout(
      () => this.#finish({ code: ABNORMAL, reason: 'the other side did not answer the Close' }),
      CLOSE_TIMEOUT_MS,
    )
    // Pages may say no other codes.
    if (code === NORMAL || (code >= 3000 && code <= 4999)) this.#socket.close(code, cutReason(reason))
    else this.#socket.close()
  }

  terminate(): void {
    if (this.#isOver) return
    this.#isClosing = true
    this.#socket.close()
    // Later, as everywhere: `onClose` never runs inside a call of the owner.
    queueMicrotask(() => this.#finish({ code: ABNORMAL, reason: 'terminated' }))
  }

  #receive(data: unknown): void {
    if (this.#isClosing) return
    if (data instanceof ArrayBuffer) {
      if (data.byteLength <= this.#maxMessageSize) this.onMessage(new Uint8Array(data))
      else this.#refuse(data.byteLength)
    } else if (typeof data === 'string' && this.onText !== ignore) {
      const length = utf8Length(data, this.#maxMessageSize)
      if (length <= this.#maxMessageSize) this.onText(data)
      else this.#refuse(length)
    }
  }

  #refuse(length: number): void {
    this.#isClosing = true
    this.#socket.close()
    this.#finish({ code: ABNORMAL, reason: `a message of ${length} bytes (${TOO_BIG}): too large` })
  }

  #finish(end: WebSocketEnd): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#isClosing = true
    clearTimeout(this.#closeTimer)
    clearTimeout(this.#lookTimer)
    this.#socket.onmessage = null
    this.#socket.onclose = null
    this.onClose(end)
  }

  #lookLater(): void {
    this.#lookTimer = setTimeout(() => {
      this.#lookTimer = undefined
      if (this.#isOver) return
      if (this.#socket.bufferedAmount > LOW_MARK) this.#lookLater()
      else this.onDrain()
    }, LOOK_EVERY_MS)
  }
}

/** Bytes of `text` in UTF-8. Exact only where that decides whether it is more than `limit`: a UTF-16 unit is one to three bytes. */
function utf8Length(text: string, limit: number): number {
  return text.length > limit || 3 * text.length <= limit ? text.length : encodeUtf8(text).length
}

/** Browsers refuse a reason of more than 123 bytes. */
function cutReason(reason: string): string {
  const out = new Uint8Array(123)
  const { written } = new TextEncoder().encodeInto(reason, out)
  return new TextDecoder().decode(out.subarray(0, written))
}

function hostOf(url: string): string {
  return parseUrl(url)?.host ?? url
}
