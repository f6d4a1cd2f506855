/**
 * A link whose client is not let in yet: proof of its key, access decision, yes or no, all within one time limit (spec/relay.md §2.2, §2.5, §2.6). What it
 * holds is gone when the client is in; a client that sends anything but its proof is dropped, so nothing it sends is kept.
 */
import { messageOf } from '../../../bytes/index.ts'
import type { EndpointId } from '../../../identity/index.ts'
import type { ExportKeyingMaterial, WebSocketEnd, WebSocketLink } from '../../../platform/index.ts'
import { bearerToken, type RelayProtocol, RelayProtocolError, ServerHandshake } from '../../protocol/index.ts'
import type { AccessDecision } from './access.ts'
import { ignore } from './client-connection.ts'
import type { HubDeadlined } from './deadlines.ts'
import type { HubContext } from './hub-context.ts'
import type { RelayLogEntry, RelayLogEvent } from './log.ts'
import { ReadGate } from './read-gate.ts'

/** What the upgrade request said. */
export interface RelayClientRequest {
  readonly protocol: RelayProtocol
  /** Path and query. */
  readonly url: string
  /** The `Authorization` lines. */
  readonly authorization: readonly string[]
  /** Value of `CLIENT_AUTH_HEADER`. */
  readonly authHeader: string | undefined
  /** Of the TLS session; undefined without TLS of our own. */
  readonly exporter: ExportKeyingMaterial | undefined
  readonly remoteAddress: string
}

/** Who takes over when the handshake is through. */
export interface PendingClientOwner {
  /** The access rules let the client in. Returns why it is not let in after all, or undefined when `confirm` may be sent. */
  objection(id: EndpointId): string | undefined
  /** The client was told that it is in: the link is the owner's, with the gate it was read through. */
  admitted(pending: PendingClient, id: EndpointId, gate: ReadGate | undefined): void
  /** The handshake is over, either way. One that is not let in may take seconds for its Close. */
  finished(pending: PendingClient): void
  /** The link has ended, and was not taken over. */
  ended(): void
}

export class PendingClient implements HubDeadlined {
  deadline: number
  heapIndex: number
  readonly link: WebSocketLink
  readonly request: RelayClientRequest
  readonly #context: HubContext
  readonly #owner: PendingClientOwner
  readonly #handshake: ServerHandshake
  #gate: ReadGate | undefined
  #isDone: boolean

  constructor(context: HubContext, link: WebSocketLink, request: RelayClientRequest, owner: PendingClientOwner) {
    const { crypto, platform } = context
    const { authHeader, exporter } = request
    this.deadline = Number.POSITIVE_INFINITY
    this.heapIndex = -1
    this.link = link
    this.request = request
    this.#context = context
    this.#owner = owner
    this.#handshake = new ServerHandshake({ crypto, random: platform.random, authHeader, exporter })
    this.#gate = undefined
    this.#isDone = false
  }

  start(): void {
    const { deadlines, limits, platform } = this.#context
    this.link.onMessage = (message) => this.#receive(message)
    this.link.onClose = (end) => this.#onClose(end)
    this.applyRateLimit()
    deadlines.set(this, platform.now() + limits.handshakeTimeoutMs)
    const challenge = this.#handshake.start()
    if (challenge === undefined) this.#decide()
    else this.link.send(challenge)
  }

  /** The limit of the hub; see `ReadGate.setRate`. */
  applyRateLimit(): void {
    const { rateLimit, deadlines, counters, platform } = this.#context
    if (rateLimit === undefined && this.#gate === undefined) return
    this.#gate ??= new ReadGate(this.link, deadlines, counters)
    this.#gate.setRate(rateLimit, platform.now())
    const gate = this.#gate
    this.link.onRead = (bytes) => gate.take(bytes, platform.now())
  }

  /** Says Close and forgets the client. */
  close(code: number, reason: string): void {
    if (this.#finish()) this.link.close(code, reason)
  }

  onDeadline(): void {
    this.#context.counters.tom_handshake_timeouts++
    const what = this.#handshake.state === 'proven' ? 'the access decision took' : 'the client took'
    this.#report('warn', 'handshake-timeout', `${what} longer than ${this.#context.limits.handshakeTimeoutMs} ms`)
    this.close(1008, 'handshake timed out')
  }

  #receive(message: Uint8Array): void {
    const { counters } = this.#context
    let denial: Uint8Array | undefined
    try {
      denial = this.#handshake.receive(message)
    } catch (error) {
      if (!(error instanceof RelayProtocolError)) throw error
      counters.tom_protocol_errors_handshake++
      this.#report('warn', 'protocol-error', error.reason)
      this.close(1002, 'protocol error')
      return
    }
    if (denial === undefined) {
      this.#decide()
      return
    }
    counters.tom_signature_errors++
    this.#report('warn', 'denied', 'its signature does not hold')
    this.link.send(denial)
    this.close(1008, 'denied')
  }

  #decide(): void {
    const { access } = this.#context
    const { protocol, url, authorization, remoteAddress } = this.request
    if (access === undefined) {
      this.#settle({ allowed: true })
      return
    }
    let answer: Promise<AccessDecision> | AccessDecision
    try {
      const token = bearerToken(authorization, url)
      answer = access.allow({ id: this.#handshake.id!, protocol, url, token, remoteAddress })
    } catch (error) {
      this.#accessFailed(error)
      return
    }
    if (!('then' in answer)) {
      this.#settle(answer)
      return
    }
    answer.then(
      (decision) => this.#settle(decision),
      (error) => this.#accessFailed(error),
    )
  }

  #settle(decision: AccessDecision): void {
    if (this.#isDone) return
    if (!decision.allowed) {
      this.#context.counters.tom_denied++
      this.#deny(decision.reason, decision.reason ?? 'not authorized')
      return
    }
    const id = this.#handshake.id!
    const objection = this.#owner.objection(id)
    if (objection !== undefined) {
      this.#deny(objection, objection)
      return
    }
    const gate = this.#gate
    this.#gate = undefined
    this.#finish()
    this.link.send(this.#handshake.confirm())
    this.#owner.admitted(this, id, gate)
  }

  #accessFailed(error: unknown): void {
    if (this.#isDone) return
    this.#context.counters.tom_access_errors++
    const text = messageOf(error)
    this.#report('error', 'access-failed', `denied, because the access rules failed: ${text}`)
    this.link.send(this.#handshake.deny())
    this.close(1008, 'denied')
  }

  #deny(reason: string | undefined, logged: string): void {
    this.#report('info', 'denied', logged)
    this.link.send(this.#handshake.deny(reason))
    this.close(1008, 'denied')
  }

  #onClose(end: WebSocketEnd): void {
    if (!this.#isDone) {
      this.#context.counters.tom_handshakes_abandoned++
      this.#report('debug', 'abandoned', `left before it was let in (${end.code})`)
      this.#finish()
    }
    this.#owner.ended()
  }

  /** Nothing of the handshake goes on; only the end of the link is still awaited. False when it was done before. */
  #finish(): boolean {
    if (this.#isDone) return false
    this.#isDone = true
    this.link.onMessage = ignore
    this.#gate?.end()
    if (this.#gate !== undefined) this.link.onRead = ignore
    this.#context.deadlines.set(this, Number.POSITIVE_INFINITY)
    this.#owner.finished(this)
    return true
  }

  #report(level: RelayLogEntry['level'], event: RelayLogEvent, message: string): void {
    this.#context.report(level, event, message, this.request.remoteAddress, this.#handshake.id)
  }
}
