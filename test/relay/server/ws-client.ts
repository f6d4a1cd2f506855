/**
 * A relay client made of `ws`, node:crypto and noble, from spec/relay.md alone: nothing of it is ours, so it also proves that our server speaks what
 * others do.
 */
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { blake3 } from '@noble/hashes/blake3.js'
import { onTestFinished } from 'vitest'
import WebSocket from 'ws'

/** A wait that takes longer has failed, ms. */
const WAIT_LIMIT_MS = 8000
const PKCS8_ED25519 = '302e020100300506032b657004220420'

export class Identity {
  readonly publicKey: Uint8Array
  readonly #key: ReturnType<typeof createPrivateKey>

  /** Seed: 32 times this byte. */
  constructor(byte: number) {
    const der = Buffer.concat([Buffer.from(PKCS8_ED25519, 'hex'), Buffer.alloc(32, byte)])
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    this.publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(-32)
  }

  get hex(): string {
    return Buffer.from(this.publicKey).toString('hex')
  }

  /** §2.3 */
  answer(challenge: Uint8Array): Uint8Array {
    const context = new TextEncoder().encode('iroh-relay handshake v1 challenge signature')
    const signature = sign(null, blake3(challenge, { context }), this.#key)
    return Buffer.concat([Buffer.of(1), this.publicKey, Buffer.of(0x40), signature])
  }

  /** §2.4; `change` of the whole 113 bytes. */
  header(socket: TLSSocket, change: (bytes: Buffer) => void = () => {}): string {
    const material = socket.exportKeyingMaterial(32, 'iroh-relay handshake v1', Buffer.from(this.publicKey))
    const signature = sign(null, material.subarray(0, 16), this.#key)
    const bytes = Buffer.concat([this.publicKey, Buffer.of(0x40), signature, material.subarray(16)])
    change(bytes)
    return bytes.toString('base64url')
  }
}

export interface WsOptions {
  readonly protocols?: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  /** PEM. */
  readonly ca?: string
}

export class WsClient {
  readonly ws: WebSocket
  /** Those that nobody took yet. */
  readonly messages: Uint8Array[] = []
  /** Of the Close frame, and its reason. */
  end: { code: number; reason: string } | undefined = undefined
  #changed: () => void = () => {}

  private constructor(ws: WebSocket) {
    this.ws = ws
    ws.on('message', (data: Buffer) => {
      this.messages.push(data)
      this.#changed()
    })
    ws.on('close', (code, reason) => {
      this.end = { code, reason: reason.toString() }
      this.#changed()
    })
    ws.on('error', () => {})
    onTestFinished(() => ws.terminate())
  }

  /** Resolves after the 101. */
  static async open(url: string | URL, options: WsOptions = {}): Promise<WsClient> {
    const { protocols = ['iroh-relay-v2', 'iroh-relay-v1'], headers = {}, ca } = options
    const target = new URL('/relay', url)
    target.search = new URL(url).search
    target.protocol = target.protocol.replace('http', 'ws')
    const ws = new WebSocket(target, [...protocols], { headers, ...(ca === undefined ? {} : { ca }) })
    const client = new WsClient(ws)
    await new Promise<void>((resolve, reject) => {
      ws.once('open', resolve)
      ws.once('error', reject)
    })
    return client
  }

  /** Opens, and answers the challenge; rejects with the reason when it is denied. */
  static async connect(url: string | URL, identity: Identity, options: WsOptions = {}): Promise<WsClient> {
    const client = await WsClient.open(url, options)
    const challenge = await client.next()
    if (challenge[0] !== 0 || challenge.length !== 17) throw new Error(`no challenge: ${challenge}`)
    client.ws.send(identity.answer(challenge.subarray(1)))
    await client.admitted()
    return client
  }

  async admitted(): Promise<void> {
    const verdict = await this.next()
    if (verdict[0] === 3) throw new Error(`denied: ${new TextDecoder().decode(verdict.subarray(2))}`)
    if (verdict[0] !== 2 || verdict.length !== 1) throw new Error(`no verdict: ${verdict}`)
  }

  /** The next message; rejects when the link ends first. */
  async next(): Promise<Uint8Array> {
    await this.#until(() => this.messages.length > 0 || this.end !== undefined)
    const message = this.messages.shift()
    if (message === undefined) throw new Error(`the link ended: ${JSON.stringify(this.end)}`)
    return message
  }

  async ended(): Promise<{ code: number; reason: string }> {
    await this.#until(() => this.end !== undefined)
    return this.end!
  }

  async #until(done: () => boolean): Promise<void> {
    const limit = performance.now() + WAIT_LIMIT_MS
    while (!done()) {
      if (performance.now() > limit) throw new Error('waited in vain')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 200)
        this.#changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}
