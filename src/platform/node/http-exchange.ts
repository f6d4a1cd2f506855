/**
 * One request and its whole answer over a connected socket (RFC 9112). Node's own client reads the body, whichever way it is framed; here are the
 * bounds, and that nothing is left of the socket.
 */
import { type IncomingMessage, request } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpRequestOptions, HttpResponse } from '../platform.ts'
import { WebError } from '../web-error.ts'

/** Of the answer's head, bytes. */
const MAX_HEAD_BYTES = 16 * 1024

/** Rejects with what `failed` makes, with WebError WEB_URL for a header that cannot be sent, or with the signal's reason. Destroys `socket` in any case. */
export function exchange(
  socket: Socket,
  target: { readonly authority: string; readonly path: string },
  options: HttpRequestOptions,
  signal: AbortSignal,
  failed: (reason: string, cause?: unknown) => Error,
): Promise<HttpResponse> {
  const { method, headers = {}, body = new Uint8Array(0), maxBody } = options
  return new Promise<HttpResponse>((resolve, reject) => {
    const onAbort = (): void => settle(() => reject(signal.reason))
    const settle = (tell: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      tell()
      socket.destroy()
    }
    const fail = (reason: string, cause?: unknown): void => settle(() => reject(failed(reason, cause)))
    const read = (answer: IncomingMessage): void => {
      const chunks: Buffer[] = []
      let received = 0
      answer.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received > maxBody) fail(`the answer is larger than ${maxBody} bytes`)
        else chunks.push(chunk)
      })
      answer.on('error', (error) => fail(error.message, error))
      answer.on('end', () => {
        const header = (name: string): string | undefined => {
          const value = answer.headers[name.toLowerCase()]
          return Array.isArray(value) ? value.join(', ') : value
        }
        settle(() => resolve({ status: answer.statusCode ?? 0, header, body: new Uint8Array(Buffer.concat(chunks)) }))
      })
    }
    if (signal.aborted) {
      onAbort()
      return
    }
    signal.addEventListener('abort', onAbort)
    try {
      const asked = request(
        {
          method,
          path: target.path,
          setHost: false,
          headers: { Host: target.authority, Connection: 'close', 'Content-Length': body.length, ...headers },
          maxHeaderSize: MAX_HEAD_BYTES,
          createConnection: () => socket,
        },
        read,
      )
      asked.on('error', (error) => fail(error.message, error))
      asked.end(body)
    } catch (error) {
      settle(() => reject(new WebError('WEB_URL', `the request cannot be sent: ${(error as Error).message}`)))
    }
  })
}
