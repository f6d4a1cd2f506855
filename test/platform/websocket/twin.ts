/** A WebSocket decoder that is slow and obvious, over a whole stream at once: it judges the real one. And the real one, collected into the same shape. */
import { WebSocketEvent, type WebSocketParser, WebSocketProtocolError } from '../../../src/platform/websocket/parser.ts'

/** `message 0a0b`, `text`, `ping …`, `pong …`, `close 1000 bye`, and at the end maybe `error 1002`. */
export type Events = string[]

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/[^0-9a-f]/g, ''), 'hex'))

class Cut extends Error {}
class Refused extends Error {
  readonly closeCode: number
  constructor(closeCode: number) {
    super(`${closeCode}`)
    this.closeCode = closeCode
  }
}

export function decodeSlowly(stream: Uint8Array, role: 'client' | 'server', maxMessageSize: number): Events {
  const events: Events = []
  let at = 0
  const byte = (): number => {
    if (at === stream.length) throw new Cut()
    return stream[at++]!
  }
  const number = (bytes: number): bigint => {
    let value = 0n
    for (let index = 0; index < bytes; index++) value = value * 256n + BigInt(byte())
    return value
  }
  let message: { isText: boolean; bytes: number[]; announced: bigint } | undefined
  const refuse = (closeCode: number): never => {
    throw new Refused(closeCode)
  }
  const frame = (): void => {
    const first = byte()
    const [isFinal, reserved, opcode] = [first >= 128, (first >> 4) % 8, first % 16]
    if (reserved !== 0 || ![0, 1, 2, 8, 9, 10].includes(opcode)) refuse(1002)
    if (opcode >= 8 && !isFinal) refuse(1002)
    if (opcode === 0 && message === undefined) refuse(1002)
    if ((opcode === 1 || opcode === 2) && message !== undefined) refuse(1002)
    const second = byte()
    const [isMasked, size] = [second >= 128, second % 128]
    if (isMasked !== (role === 'server')) refuse(1002)
    if (opcode >= 8 && size > 125) refuse(1002)
    const length = size === 127 ? number(8) : size === 126 ? number(2) : BigInt(size)
    const mask = isMasked ? [byte(), byte(), byte(), byte()] : [0, 0, 0, 0]
    if (size === 126 && length < 126n) refuse(1002)
    if (size === 127 && (length < 65536n || length >= 2n ** 63n)) refuse(1002)
    if (opcode < 8) {
      message ??= { isText: opcode === 1, bytes: [], announced: 0n }
      message.announced += length
      if (message.announced > BigInt(maxMessageSize)) refuse(1009)
    }
    const payload: number[] = []
    for (let index = 0; index < Number(length); index++) payload.push(byte() ^ mask[index % 4]!)
    if (opcode === 8) close(payload)
    else if (opcode === 9) events.push(`ping ${hex(Uint8Array.from(payload))}`)
    else if (opcode === 10) events.push(`pong ${hex(Uint8Array.from(payload))}`)
    else {
      message!.bytes.push(...payload)
      if (!isFinal) return
      events.push(message!.isText ? 'text' : `message ${hex(Uint8Array.from(message!.bytes))}`)
      message = undefined
    }
  }
  const close = (payload: number[]): void => {
    if (payload.length === 0) {
      events.push('close 1005 ')
      return
    }
    const code = payload.length === 1 ? 0 : payload[0]! * 256 + payload[1]!
    const registered = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014]
    if (!registered.includes(code) && !(code >= 3000 && code < 5000)) refuse(1002)
    const text = Buffer.from(payload.slice(2))
    if (!Buffer.from(text.toString('utf8')).equals(text)) refuse(1007)
    events.push(`close ${code} ${text.toString('utf8')}`)
  }
  try {
    while (!events.at(-1)?.startsWith('close')) frame()
  } catch (error) {
    if (error instanceof Refused) events.push(`error ${error.closeCode}`)
    else if (!(error instanceof Cut)) throw error
  }
  return events
}

/** Pushes `stream` in chunks that end at `cuts`, each in memory of its own at some offset, and collects what comes out; why it failed goes to `reasons`. */
export function decode(
  parser: WebSocketParser,
  stream: Uint8Array,
  cuts: readonly number[] = [],
  reasons: string[] = [],
): Events {
  const events: Events = []
  const ends = [...cuts.filter((cut) => cut > 0 && cut < stream.length), stream.length].sort((a, b) => a - b)
  let from = 0
  for (const [index, end] of ends.entries()) {
    const memory = new Uint8Array(end - from + (index % 5))
    const chunk = memory.subarray(index % 5)
    chunk.set(stream.subarray(from, end))
    from = end
    parser.push(chunk)
    if (!drain(parser, events, reasons)) break
  }
  return events
}

/** False after an error. */
function drain(parser: WebSocketParser, events: Events, reasons: string[]): boolean {
  try {
    for (;;) {
      const event = parser.next()
      if (event === WebSocketEvent.None) return true
      if (event === WebSocketEvent.Message) events.push(`message ${hex(parser.payload)}`)
      else if (event === WebSocketEvent.Text) events.push('text')
      else if (event === WebSocketEvent.Ping) events.push(`ping ${hex(parser.payload)}`)
      else if (event === WebSocketEvent.Pong) events.push(`pong ${hex(parser.payload)}`)
      else events.push(`close ${parser.closeCode} ${parser.closeReason}`)
    }
  } catch (error) {
    if (!(error instanceof WebSocketProtocolError)) throw error
    events.push(`error ${error.closeCode}`)
    reasons.push(error.message)
    return false
  }
}

/** A frame as a careful author would write it, or as he is told to. */
export interface Frame {
  readonly opcode: number
  readonly payload: Uint8Array
  readonly isFinal?: boolean
  readonly mask?: readonly [number, number, number, number]
  readonly reserved?: number
  /** 0, 2 or 8 bytes for the length instead of the fewest. */
  readonly sizeBytes?: 0 | 2 | 8
}

export function frameBytes(frame: Frame): number[] {
  const { length } = frame.payload
  const sizeBytes = frame.sizeBytes ?? (length < 126 ? 0 : length < 65536 ? 2 : 8)
  const size: number[] = []
  for (let left = length, index = 0; index < sizeBytes; index++, left = Math.floor(left / 256)) size.unshift(left % 256)
  const maskBit = frame.mask === undefined ? 0 : 128
  const short = sizeBytes === 0 ? length : sizeBytes === 2 ? 126 : 127
  return [
    ((frame.isFinal ?? true) ? 128 : 0) + (frame.reserved ?? 0) * 16 + frame.opcode,
    maskBit + short,
    ...size,
    ...(frame.mask ?? []),
    ...Array.from(frame.payload, (value, index) => value ^ (frame.mask?.[index % 4] ?? 0)),
  ]
}
