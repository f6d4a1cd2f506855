/**
 * Relay clients as light as they get, written from spec/relay.md §1.3 to §3.5 alone: a raw TCP socket and a few numbers each, and one buffer to read into for all
 * of a process. The mask is zero: a server has to take it off all the same, and a frame can be written once for all.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { blake3 } from '@noble/hashes/blake3.js'

export interface Target {
  readonly port: number
  /** Where clients come from; undefined: the system's choice. One address alone has not enough ports for all. */
  readonly from: string | undefined
}

export type Leaving =
  /** A Close frame, and the end when it is answered. */
  | 'close'
  /** The end of the stream. */
  | 'end'
  /** A TCP reset. */
  | 'reset'

export const UPGRADE_REQUEST = Buffer.from(
  'GET /relay HTTP/1.1\r\nHost: relay.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
    'Sec-WebSocket-Protocol: iroh-relay-v2, iroh-relay-v1\r\n\r\n',
)
const ACCEPTED = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const END_OF_HEAD = Buffer.from('\r\n\r\n')
const CONTEXT = new TextEncoder().encode('iroh-relay handshake v1 challenge signature')
const CLOSE = Buffer.from('88820000000003e8', 'hex')

const Opcode = { Binary: 2, Close: 8 } as const
const Type = { Challenge: 0, Proof: 1, Confirm: 2, Deny: 3, Send: 4, Receive: 6, Gone: 8, Ping: 9, Pong: 10 } as const

/** Read into by all sockets: what is in it is used up before the next one reads. */
const INCOMING = Buffer.allocUnsafeSlow(64 * 1024)

/** `onBytes` gets a view that is valid during the call. `onEnd` comes once, last. */
export function openSocket(target: Target, onBytes: (bytes: Buffer) => void, onEnd: () => void): Socket {
  const { port, from } = target
  const socket = connect({
    host: '127.0.0.1',
    port,
    noDelay: true,
    ...(from === undefined ? {} : { localAddress: from }),
    onread: {
      buffer: INCOMING,
      callback: (length) => {
        onBytes(INCOMING.subarray(0, length))
        return true
      },
    },
  })
  socket.on('error', () => {})
  socket.once('close', onEnd)
  return socket
}

/** A binary message of up to 65,535 bytes with a mask of zero. */
export function webSocketMessage(...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >>> 8, length & 255]
  return Buffer.concat([Buffer.of(0x80 | Opcode.Binary, ...size, 0, 0, 0, 0), ...parts])
}

/** spec/relay.md §3.1: one datagram, ECN 0. */
export function datagramMessage(to: Uint8Array, contents: Uint8Array): Buffer {
  return webSocketMessage(Buffer.of(Type.Send), to, Buffer.of(0), contents)
}

export class LightClient {
  readonly id: Uint8Array
  /** Of the server, that came. */
  pings = 0
  /** For our pings. */
  pongs = 0
  datagrams = 0
  /** Peers that are gone, as the server says. */
  gone = 0
  isEnded = false
  readonly #socket: Socket
  readonly #pongDelayMs: number | null
  /** What came of a message that is not whole. */
  #rest: Buffer | undefined = undefined
  #isUpgraded = false
  #isDeaf = false
  #key: KeyObject | undefined
  #settle: ((error?: Error) => void) | undefined

  private constructor(target: Target, pongDelayMs: number | null, settle: (error?: Error) => void) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    this.id = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
    this.#pongDelayMs = pongDelayMs
    this.#key = privateKey
    this.#settle = settle
    this.#socket = openSocket(
      target,
      (bytes) => this.#receive(bytes),
      () => {
        this.isEnded = true
        this.#settled(new Error('the connection ended before the client was let in'))
      },
    )
    this.#socket.write(UPGRADE_REQUEST)
  }

  /**
   * With a new key. Resolves when it was let in; rejects when the connection ends before, or it is denied. Pings are answered after `pongDelayMs`; null:
   * never.
   */
  static join(target: Target, pongDelayMs: number | null): Promise<LightClient> {
    return new Promise((resolve, reject) => {
      const client = new LightClient(target, pongDelayMs, (error) => {
        if (error === undefined) resolve(client)
        else reject(error)
      })
    })
  }

  ping(): void {
    this.#socket.write(webSocketMessage(Buffer.of(Type.Ping, 1, 2, 3, 4, 5, 6, 7, 8)))
  }

  /** Whole WebSocket messages. Resolves when the system has taken them, or the connection has ended. */
  send(messages: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#socket.write(messages, () => resolve()))
  }

  pause(): void {
    this.#socket.pause()
  }

  /** What comes from now on is read and dropped. */
  resume(): void {
    this.#isDeaf = true
    this.#socket.resume()
  }

  leave(how: Leaving): void {
    if (how === 'close') this.#socket.write(CLOSE)
    else if (how === 'end') this.#socket.end()
    else this.#socket.resetAndDestroy()
  }

  #receive(chunk: Buffer): void {
    if (this.#isDeaf) return
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk])
    let at = 0
    if (!this.#isUpgraded) {
      const end = bytes.indexOf(END_OF_HEAD)
      if (end >= 0) {
        this.#checkHead(bytes.toString('latin1', 0, end))
        at = end + END_OF_HEAD.length
      }
    }
    while (this.#isUpgraded && bytes.length - at >= 2) {
      const size = bytes[at + 1]!
      const header = size < 126 ? 2 : size === 126 ? 4 : 10
      if (bytes.length - at < header) break
      const length = header === 2 ? size : header === 4 ? bytes.readUInt16BE(at + 2) : bytes.readUInt32BE(at + 6)
      if (bytes.length - at < header + length) break
      this.#message(bytes[at]! & 15, bytes.subarray(at + header, at + header + length))
      at += header + length
    }
    // A copy: the buffer is everybody's.
    this.#rest = at === bytes.length ? undefined : Buffer.from(bytes.subarray(at))
  }

  #checkHead(head: string): void {
    this.#isUpgraded = true
    if (head.startsWith('HTTP/1.1 101 ') && head.includes(ACCEPTED)) return
    this.#settled(new Error(`no upgrade: ${head}`))
    this.#socket.destroy()
  }

  #message(opcode: number, message: Buffer): void {
    if (opcode === Opcode.Close) {
      this.#socket.end()
      return
    }
    switch (message[0]) {
      case Type.Challenge:
        this.#prove(message.subarray(1))
        break
      case Type.Confirm:
        this.#settled()
        break
      case Type.Deny:
        this.#settled(new Error(`denied: ${message.toString('utf8', 2)}`))
        break
      case Type.Ping:
        this.pings++
        this.#answer(webSocketMessage(Buffer.of(Type.Pong), message.subarray(1)))
        break
      case Type.Pong:
        this.pongs++
        break
      case Type.Receive:
        this.datagrams++
        break
      case Type.Gone:
        this.gone++
        break
    }
  }

  #answer(pong: Buffer): void {
    const delayMs = this.#pongDelayMs
    if (delayMs === 0) this.#socket.write(pong)
    else if (delayMs !== null) setTimeout(() => this.#socket.write(pong), delayMs)
  }

  /** spec/relay.md §2.3. */
  #prove(challenge: Buffer): void {
    const signature = sign(null, blake3(challenge, { context: CONTEXT }), this.#key!)
    this.#key = undefined
    this.#socket.write(webSocketMessage(Buffer.of(Type.Proof), this.id, Buffer.of(0x40), signature))
  }

  #settled(error?: Error): void {
    this.#settle?.(error)
    this.#settle = undefined
  }
}
