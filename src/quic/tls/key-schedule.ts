/**
 * The secrets of one handshake, RFC 8446 §7.1, §7.5 and §4.4.4, for (EC)DHE without PSK. Packet keys are made from the traffic secrets
 * elsewhere; a secret is zeroed here once the next stage has been derived from it.
 */
import { decodeHex } from '../../bytes/index.ts'
import type { CryptoProvider, HashName } from '../../crypto/index.ts'
import type { CipherSuite } from './cipher-suites.ts'

const encoder = new TextEncoder()
const EMPTY = new Uint8Array(0)

/** What no message changes: without a PSK the early secret comes of zeros (RFC 8446 §7.1). It saves a handshake every twelfth hash. */
interface Constants {
  /** The hash of nothing. */
  readonly emptyHash: Uint8Array
  /** Derive-Secret(early secret, "derived", ""): the salt of the handshake secret. */
  readonly earlySalt: Uint8Array
}

const CONSTANTS: Readonly<Record<HashName, Constants>> = {
  sha256: {
    emptyHash: decodeHex('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'),
    earlySalt: decodeHex('6f2615a108c702c5678f54fc9dbab69716c076189c48250cebeac3576c3611ba'),
  },
  sha384: {
    emptyHash: decodeHex(
      '38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b',
    ),
    earlySalt: decodeHex(
      '1591dac5cbbf0330a4a84de9c753330e92d01f0a88214b4464972fd668049e93e52f2b16fad922fdc0584478428f282b',
    ),
  },
}

/** RFC 8446 §7.1. `label` without the `tls13 ` in front, at most 249 bytes; `context` at most 255 bytes. */
export function hkdfExpandLabel(
  crypto: CryptoProvider,
  hash: HashName,
  secret: Uint8Array,
  label: string,
  context: Uint8Array,
  length: number,
): Uint8Array {
  const fullLabel = encoder.encode(`tls13 ${label}`)
  if (fullLabel.length > 255) throw new RangeError('the label is longer than 249 bytes')
  if (context.length > 255) throw new RangeError('the context is longer than 255 bytes')
  const info = new Uint8Array(4 + fullLabel.length + context.length)
  info[0] = length >>> 8
  info[1] = length
  info[2] = fullLabel.length
  info.set(fullLabel, 3)
  info[3 + fullLabel.length] = context.length
  info.set(context, 4 + fullLabel.length)
  return crypto.hkdfExpand(hash, secret, info, length)
}

export interface TrafficSecrets {
  readonly client: Uint8Array
  readonly server: Uint8Array
}

export class KeySchedule {
  readonly #crypto: CryptoProvider
  readonly #suite: CipherSuite
  readonly #constants: Constants
  /** Handshake, then main secret; empty before. */
  #secret: Uint8Array
  #exporter: Uint8Array | undefined

  constructor(crypto: CryptoProvider, suite: CipherSuite) {
    this.#crypto = crypto
    this.#suite = suite
    this.#constants = CONSTANTS[suite.hash]
    this.#secret = EMPTY
    this.#exporter = undefined
  }

  /** Derive-Secret with the transcript hash already taken. */
  #derive(label: string, transcriptHash: Uint8Array): Uint8Array {
    return hkdfExpandLabel(this.#crypto, this.#suite.hash, this.#secret, label, transcriptHash, this.#suite.hashLength)
  }

  /** The handshake traffic secrets. `helloHash` covers ClientHello to ServerHello. */
  handshakeSecrets(shared: Uint8Array, helloHash: Uint8Array): TrafficSecrets {
    this.#secret = this.#crypto.hkdfExtract(this.#suite.hash, this.#constants.earlySalt, shared)
    return {
      client: this.#derive('c hs traffic', helloHash),
      server: this.#derive('s hs traffic', helloHash),
    }
  }

  /** The first application traffic secrets, and the exporter. `finishedHash` covers ClientHello to the server's Finished. */
  applicationSecrets(finishedHash: Uint8Array): TrafficSecrets {
    const { hash, hashLength } = this.#suite
    const salt = this.#derive('derived', this.#constants.emptyHash)
    this.#secret.fill(0)
    this.#secret = this.#crypto.hkdfExtract(hash, salt, new Uint8Array(hashLength))
    salt.fill(0)
    this.#exporter = this.#derive('exp master', finishedHash)
    return {
      client: this.#derive('c ap traffic', finishedHash),
      server: this.#derive('s ap traffic', finishedHash),
    }
  }

  /** For the key log; undefined before `applicationSecrets`. */
  get exporterSecret(): Uint8Array | undefined {
    return this.#exporter
  }

  /** RFC 8446 §4.4.4: the key of a Finished message, from that sender's handshake traffic secret. */
  finishedKey(trafficSecret: Uint8Array): Uint8Array {
    return hkdfExpandLabel(this.#crypto, this.#suite.hash, trafficSecret, 'finished', EMPTY, this.#suite.hashLength)
  }

  verifyData(finishedKey: Uint8Array, transcriptHash: Uint8Array): Uint8Array {
    return this.#crypto.hmac(this.#suite.hash, finishedKey, transcriptHash)
  }

  /** RFC 8446 §7.5. `length` up to 255 times the hash length. */
  exportKeyingMaterial(label: string, context: Uint8Array, length: number): Uint8Array {
    if (this.#exporter === undefined) throw new Error('keying material can be exported after the handshake only')
    const { hash, hashLength } = this.#suite
    if (!Number.isInteger(length) || length < 0 || length > 255 * hashLength) {
      throw new RangeError(`between 0 and ${255 * hashLength} bytes can be exported`)
    }
    const crypto = this.#crypto
    const secret = hkdfExpandLabel(crypto, hash, this.#exporter, label, this.#constants.emptyHash, hashLength)
    const material = hkdfExpandLabel(crypto, hash, secret, 'exporter', crypto.hash(hash, context), length)
    secret.fill(0)
    return material
  }

  /** Forgets everything but the exporter: the handshake is done. */
  dropHandshake(): void {
    this.#secret.fill(0)
  }

  clear(): void {
    this.#secret.fill(0)
    this.#exporter?.fill(0)
    this.#exporter = undefined
  }
}
