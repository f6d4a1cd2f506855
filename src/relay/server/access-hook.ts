/**
 * Asks an HTTP server whether a client may come in: one POST per connection, allowed only by 200 with the body `true` (spec/relay.md §4.4).
 * Bounded in time, in answers read and in requests at once.
 */

import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { parseUrl } from '../../bytes/index.ts'
import { ALLOWED, DENIED } from './access.ts'
import { lineOf, RelayServerError } from './errors.ts'
import type { AccessControl, AccessDecision, AccessRequest } from './hub/index.ts'

export interface AccessHookOptions {
  /** `http:` or `https:`. */
  readonly url: string
  /** Sent as `Authorization: Bearer …`. */
  readonly bearerToken?: string
  /** For the whole answer, ms. Default 5,000: less than clients wait for their handshake. */
  readonly timeoutMs?: number
  /** PEM certificates trusted instead of Node's list. */
  readonly ca?: readonly string[]
}

const DEFAULT_TIMEOUT_MS = 5000
/** Connections to the hook; further requests wait for one within their time limit. */
const MAX_SOCKETS = 64
/** The one body that allows. */
const YES = 'true'
/** Bytes of an answer that are read: more is no `true`. */
const MAX_BODY = 64

export class AccessHook implements AccessControl {
  readonly #options: AccessHookOptions
  readonly #url: URL
  readonly #agent: HttpAgent

  /** Throws RelayServerError INVALID_OPTION for a URL that is none, or a token that cannot stand in a header. */
  constructor(options: AccessHookOptions) {
    const url = parseUrl(options.url)
    if (url === undefined || !/^https?:$/.test(url.protocol))
      throw new RelayServerError(
        'INVALID_OPTION',
        `access.http.url: expected an http or https URL, got ${JSON.stringify(options.url)}`,
      )
    if (options.bearerToken !== undefined && !/^[\x21-\x7e]+$/.test(options.bearerToken))
      throw new RelayServerError('INVALID_OPTION', 'access.http.bearer_token: expected visible ASCII without spaces')
    const pool = { keepAlive: true, maxSockets: MAX_SOCKETS }
    this.#options = options
    this.#url = url
    this.#agent =
      url.protocol === 'https:'
        ? new HttpsAgent({ ...pool, ...(options.ca === undefined ? {} : { ca: [...options.ca] }) })
        : new HttpAgent(pool)
  }

  /** Rejects when the hook could not be asked, or failed: then the hub denies, counts and tells. */
  async allow({ id }: AccessRequest): Promise<AccessDecision> {
    try {
      return (await this.#ask(id.toString())) ? ALLOWED : DENIED
    } catch (error) {
      throw new Error(`the access hook at ${this.#url.origin}: ${lineOf(error)}`, { cause: error })
    }
  }

  /** Ends the connections to the hook. */
  close(): void {
    this.#agent.destroy()
  }

  /** Rejects when there was no answer, or one that is neither `true` nor a refusal. */
  #ask(id: string): Promise<boolean> {
    const { bearerToken, timeoutMs = DEFAULT_TIMEOUT_MS } = this.#options
    const headers = {
      'X-Iroh-NodeId': id,
      'X-Iroh-Endpoint-Id': id,
      'Content-Length': '0',
      ...(bearerToken === undefined ? {} : { Authorization: `Bearer ${bearerToken}` }),
    }
    const signal = AbortSignal.timeout(timeoutMs)
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void =>
        reject(signal.aborted ? new Error(`no answer within ${timeoutMs} ms`) : error)
      const options = { method: 'POST', headers, agent: this.#agent, signal }
      const request: ClientRequest =
        this.#url.protocol === 'https:' ? requestHttps(this.#url, options) : requestHttp(this.#url, options)
      request.on('error', fail)
      request.on('response', (response) => {
        readBody(response)
          .then((body) => isYes(response, body))
          .then(resolve, fail)
      })
      request.end()
    })
  }
}

function isYes({ statusCode = 0 }: IncomingMessage, body: string): boolean {
  if (statusCode >= 500) throw new Error(`it answered ${statusCode}`)
  return statusCode === 200 && body === YES
}

/** The first bytes; the rest is not waited for. */
function readBody(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let body = ''
    response.setEncoding('latin1')
    response.on('data', (text: string) => {
      body += text
      if (body.length <= MAX_BODY) return
      resolve(body)
      response.destroy()
    })
    response.on('end', () => resolve(body))
    response.on('error', reject)
    response.on('close', () => reject(new Error('the answer was cut')))
  })
}
