/** Servers that say exactly what a test tells them, plain or over TLS, and a CONNECT proxy. */
import { connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { LookupFamily } from '../../../src/platform/node/dial-tcp.ts'
import { webSocketAccept } from '../../../src/platform/node/index.ts'
import { NodeWebClient, type NodeWebClientOptions } from '../../../src/platform/node/node-web-client.ts'
import { testCertificates } from './certificates.ts'
import { type Cleanup, listen } from './loopback.ts'

export interface Said {
  /** All heads that came, as they came. */
  readonly requests: string[]
  readonly sockets: Socket[]
  readonly port: number
}

export type Answer = (request: string, socket: Socket) => string | Buffer | undefined

/** Answers each head of a request with what `answer` gives; undefined: with silence. */
export async function scripted(
  cleanup: Cleanup,
  answer: Answer,
  tls?: { readonly cert: string; readonly key: string },
): Promise<Said> {
  const requests: string[] = []
  const sockets: Socket[] = []
  const serve = (socket: Socket): void => {
    sockets.push(cleanup.add(socket))
    socket.on('error', () => {})
    let text = ''
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1')
      if (!text.includes('\r\n\r\n')) return
      const request = text
      text = ''
      requests.push(request)
      const said = answer(request, socket)
      if (said !== undefined) socket.write(typeof said === 'string' ? Buffer.from(said, 'latin1') : said)
    }
    socket.on('data', onData)
  }
  const server =
    tls === undefined ? createServer(serve) : createTlsServer({ ...tls, ALPNProtocols: ['h2', 'http/1.1'] }, serve)
  cleanup.add(server)
  server.on('connection', (socket: Socket) => cleanup.add(socket))
  server.on('tlsClientError', () => {})
  return { requests, sockets, port: await listen(server) }
}

/** The answer that makes a request a WebSocket; `more` are further header lines. */
export function accepted(request: string, more: readonly string[] = []): string {
  const key = /^sec-websocket-key: (.*)$/im.exec(request)![1]!.trim()
  return [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: websocket',
    'connection: upgrade',
    `sec-websocket-accept: ${webSocketAccept(key)}`,
    ...more,
    '\r\n',
  ].join('\r\n')
}

export interface ConnectProxy extends Said {
  /** Further answers than 200. */
  answer: (request: string) => string | undefined
}

/** Opens tunnels to loopback ports, whatever the host is called. */
export async function connectProxy(
  cleanup: Cleanup,
  tls?: { readonly cert: string; readonly key: string },
): Promise<ConnectProxy> {
  const proxy: ConnectProxy = { requests: [], sockets: [], port: 0, answer: () => undefined }
  const said = await scripted(
    cleanup,
    (request, socket) => {
      const other = proxy.answer(request)
      if (other !== undefined) return other
      const port = Number(/^CONNECT \S+:(\d+) /.exec(request)![1])
      socket.removeAllListeners('data')
      const onward = cleanup.add(connect(port, '127.0.0.1'))
      onward.on('error', () => socket.destroy())
      onward.on('connect', () => {
        socket.write('HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n')
        socket.pipe(onward).pipe(socket)
      })
      socket.on('close', () => onward.destroy())
      onward.on('close', () => socket.destroy())
      return undefined
    },
    tls,
  )
  return Object.assign(proxy, said)
}

/** `*.test` and `*.test.` are this machine, over IPv4 only. */
export const lookupTest: LookupFamily = (host, family) =>
  family === 4 && /\.test\.?$/.test(host) ? Promise.resolve(['127.0.0.1']) : Promise.reject(new Error(`no ${host}`))

export const certificates: ReturnType<typeof testCertificates> = testCertificates()

/** A client that trusts the test's authority and has no proxy, unless told otherwise. */
export function webClient(options: NodeWebClientOptions = {}): NodeWebClient {
  return new NodeWebClient({ ca: [certificates.ca], environment: {}, lookup: lookupTest, ...options })
}

/** What the server's side of a TLS socket knows about the client's wishes. */
export function tlsOf(socket: Socket | undefined): TLSSocket & { readonly servername: string | false } {
  return socket as TLSSocket & { readonly servername: string | false }
}
