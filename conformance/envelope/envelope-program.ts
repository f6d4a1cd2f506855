/**
 * Envelopes and bodies by the libraries that the ToM stack is made of: `tom-native envelope`, with types. Commands are those of conformance/README.md; bytes are
 * hex on the lines and Uint8Array here.
 */
import { MESSAGE_TYPES, type MessageType } from '../../src/envelope/wire/message-type.ts'
import type { Json } from '../../test/envelope/wire/serde-bodies.ts'
import { NativeProgram } from '../native-program.ts'
import type { Line } from '../peer-lines.ts'

export interface BuildOptions {
  /** 32 bytes: of the author. */
  readonly seed: Uint8Array
  /** 64 hex digits, as all keys. */
  readonly to: string
  readonly via?: readonly string[]
  readonly type: MessageType
  /** Before encryption. */
  readonly payload: Uint8Array
  readonly timestamp: number
  readonly id?: string
  readonly ttl?: number
  readonly isEncrypted?: boolean
  /** Of the encryption; default random. 32 and 24 bytes. */
  readonly ephemeral?: Uint8Array
  readonly nonce?: Uint8Array
  readonly isUnsigned?: boolean
  /** Payload and signature as bin. */
  readonly isCompact?: boolean
}

export type SignatureState = 'valid' | 'invalid' | 'absent'

/** As serde names it. */
export interface RustEnvelope {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly via: readonly string[]
  readonly type: MessageType
  readonly payload: Uint8Array
  readonly timestamp: number
  readonly signature: Uint8Array
  readonly ttl: number
  readonly encrypted: boolean
}

export interface Built {
  readonly wire: Uint8Array
  readonly signingBytes: Uint8Array
  readonly envelope: RustEnvelope
}

export interface Decoded {
  readonly envelope: RustEnvelope
  /** Written again, as a hop does. */
  readonly canonical: Uint8Array
  readonly signingBytes: Uint8Array
  /** By `verify_strict`. */
  readonly signature: SignatureState
}

/** Kinds of bodies, by the names of the program. */
export type BodyName =
  | 'Ack'
  | 'ReadReceipt'
  | 'PeerAnnounce'
  | 'RoleChange'
  | 'Replication'
  | 'IdList'
  | 'Id'
  | 'NodeId'
  | 'EncryptedPayload'
  | 'GroupPayload'
  | 'GroupInfo'
  | 'GroupMessage'
  | 'GroupMessageContent'

export type { Json }

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const bytesOf = (hex: unknown): Uint8Array => Uint8Array.from(Buffer.from(String(hex), 'hex'))

/** Stop it, or it lives as long as this process. */
export class EnvelopeProgram {
  readonly #program: NativeProgram<never>

  private constructor(program: NativeProgram<never>) {
    this.#program = program
  }

  /** `binary`: from `buildNative`. */
  static async start(binary: string): Promise<EnvelopeProgram> {
    return new EnvelopeProgram(await NativeProgram.start<never>(binary, ['envelope'], 'ready'))
  }

  async build(options: BuildOptions): Promise<Built> {
    const { seed, payload, isEncrypted, ephemeral, nonce, isUnsigned, isCompact, ...rest } = options
    const line = await this.#program.request({
      cmd: 'build',
      seed: hexOf(seed),
      payload: hexOf(payload),
      encrypt: isEncrypted === true,
      unsigned: isUnsigned === true,
      compact: isCompact === true,
      ...(ephemeral === undefined ? {} : { ephemeral: hexOf(ephemeral) }),
      ...(nonce === undefined ? {} : { nonce: hexOf(nonce) }),
      ...rest,
    })
    return {
      wire: bytesOf(line.wire),
      signingBytes: bytesOf(line.signingBytes),
      envelope: rustEnvelope(line.envelope as Line),
    }
  }

  /** Whatever its signature. Rejects with NativeError where Rust would drop it. */
  async decode(wire: Uint8Array): Promise<Decoded> {
    const line = await this.#program.request({ cmd: 'decode', wire: hexOf(wire) })
    return {
      envelope: rustEnvelope(line.envelope as Line),
      canonical: bytesOf(line.canonical),
      signingBytes: bytesOf(line.signingBytes),
      signature: line.signature as SignatureState,
    }
  }

  /** As the owner of `seed`; verified first. Rejects with NativeError. */
  async open(wire: Uint8Array, seed: Uint8Array): Promise<Uint8Array> {
    return bytesOf((await this.#program.request({ cmd: 'open', wire: hexOf(wire), seed: hexOf(seed) })).plaintext)
  }

  async encodeBody(body: BodyName, value: Json): Promise<Uint8Array> {
    return bytesOf((await this.#program.request({ cmd: 'encode-body', body, value })).hex)
  }

  /** `canonical`: written again. Rejects with NativeError where Rust cannot read it. */
  async decodeBody(body: BodyName, bytes: Uint8Array): Promise<{ value: Json; canonical: Uint8Array }> {
    const line = await this.#program.request({ cmd: 'decode-body', body, hex: hexOf(bytes) })
    return { value: line.value as Json, canonical: bytesOf(line.canonical) }
  }

  /** The role change as it is gossiped. */
  async signRole(seed: Uint8Array, role: string, score: number, timestamp: number): Promise<Uint8Array> {
    const request = { cmd: 'sign-role', seed: hexOf(seed), role, score, timestamp }
    return bytesOf((await this.#program.request(request)).hex)
  }

  async verifyRole(bytes: Uint8Array): Promise<boolean> {
    return (await this.#program.request({ cmd: 'verify-role', hex: hexOf(bytes) })).valid as boolean
  }

  /** The message with its signature, and what that covers. */
  async signGroupMessage(seed: Uint8Array, message: Json): Promise<{ message: Json; signingBytes: Uint8Array }> {
    const line = await this.#program.request({ cmd: 'sign-group-message', seed: hexOf(seed), message })
    return { message: line.message as Json, signingBytes: bytesOf(line.signingBytes) }
  }

  async verifyGroupMessage(message: Json): Promise<boolean> {
    return (await this.#program.request({ cmd: 'verify-group-message', message })).valid as boolean
  }

  /** Under a sender key. */
  async encryptForGroup(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array> {
    const request = { cmd: 'group-cipher', key: hexOf(key), nonce: hexOf(nonce), hex: hexOf(plaintext), encrypts: true }
    return bytesOf((await this.#program.request(request)).hex)
  }

  /** What the strict check says, which envelopes have to pass, and the ordinary one. Rejects with NativeError for no key. */
  async verifyBytes(
    key: Uint8Array,
    message: Uint8Array,
    signature: Uint8Array,
  ): Promise<{ strict: boolean; loose: boolean }> {
    const request = { cmd: 'verify-bytes', key: hexOf(key), message: hexOf(message), signature: hexOf(signature) }
    const { strict, loose } = await this.#program.request(request)
    return { strict: strict as boolean, loose: loose as boolean }
  }

  /** The key that belongs to a seed. */
  async keyOf(seed: Uint8Array): Promise<string> {
    return String((await this.#program.request({ cmd: 'identity', seed: hexOf(seed) })).key)
  }

  stop(): Promise<void> {
    return this.#program.stop()
  }
}

function rustEnvelope(line: Line): RustEnvelope {
  const type = MESSAGE_TYPES.find((name) => name === line.type)
  if (type === undefined) throw new Error(`Rust knows a type that we do not: ${String(line.type)}`)
  return {
    id: String(line.id),
    from: String(line.from),
    to: String(line.to),
    via: line.via as string[],
    type,
    payload: bytesOf(line.payload),
    timestamp: Number(line.timestamp),
    signature: bytesOf(line.signature),
    ttl: Number(line.ttl),
    encrypted: line.encrypted === true,
  }
}
