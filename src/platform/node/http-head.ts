/**
 * Heads of HTTP/1.1 messages for a client that wants no more (RFC 9112 §2 to §6): requests are written line by line, the response's head is read
 * strictly and within bounds. Bodies are not read here.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { Socket } from 'node:net'
import { WebError } from '../web-error.ts'
import { socketStep } from './socket-step.ts'

/** Bounds of a response's head: bytes, and header lines. */
const MAX_HEAD_BYTES = 16 * 1024
const MAX_HEADER_LINES = 200

/** Informational responses (1xx) in front of the real one. */
const MAX_INTERIM = 8

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/
/** Blanks around the value are cut afterwards: in the pattern they would make its time grow with the square of the line. */
const HEADER_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)$/

export interface ResponseHead {
  readonly status: number
  readonly statusText: string
  /** Names in lower case; lines of the same name are joined by comma and space. */
  readonly headers: ReadonlyMap<string, string>
}

/** A whole request without a body. Throws WebError WEB_URL for a name or value that could break out of its line. */
export function requestHead(firstLine: string, headers: readonly (readonly [string, string])[]): string {
  let head = `${firstLine} HTTP/1.1\r\n`
  for (const [name, value] of headers) {
    try {
      validateHeaderName(name)
      validateHeaderValue(name, value)
    } catch (error) {
      throw new WebError('WEB_URL', `the header ${JSON.stringify(name)} cannot be sent: ${(error as Error).message}`)
    }
    head += `${name}: ${value}\r\n`
  }
  return `${head}\r\n`
}

/** Reads a head, given without the empty line at its end. Returns what is wrong as a text. */
export function parseResponseHead(text: string): ResponseHead | string {
  const lines = text.split('\r\n')
  const statusLine = STATUS_LINE.exec(lines[0]!)
  if (statusLine === null) return 'the answer is not HTTP/1.1'
  if (lines.length - 1 > MAX_HEADER_LINES) return `the answer has more than ${MAX_HEADER_LINES} header lines`
  const headers = new Map<string, string>()
  for (const line of lines.slice(1)) {
    const parts = HEADER_LINE.exec(line)
    if (parts === null) return 'the answer has a malformed header line'
    const name = parts[1]!.toLowerCase()
    const value = withoutBlanks(parts[2]!)
    const former = headers.get(name)
    headers.set(name, former === undefined ? value : `${former}, ${value}`)
  }
  return { status: Number(statusLine[2]), statusText: statusLine[3] ?? '', headers }
}

/** RFC 9110 §5.6.3: blanks and tabs around a value do not belong to it; other white space does. */
function withoutBlanks(text: string): string {
  const isBlank = (at: number): boolean => text[at] === ' ' || text[at] === '\t'
  let [start, end] = [0, text.length]
  while (start < end && isBlank(start)) start++
  while (end > start && isBlank(end - 1)) end--
  return text.slice(start, end)
}

/** Where the empty line that ends a head begins; -1 when it has not come. */
function endOfHead(bytes: Buffer): number {
  return bytes.indexOf('\r\n\r\n', 0, 'latin1')
}

/**
 * Waits for the head of the final response (or 101) and gives it with what came behind it. The socket is paused then. Whatever goes wrong
 * destroys it: `failed` makes the error.
 */
export function readResponseHead(
  socket: Socket,
  signal: AbortSignal,
  failed: (reason: string, cause?: unknown) => Error,
): Promise<{ readonly head: ResponseHead; readonly rest: Buffer }> {
  return socketStep(socket, signal, failed, (step) => {
    let bytes: Buffer = Buffer.alloc(0)
    let interim = 0
    step.on('data', (chunk: Buffer) => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk])
      for (;;) {
        const end = endOfHead(bytes)
        if (end > MAX_HEAD_BYTES || (end < 0 && bytes.length > MAX_HEAD_BYTES)) {
          step.fail(failed(`the answer's head is larger than ${MAX_HEAD_BYTES} bytes`))
          return
        }
        if (end < 0) return
        const head = parseResponseHead(bytes.toString('latin1', 0, end))
        bytes = bytes.subarray(end + 4)
        if (typeof head === 'string') {
          step.fail(failed(head))
          return
        }
        if (head.status >= 200 || head.status === 101) {
          socket.pause()
          step.done({ head, rest: bytes })
          return
        }
        if (++interim > MAX_INTERIM) {
          step.fail(failed('too many informational answers'))
          return
        }
      }
    })
    socket.resume()
  })
}
