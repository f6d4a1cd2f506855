/**
 * The client's half of the relay handshake (spec/relay.md §2.2): answers the server's challenge, if one comes, and waits for yes or no. The header that may
 * spare the challenge is `auth-header.ts`; the 10 s that all this may take are the connection's.
 */
import type { Signer } from '../../crypto/index.ts'
import { FrameType, frameName } from './constants.ts'
import { RelayProtocolError } from './errors.ts'
import { challengeMessage, decodeHandshakeFrame, encodeClientAuth } from './handshake-frames.ts'

/**
 * `waiting`: for the server's first frame; `answered`: a challenge was answered; `done`: frames flow now; `denied`: the server said no, see
 * `reason`; `failed`: the server broke the protocol.
 */
export type ClientHandshakeState = 'waiting' | 'answered' | 'done' | 'denied' | 'failed'

export class ClientHandshake {
  readonly #signer: Signer
  #state: ClientHandshakeState
  #reason: string

  /** `signer` is of the endpoint's secret key; it is used during `receive` only, and not freed. */
  constructor(signer: Signer) {
    this.#signer = signer
    this.#state = 'waiting'
    this.#reason = ''
  }

  get state(): ClientHandshakeState {
    return this.#state
  }

  /** Why the server denied, in its words: one line, at most 256 characters. Empty in other states. */
  get reason(): string {
    return this.#reason
  }

  /**
   * Takes a message of the server and returns what to send back, if anything; then look at `state`. Throws RelayProtocolError when the frame may
   * not come here, and for every message after the end of the handshake.
   */
  receive(message: Uint8Array): Uint8Array | undefined {
    const before = this.#state
    this.#state = 'failed'
    if (before !== 'waiting' && before !== 'answered') {
      throw new RelayProtocolError(`a message after the handshake ended (${before})`)
    }
    const frame = decodeHandshakeFrame(message)
    switch (frame.type) {
      case FrameType.ServerChallenge:
        // one challenge, one signature: a server cannot have us sign at will
        if (before !== 'waiting') throw new RelayProtocolError('a second ServerChallenge (0)')
        this.#state = 'answered'
        return encodeClientAuth(this.#signer.publicKey, this.#signer.sign(challengeMessage(frame.challenge)))
      case FrameType.ServerConfirmsAuth:
        this.#state = 'done'
        return undefined
      case FrameType.ServerDeniesAuth:
        this.#state = 'denied'
        this.#reason = frame.reason
        return undefined
      case FrameType.ClientAuth:
        throw new RelayProtocolError(`${frameName(frame.type)} from a server`)
    }
  }
}
