/**
 * What a WebSocket frame looks like on the wire (RFC 6455 §5.2, §5.5): opcodes, headers as they are written, the payload of Close. Reading
 * frames is `parser.ts`; extensions are never negotiated here.
 */

export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const

/** Largest payload of Close, Ping and Pong, bytes (RFC 6455 §5.5). */
export const MAX_CONTROL_PAYLOAD = 125

/** Largest frame header, bytes: 2, a 64-bit length, a mask. */
export const MAX_FRAME_HEADER = 14

/** Close codes (RFC 6455 §7.4.1). 1005 and 1006 stand for "none came" and are never sent. */
export const CloseCode = {
  Normal: 1000,
  GoingAway: 1001,
  ProtocolError: 1002,
  NoStatus: 1005,
  Abnormal: 1006,
  InvalidPayload: 1007,
  PolicyViolation: 1008,
  TooBig: 1009,
  ServiceRestart: 1012,
} as const

/** Bytes of the header in front of a payload of `length` bytes. */
export function frameHeaderLength(length: number, masked: boolean): number {
  const sizeBytes = length <= 125 ? 0 : length <= 0xffff ? 2 : 8
  return 2 + sizeBytes + (masked ? 4 : 0)
}

/** Writes the header of a frame that is a whole message, at `at`; returns where the payload begins. `mask` undefined: not masked. */
export function writeFrameHeader(
  out: Uint8Array,
  at: number,
  opcode: number,
  length: number,
  mask: number | undefined,
): number {
  const maskBit = mask === undefined ? 0 : 0x80
  let end = at
  out[end++] = 0x80 | opcode
  if (length <= 125) {
    out[end++] = maskBit | length
  } else if (length <= 0xffff) {
    out[end++] = maskBit | 126
    out[end++] = length >>> 8
    out[end++] = length
  } else {
    out[end++] = maskBit | 127
    end = writeUint32(out, end, Math.floor(length / 2 ** 32))
    end = writeUint32(out, end, length >>> 0)
  }
  return mask === undefined ? end : writeUint32(out, end, mask)
}

function writeUint32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24
  out[at + 1] = value >>> 16
  out[at + 2] = value >>> 8
  out[at + 3] = value
  return at + 4
}

/** Whether a peer may say this code in a Close frame: those of RFC 6455 §7.4.1, what IANA registered later, and 3000 to 4999. */
export function isValidCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014)
}

/**
 * The payload of a Close frame: the code, and as much of `reason` in UTF-8 as fits 123 bytes, cut between characters. Code 1005 gives the
 * empty payload.
 */
export function closePayload(code: number, reason: string): Uint8Array {
  if (code === CloseCode.NoStatus) return new Uint8Array(0)
  const payload = new Uint8Array(MAX_CONTROL_PAYLOAD)
  payload[0] = code >>> 8
  payload[1] = code
  const { written } = new TextEncoder().encodeInto(reason, payload.subarray(2))
  return payload.subarray(0, 2 + written)
}
