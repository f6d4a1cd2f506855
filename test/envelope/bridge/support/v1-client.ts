/**
 * A peer of the earlier stack, as small as it can be: registers, writes texts (unsigned, as everybody there, unless told to sign), acknowledges what it gets, passes on what is for others, and
 * encrypts where the server says a key.
 */
import { WebSocket } from 'ws'
import { encodeHex } from '../../../../src/bytes/index.ts'
import { secretBoxPublicKey } from '../../../../src/crypto/index.ts'
import { isV1Box, openV1Box, sealV1Box } from '../../../../src/envelope/v1/v1-box.ts'
import { writeV1 } from '../../../../src/envelope/v1/v1-writer.ts'
import type { EndpointId } from '../../../../src/identity/index.ts'
import { until } from '../../../platform/support/loopback.ts'
import { SimRandom } from '../../../sim/support/random.ts'
import { CRYPTO } from '../../v1/support.ts'

export interface V1Json {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly via: readonly string[]
  readonly type: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly timestamp: number
  readonly signature: string
}

interface Peer {
  readonly nodeId: string
  readonly username: string
  readonly encryptionKey?: string
}

export class V1Client {
  readonly id: string
  /** Texts to us, opened. */
  readonly texts: { readonly from: string; readonly text: string; readonly isEncrypted: boolean }[] = []
  /** `received <id>`, `relayed <id>`, `read <id>`: what others say of texts of ours. */
  readonly acks: string[] = []
  /** All envelopes to us. */
  readonly envelopes: V1Json[] = []
  peers: readonly Peer[] = []
  /** Texts are not acknowledged while this is set. */
  isSilent = false
  /** Encrypt where the recipient has a key. */
  encrypts = true
  readonly #seed: Uint8Array
  readonly #secret: Uint8Array
  readonly #random: SimRandom
  readonly #socket: WebSocket
  #count = 0

  constructor(url: string, seed: number, username = `v1-${seed}`) {
    this.#seed = new Uint8Array(32).fill(seed)
    this.#secret = new Uint8Array(32).fill(seed + 100)
    this.#random = new SimRandom(`v1 client ${seed}`)
    this.id = encodeHex(CRYPTO.signer(this.#seed).publicKey)
    this.#socket = new WebSocket(url)
    this.#socket.on('error', () => {})
    this.#socket.on('open', () => {
      const encryptionKey = encodeHex(this.encryptionKey)
      this.sendRaw({ type: 'register', nodeId: this.id, username, publicKey: this.id, encryptionKey })
    })
    this.#socket.on('message', (data) => this.#receive(JSON.parse(String(data))))
  }

  get encryptionKey(): Uint8Array {
    return secretBoxPublicKey(this.#secret)
  }

  /** Waits until the server lists `id`. */
  async sees(id: EndpointId | string): Promise<void> {
    await until(() => this.peers.some(({ nodeId }) => nodeId === id.toString()), `${id} at the server`)
  }

  /** Returns the id of the envelope. */
  write(
    to: EndpointId | string,
    text: string,
    { isSigned = false, via = [] as string[], timestamp = Date.now() } = {},
  ): string {
    const key = this.peers.find(({ nodeId }) => nodeId === to.toString())?.encryptionKey
    const isEncrypted = this.encrypts && key !== undefined
    const payload = isEncrypted ? sealV1Box({ text }, Buffer.from(key, 'hex'), this.#random) : { text }
    return this.send({ to: to.toString(), type: 'chat', payload, via, timestamp }, isSigned)
  }

  read(to: string, originalMessageId: string): void {
    this.send({ to, type: 'read-receipt', payload: { originalMessageId, readAt: Date.now() } })
  }

  send(
    draft: { to: string; type: string; payload: unknown; via?: readonly string[]; timestamp?: number; id?: string },
    isSigned = false,
  ): string {
    const { to, type, payload, via = [], timestamp = Date.now() } = draft
    const id = draft.id ?? `v1-${this.id.slice(0, 8)}-${this.#count++}`
    const envelope = isSigned
      ? (JSON.parse(writeV1({ id, to, via, type, payload, timestamp }, CRYPTO.signer(this.#seed))) as V1Json)
      : { id, from: this.id, to, via, type, payload, timestamp, signature: '' }
    this.pass(via[0] ?? to, envelope)
    return id
  }

  /** An envelope, whoever wrote it. */
  pass(next: string, envelope: unknown): void {
    this.sendRaw({ type: 'signal', from: this.id, to: next, payload: { type: 'message', envelope } })
  }

  sendRaw(message: unknown): void {
    this.#socket.send(JSON.stringify(message))
  }

  close(): void {
    this.#socket.terminate()
  }

  #receive(message: { type: string; participants?: Peer[]; payload?: { type?: string; envelope?: V1Json } }): void {
    if (message.type === 'participants') this.peers = message.participants ?? []
    else if (message.type === 'signal' && message.payload?.type === 'message') this.#take(message.payload.envelope!)
  }

  #take(envelope: V1Json): void {
    const { to, from, id, type, payload, via } = envelope
    if (to !== this.id) {
      const place = via.indexOf(this.id)
      this.pass(place < 0 ? to : (via[place + 1] ?? to), envelope)
      return
    }
    this.envelopes.push(envelope)
    const { originalMessageId, ackType = 'recipient-received' } = payload as Record<string, string>
    if (type === 'ack') this.acks.push(`${ackType === 'relay-forwarded' ? 'relayed' : 'received'} ${originalMessageId}`)
    else if (type === 'read-receipt') this.acks.push(`read ${originalMessageId}`)
    else if (type === 'chat') {
      const isEncrypted = isV1Box(payload)
      const opened = (isEncrypted ? openV1Box(payload, this.#secret) : payload) as { text: string }
      this.texts.push({ from, text: opened.text, isEncrypted })
      const body = { originalMessageId: id, ackType: 'recipient-received' }
      if (!this.isSilent) this.send({ to: from, type: 'ack', payload: body })
    }
  }
}
