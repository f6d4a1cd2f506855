/** Why a relay is not connected, as an error that may be shown and logged: tokens and credentials are not in it. */
import { messageOf, quote } from '../../bytes/index.ts'
import type { RelayUrl } from '../../identity/index.ts'
import type { WebSocketEnd } from '../../platform/index.ts'
import { RelayProtocolError } from '../protocol/index.ts'

/**
 * `RELAY_UNSUPPORTED`: no WebSocket in this runtime; `RELAY_INVALID_URL`: the URL cannot be dialled; `RELAY_UNREACHABLE`: dial or upgrade failed;
 * `RELAY_TIMEOUT`: not connected in time; `RELAY_DENIED`: the relay does not let us in; `RELAY_PROTOCOL`: the relay broke the protocol; `RELAY_UNRESPONSIVE`:
 * a ping was not answered, or nothing could be sent; `RELAY_NETWORK_CHANGED`: our address is gone; `RELAY_CLOSED`: the relay, or something on the way, ended it.
 */
export type RelayErrorCode =
  | 'RELAY_UNSUPPORTED'
  | 'RELAY_INVALID_URL'
  | 'RELAY_UNREACHABLE'
  | 'RELAY_TIMEOUT'
  | 'RELAY_DENIED'
  | 'RELAY_PROTOCOL'
  | 'RELAY_UNRESPONSIVE'
  | 'RELAY_NETWORK_CHANGED'
  | 'RELAY_CLOSED'

/** A relay could not be connected, or its connection was lost. The transport goes on trying unless the code is RELAY_UNSUPPORTED or RELAY_INVALID_URL. */
export class RelayError extends Error {
  override readonly name = 'RelayError'
  /** Stable, for matching. */
  readonly code: RelayErrorCode
  /** The relay without query, credentials and fragment. */
  readonly relay: string

  constructor(code: RelayErrorCode, relay: string, what: string) {
    super(`relay ${relay}: ${what}`)
    this.code = code
    this.relay = relay
  }
}

/** Longest foreign text taken into a message, characters. */
const MAX_FOREIGN_TEXT = 300

/** The relay without query, credentials and fragment: a query may carry a token. */
export function relayLabel(url: RelayUrl): string {
  const { protocol, host, pathname } = url.toURL()
  return host === '' ? quote(protocol) : `${protocol}//${host}${pathname}`
}

/** What a failed dial said, on one line, cut, and without the secrets that its URL or headers held. */
export function foreignText(error: unknown, url: RelayUrl, token: string | undefined): string {
  let text = messageOf(error)
  const { search, username, password } = url.toURL()
  const secrets = [search, username, password, token ?? '', token === undefined ? '' : encodeURIComponent(token)]
  if (token !== undefined) secrets.push(new URLSearchParams({ token }).toString())
  for (const value of new URLSearchParams(search).values()) secrets.push(value)
  // the longest first: one may be part of another
  for (const secret of secrets.sort((left, right) => right.length - left.length)) {
    if (secret.length > 1) text = text.replaceAll(secret, '…')
  }
  return oneLine(text)
}

/** On one line, at most 300 characters: the text comes from a stranger and ends up in logs. */
export function oneLine(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
  return line.length > MAX_FOREIGN_TEXT ? `${line.slice(0, MAX_FOREIGN_TEXT - 1)}…` : line
}

/** How a link ended. */
export function closedText(end: WebSocketEnd): string {
  const reason = oneLine(end.reason)
  return `the connection ended (${end.code}${reason === '' ? '' : `: ${reason}`})`
}

/** What was wrong with what the relay sent. */
export function reasonOf(error: unknown): string {
  if (error instanceof RelayProtocolError) return error.reason
  return oneLine(messageOf(error))
}
