/**
 * The server's half of the relay handshake (spec/relay.md §2.2): who is it (by the header of the upgrade request, else by a challenge), then the
 * decision of its owner, then yes or no. Time limits and the access decision itself are the owner's.
 */
import type { CryptoProvider } from '../../crypto/index.ts'
import { EndpointId } from '../../identity/index.ts'
import type { ExportKeyingMaterial, RandomSource } from '../../platform/index.ts'
import { verifyClientAuthHeader } from './auth-header.ts'
import { FrameType, frameName } from './constants.ts'
import { RelayProtocolError } from './errors.ts'
import {
  CHALLENGE_LENGTH,
  challengeMessage,
  decodeHandshakeFrame,
  encodeChallenge,
  encodeConfirm,
  encodeDeny,
  NOT_AUTHORIZED,
  SIGNATURE_INVALID,
} from './handshake-frames.ts'

/**
 * `new`: call `start`; `challenged`: the answer is awaited; `proven`: `id` is known, call `confirm` or `deny`; `done`: frames flow now;
 * `denied`: drop the connection once the denial is sent; `failed`: the client broke the protocol, drop it at once.
 */
export type ServerHandshakeState = 'new' | 'challenged' | 'proven' | 'done' | 'denied' | 'failed'

export interface ServerHandshakeOptions {
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  /** Value of `CLIENT_AUTH_HEADER` in the upgrade request. */
  readonly authHeader?: string | undefined
  /** Of the TLS session that carries the connection; undefined without TLS or behind a proxy. */
  readonly exporter?: ExportKeyingMaterial | undefined
}

export class ServerHandshake {
  readonly #crypto: CryptoProvider
  #state: ServerHandshakeState
  #challenge: Uint8Array
  #id: EndpointId | undefined
  #isByHeader: boolean

  /** Checks the header, if there is one. */
  constructor(options: ServerHandshakeOptions) {
    const { crypto, random, authHeader, exporter } = options
    const proven = authHeader === undefined ? undefined : verifyClientAuthHeader(crypto, authHeader, exporter)
    this.#crypto = crypto
    this.#state = 'new'
    this.#challenge = new Uint8Array(CHALLENGE_LENGTH)
    this.#id = proven === undefined ? undefined : EndpointId.fromVerifiedKey(proven)
    this.#isByHeader = proven !== undefined
    if (proven === undefined) random.fill(this.#challenge)
  }

  get state(): ServerHandshakeState {
    return this.#state
  }

  /** Who the client is: known from `proven` on. */
  get id(): EndpointId | undefined {
    return this.#state === 'new' ? undefined : this.#id
  }

  /** Whether the header spared the challenge. */
  get isByHeader(): boolean {
    return this.#isByHeader
  }

  /** Returns the challenge to send, or undefined when the header has proven the client: then the state is `proven`. */
  start(): Uint8Array | undefined {
    this.#expect('new', 'start')
    if (this.#id !== undefined) {
      this.#state = 'proven'
      return undefined
    }
    this.#state = 'challenged'
    return encodeChallenge(this.#challenge)
  }

  /**
   * Takes a message of the client, which can only be the answer to the challenge. Then the state is `proven`, or `denied` and the denial to send is
   * returned. Throws RelayProtocolError for everything else, also for a message that comes before the client was let in: drop it without a word.
   */
  receive(message: Uint8Array): Uint8Array | undefined {
    const before = this.#state
    this.#state = 'failed'
    if (before !== 'challenged') throw new RelayProtocolError(`a message that nobody asked for (${before})`)
    const frame = decodeHandshakeFrame(message)
    if (frame.type !== FrameType.ClientAuth) throw new RelayProtocolError(`${frameName(frame.type)} from a client`)
    if (!this.#crypto.verify(frame.publicKey, challengeMessage(this.#challenge), frame.signature)) {
      expectPoint(frame.publicKey)
      this.#state = 'denied'
      return encodeDeny(SIGNATURE_INVALID)
    }
    this.#id = EndpointId.fromVerifiedKey(frame.publicKey)
    this.#state = 'proven'
    return undefined
  }

  /** The client may come in: returns the frame that tells it so. */
  confirm(): Uint8Array {
    this.#expect('proven', 'confirm')
    this.#state = 'done'
    return encodeConfirm()
  }

  /** The client may not come in: returns the frame that tells it so. `reason` is cut to 256 characters. */
  deny(reason = NOT_AUTHORIZED): Uint8Array {
    this.#expect('proven', 'deny')
    this.#state = 'denied'
    return encodeDeny(reason)
  }

  #expect(state: ServerHandshakeState, call: string): void {
    if (this.#state !== state) throw new Error(`${call}() belongs to the state ${state}, not ${this.#state}`)
  }
}

/** A key that is none is bytes that cannot be decoded, not a bad signature (spec/relay.md §2.6). Asked only when no signature speaks for the key. */
function expectPoint(publicKey: Uint8Array): void {
  try {
    EndpointId.fromBytes(publicKey)
  } catch {
    throw new RelayProtocolError('ClientAuth (1) with a public key that is no point of the curve')
  }
}
