/**
 * From an HTTP request for `/relay` to a client of the hub: the checks of spec/relay.md §1.3, the answer 101, and what the hub has to know of
 * the request. Nothing of the request outlives this.
 */

import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { canonicalIpText } from '../../bytes/index.ts'
import type { ExportKeyingMaterial } from '../../platform/index.ts'
import { NodeWebSocket, type WebSocketMemory, webSocketAccept } from '../../platform/node/index.ts'
import { CLIENT_AUTH_HEADER, checkUpgrade, MAX_RELAY_FRAME } from '../protocol/index.ts'
import type { RelayHub } from './hub/index.ts'
import { type Answer, refusal } from './routes.ts'

/** A frame type may be written in up to 8 bytes where one would do, and what is behind it may have 65,536; larger ends the link with 1009. */
const MAX_MESSAGE = MAX_RELAY_FRAME + 8

/** The refusal of a request for `/relay` that is no upgrade to node:http, because it lacks `Connection: Upgrade`. */
export function refuseUpgrade(request: IncomingMessage): Answer {
  const check = checkUpgrade(request.method ?? '', request.headersDistinct)
  return check.ok
    ? refusal(400, 'the header Connection must be: Upgrade')
    : refusal(check.status, check.text, check.headers)
}

/** Undefined: the socket is the hub's now. */
export function upgrade(
  request: IncomingMessage,
  socket: Socket,
  head: Uint8Array,
  hub: RelayHub,
  memory: WebSocketMemory,
): Answer | undefined {
  const headers = request.headersDistinct
  const check = checkUpgrade(request.method ?? '', headers)
  if (!check.ok) return refusal(check.status, check.text, check.headers)
  if (request.httpVersion !== '1.1') return refusal(400, 'an upgrade needs HTTP/1.1')
  const { protocol, key } = check
  // Native clients take at most 25 header lines.
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${webSocketAccept(key)}\r\nSec-WebSocket-Protocol: ${protocol}\r\n\r\n`,
  )
  const authHeader = headers[CLIENT_AUTH_HEADER]?.[0]
  const link = new NodeWebSocket(socket, { role: 'server', protocol, head, maxMessageSize: MAX_MESSAGE, memory })
  hub.accept(link, {
    protocol,
    url: request.url ?? '',
    authorization: headers.authorization ?? [],
    authHeader,
    exporter: authHeader === undefined ? undefined : exporterOf(socket),
    remoteAddress: canonicalIpText(socket.remoteAddress ?? ''),
  })
  return undefined
}

/** Of the TLS session that ends here; undefined without one. */
function exporterOf(socket: Socket): ExportKeyingMaterial | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  return (label, context, length) =>
    Uint8Array.from(
      socket.exportKeyingMaterial(length, label, Buffer.from(context.buffer, context.byteOffset, context.length)),
    )
}
