/**
 * Keys of captured packets: Initial keys from the first connection id, the others from an SSLKEYLOGFILE (RFC 9001 §5, §6). On node:crypto alone; nothing of
 * src/, so that it judges the stack with other eyes.
 */
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'

export type Side = 'client' | 'server'

const INITIAL_SALT = Buffer.from('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'hex')
const TAG = 16

export const SUITE_NAMES: Readonly<Record<number, string>> = {
  4865: 'TLS_AES_128_GCM_SHA256',
  4866: 'TLS_AES_256_GCM_SHA384',
  4867: 'TLS_CHACHA20_POLY1305_SHA256',
}

interface Suite {
  readonly hash: 'sha256' | 'sha384'
  readonly aead: 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'
  readonly keyLength: number
}

const SUITES: Readonly<Record<number, Suite>> = {
  4865: { hash: 'sha256', aead: 'aes-128-gcm', keyLength: 16 },
  4866: { hash: 'sha384', aead: 'aes-256-gcm', keyLength: 32 },
  4867: { hash: 'sha256', aead: 'chacha20-poly1305', keyLength: 32 },
}

/** HKDF-Expand-Label with an empty context (RFC 8446 §7.1); at most one block of the hash is ever needed. */
function expandLabel(hash: Suite['hash'], secret: Uint8Array, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`)
  const info = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0])])
  return createHmac(hash, secret)
    .update(Buffer.concat([info, Buffer.from([1])]))
    .digest()
    .subarray(0, length)
}

export interface OpenedPacket {
  readonly firstByte: number
  readonly packetNumber: number
  readonly payload: Buffer
}

/** One direction of one encryption level, with its key updates. */
export class DirectionKeys {
  readonly #suite: Suite
  readonly #headerKey: Buffer
  readonly #generations: { readonly secret: Buffer; readonly key: Buffer; readonly iv: Buffer }[] = []
  #largest = -1
  /** Of the packet opened last: how many key updates came before. */
  generation = 0

  constructor(suiteId: number, secret: Uint8Array) {
    const suite = SUITES[suiteId]
    if (suite === undefined) throw new Error(`no keys for the suite ${suiteId}`)
    this.#suite = suite
    this.#headerKey = expandLabel(suite.hash, secret, 'quic hp', suite.keyLength)
    this.#addGeneration(Buffer.from(secret))
  }

  /** Of a packet from `start` to `end` whose number begins at `numberAt`; undefined when these are not its keys. */
  open(datagram: Uint8Array, start: number, numberAt: number, end: number): OpenedPacket | undefined {
    if (numberAt + 4 + TAG > end) return undefined
    const bytes = Buffer.from(datagram.subarray(start, end))
    const number = numberAt - start
    const mask = this.#mask(bytes.subarray(number + 4, number + 4 + 16))
    const isLong = (bytes[0]! & 0x80) !== 0
    bytes[0]! ^= mask[0]! & (isLong ? 0x0f : 0x1f)
    const numberLength = (bytes[0]! & 3) + 1
    for (let index = 0; index < numberLength; index++) bytes[number + index]! ^= mask[1 + index]!
    const packetNumber = this.#expand(bytes.readUIntBE(number, numberLength), numberLength)
    for (const generation of this.#candidates(isLong ? 0 : (bytes[0]! >> 2) & 1)) {
      const payload = this.#decrypt(generation, packetNumber, bytes, number + numberLength)
      if (payload === undefined) continue
      this.generation = Math.max(this.generation, generation)
      this.#largest = Math.max(this.#largest, packetNumber)
      return { firstByte: bytes[0]!, packetNumber, payload }
    }
    return undefined
  }

  /** RFC 9001 §6: the phase bit tells odd generations from even ones. */
  #candidates(phase: number): number[] {
    const newest = this.generation
    return newest % 2 === phase ? [newest] : newest === 0 ? [1] : [newest + 1, newest - 1]
  }

  #addGeneration(secret: Buffer): void {
    const { hash, keyLength } = this.#suite
    const key = expandLabel(hash, secret, 'quic key', keyLength)
    this.#generations.push({ secret, key, iv: expandLabel(hash, secret, 'quic iv', 12) })
  }

  #mask(sample: Uint8Array): Uint8Array {
    const { aead } = this.#suite
    if (aead === 'chacha20-poly1305') return createCipheriv('chacha20', this.#headerKey, sample).update(Buffer.alloc(5))
    const cipher = createCipheriv(aead === 'aes-128-gcm' ? 'aes-128-ecb' : 'aes-256-ecb', this.#headerKey, null)
    return cipher.update(sample)
  }

  /** RFC 9000 §A.3. */
  #expand(truncated: number, length: number): number {
    const window = 256 ** length
    const expected = this.#largest + 1
    const candidate = expected - (expected % window) + truncated
    if (candidate <= expected - window / 2) return candidate + window
    if (candidate > expected + window / 2 && candidate >= window) return candidate - window
    return candidate
  }

  #decrypt(generation: number, packetNumber: number, bytes: Buffer, payloadAt: number): Buffer | undefined {
    while (this.#generations.length <= generation) {
      const { secret } = this.#generations[this.#generations.length - 1]!
      this.#addGeneration(expandLabel(this.#suite.hash, secret, 'quic ku', secret.length))
    }
    const { key, iv } = this.#generations[generation]!
    const nonce = Buffer.from(iv)
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ (packetNumber % 2 ** 32)) >>> 0, 8)
    const { aead } = this.#suite
    // The types know each mode by an overload of its own; the calls are the same.
    const decipher = createDecipheriv(aead as 'chacha20-poly1305', key, nonce, { authTagLength: TAG })
    decipher.setAAD(bytes.subarray(0, payloadAt), { plaintextLength: bytes.length - payloadAt - TAG })
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG))
    const payload = decipher.update(bytes.subarray(payloadAt, bytes.length - TAG))
    try {
      decipher.final()
      return payload
    } catch {
      return undefined
    }
  }
}

/** RFC 9001 §5.2. */
export function initialKeys(destinationId: Uint8Array, side: Side): DirectionKeys {
  const secret = createHmac('sha256', INITIAL_SALT).update(destinationId).digest()
  return new DirectionKeys(4865, expandLabel('sha256', secret, `${side} in`, 32))
}

/** Secrets by label and client random (hex), from SSLKEYLOGFILE lines. */
export class KeyLog {
  readonly #secrets = new Map<string, Buffer>()

  add(text: string): void {
    for (const line of text.split('\n')) {
      const [label, random, secret] = line.trim().split(' ')
      if (label === undefined || random === undefined || secret === undefined || label.startsWith('#')) continue
      this.#secrets.set(`${label} ${random.toLowerCase()}`, Buffer.from(secret, 'hex'))
    }
  }

  keys(level: 'handshake' | '1rtt', side: Side, clientRandom: string, suiteId: number): DirectionKeys | undefined {
    const label = `${side.toUpperCase()}_${level === 'handshake' ? 'HANDSHAKE_TRAFFIC_SECRET' : 'TRAFFIC_SECRET_0'}`
    const secret = this.#secrets.get(`${label} ${clientRandom}`)
    return secret === undefined ? undefined : new DirectionKeys(suiteId, secret)
  }
}
