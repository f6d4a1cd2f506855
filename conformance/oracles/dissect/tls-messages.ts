/** What the checks want to know of a TLS 1.3 handshake: the suites offered and chosen, the QUIC transport parameters (RFC 8446 §4, RFC 9000 §18). */
import { Reader } from '../../../src/bytes/index.ts'

const CLIENT_HELLO = 1
const SERVER_HELLO = 2
const ENCRYPTED_EXTENSIONS = 8
const QUIC_TRANSPORT_PARAMETERS = 0x39
const INITIAL_MAX_STREAMS_BIDI = 0x08

/** CRYPTO data of one level and direction, put in order as it comes. */
export class CryptoData {
  #bytes = Buffer.alloc(0)
  readonly #pieces: { readonly offset: number; readonly data: Uint8Array }[] = []

  add(offset: number, data: Uint8Array): void {
    this.#pieces.push({ offset, data })
    for (;;) {
      const next = this.#pieces.find((piece) => {
        return piece.offset <= this.#bytes.length && piece.offset + piece.data.length > this.#bytes.length
      })
      if (next === undefined) return
      this.#bytes = Buffer.concat([this.#bytes, next.data.subarray(this.#bytes.length - next.offset)])
    }
  }

  /** The body of the first message of a type; undefined while it is not complete. */
  #message(type: number): Uint8Array | undefined {
    const reader = new Reader(this.#bytes)
    while (reader.remaining >= 4) {
      const found = reader.u8()
      const length = reader.u24()
      if (length > reader.remaining) return undefined
      const body = reader.copy(length)
      if (found === type) return body
    }
    return undefined
  }

  get clientHello(): ClientHello | undefined {
    const body = this.#message(CLIENT_HELLO)
    return body === undefined ? undefined : readClientHello(body)
  }

  /** The suite that the server chose. */
  get chosenSuite(): number | undefined {
    const body = this.#message(SERVER_HELLO)
    if (body === undefined) return undefined
    const reader = new Reader(body)
    reader.skip(34)
    reader.skip(reader.u8())
    return reader.u16()
  }

  /** What the server allows at first. */
  get initialMaxStreamsBidi(): number | undefined {
    const body = this.#message(ENCRYPTED_EXTENSIONS)
    if (body === undefined) return undefined
    const parameters = extension(new Reader(body), QUIC_TRANSPORT_PARAMETERS)
    if (parameters === undefined) return undefined
    while (parameters.remaining > 0) {
      const id = parameters.varint()
      const value = new Reader(parameters.copy(parameters.varint()))
      if (id === INITIAL_MAX_STREAMS_BIDI) return value.varint()
    }
    return 0
  }
}

export interface ClientHello {
  /** Hex, as key logs have it. */
  readonly random: string
  readonly suites: readonly number[]
}

function readClientHello(body: Uint8Array): ClientHello {
  const reader = new Reader(body)
  reader.skip(2)
  const random = Buffer.from(reader.copy(32)).toString('hex')
  reader.skip(reader.u8())
  const suites: number[] = []
  for (let left = reader.u16() / 2; left > 0; left--) suites.push(reader.u16())
  return { random, suites }
}

function extension(reader: Reader, wanted: number): Reader | undefined {
  reader.skip(2)
  while (reader.remaining > 0) {
    const type = reader.u16()
    const body = reader.copy(reader.u16())
    if (type === wanted) return new Reader(body)
  }
  return undefined
}
