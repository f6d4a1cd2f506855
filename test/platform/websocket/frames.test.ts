import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  closePayload,
  frameHeaderLength,
  isValidCloseCode,
  Opcode,
  writeFrameHeader,
} from '../../../src/platform/websocket/frames.ts'
import { applyMask, rotateMask, wordsOf } from '../../../src/platform/websocket/mask.ts'
import { frameBytes, hex, unhex } from './twin.ts'

/** A whole frame as a link writes it. */
function write(opcode: number, payload: Uint8Array, mask?: number): string {
  const out = new Uint8Array(frameHeaderLength(payload.length, mask !== undefined) + payload.length)
  const at = writeFrameHeader(out, 0, opcode, payload.length, mask)
  out.set(payload, at)
  if (mask !== undefined) applyMask(out, wordsOf(out), at, out.length, mask)
  return hex(out)
}

test('spec/relay.md §8.1: challenge, answer and confirmation on the wire', () => {
  expect(write(Opcode.Binary, unhex('00000102030405060708090a0b0c0d0e0f'))).toBe(
    '821100000102030405060708090a0b0c0d0e0f',
  )
  expect(write(Opcode.Binary, unhex('02'))).toBe('820102')
  const clientAuth = unhex(`018a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c40
    4d5e2e27b1f48ba67554ffa68589791ddfec1529574c3f26e4356bc075cee0a3
    ddaedea5fb0b3de1359d135dce06aa7f192562e48df781df865c77f1d716f00d`)
  expect(write(Opcode.Binary, clientAuth, 0x37fa213d)).toBe(
    hex(
      unhex(`82e237fa213d3670a9deea8e28cca20773e61ac69b604530463488e7b52f2c0955b5364e2e526bba6c6319dd
        90c9bc5c5469c85ca4b44ee7fed122d3767108dcc5085c3a54f3d759fc93e95fda360a1b14a024a7ef3b9d85
        3818551eaccab625a761400bf62bc7f7`),
    ),
  )
  expect(write(Opcode.Binary, unhex('092a2a2a2a2a2a2a2a'), 0x37fa213d)).toBe('828937fa213d3ed00b171dd00b171d')
})

test('RFC 6455 §5.7: the samples', () => {
  const hello = new TextEncoder().encode('Hello')
  expect(write(Opcode.Text, hello)).toBe('810548656c6c6f')
  expect(write(Opcode.Text, hello, 0x37fa213d)).toBe('818537fa213d7f9f4d5158')
  expect(write(Opcode.Ping, hello)).toBe('890548656c6c6f')
  expect(write(Opcode.Pong, hello, 0x37fa213d)).toBe('8a8537fa213d7f9f4d5158')
  expect(write(Opcode.Binary, new Uint8Array(256)).slice(0, 8)).toBe('827e0100')
  expect(write(Opcode.Binary, new Uint8Array(65536)).slice(0, 20)).toBe('827f0000000000010000')
})

test('RFC 6455 §5.2: headers around each change of length', () => {
  for (const length of [0, 1, 125, 126, 127, 65535, 65536, 65537, 70_000]) {
    for (const isMasked of [false, true]) {
      const expected = frameBytes({
        opcode: 2,
        payload: new Uint8Array(length),
        ...(isMasked && { mask: [1, 2, 3, 4] }),
      })
      const headerLength = expected.length - length
      expect(frameHeaderLength(length, isMasked)).toBe(headerLength)
      const out = new Uint8Array(20)
      expect(writeFrameHeader(out, 3, Opcode.Binary, length, isMasked ? 0x01020304 : undefined)).toBe(3 + headerLength)
      expect(hex(out.subarray(3, 3 + headerLength))).toBe(hex(Uint8Array.from(expected.slice(0, headerLength))))
    }
  }
  const huge = new Uint8Array(10)
  writeFrameHeader(huge, 0, Opcode.Binary, 2 ** 40 + 5, undefined)
  expect(hex(huge)).toBe('827f0000010000000005')
})

test('RFC 6455 §5.3: masking by words is masking by bytes, at every alignment, and touches nothing else', () => {
  const bytes = fc.uint8Array({ minLength: 0, maxLength: 200 })
  fc.assert(
    fc.property(bytes, fc.nat(7), fc.nat(200), fc.nat(200), fc.nat(0xffffffff), (data, offset, a, b, mask) => {
      const view = new Uint8Array(data.length + offset).subarray(offset)
      view.set(data)
      const [start, end] = [Math.min(a, b, data.length), Math.min(Math.max(a, b), data.length)]
      const key = [mask >>> 24, mask >>> 16, mask >>> 8, mask]
      const expected = data.map((value, at) => (at < start || at >= end ? value : value ^ key[(at - start) % 4]!))
      applyMask(view, wordsOf(view), start, end, mask)
      expect(view).toEqual(expected)
    }),
    { numRuns: 200 },
  )
})

test('RFC 6455 §5.3: a mask that is rotated goes on where the payload was cut', () => {
  for (let cut = 0; cut <= 40; cut++) {
    const whole = new Uint8Array(40).fill(0x5a)
    const parts = whole.slice()
    applyMask(whole, wordsOf(whole), 0, 40, 0x81a2c3f4)
    applyMask(parts, wordsOf(parts), 0, cut, 0x81a2c3f4)
    applyMask(parts, wordsOf(parts), cut, 40, rotateMask(0x81a2c3f4, cut))
    expect(parts).toEqual(whole)
  }
})

test('RFC 6455 §7.4: which close codes may stand in a frame', () => {
  const valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
  const invalid = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
  expect(valid.filter(isValidCloseCode)).toEqual(valid)
  expect(invalid.filter(isValidCloseCode)).toEqual([])
})

test('RFC 6455 §5.5: a reason for closing is cut between characters, so that the frame stays below 126 bytes', () => {
  expect(hex(closePayload(1000, ''))).toBe('03e8')
  expect(hex(closePayload(4001, 'bye'))).toBe('0fa1627965')
  expect(closePayload(1005, 'never')).toHaveLength(0)
  const long = closePayload(1000, `${'a'.repeat(122)}éé`)
  expect(new TextDecoder('utf-8', { fatal: true }).decode(long.subarray(2))).toBe('a'.repeat(122))
  expect(closePayload(1000, 'é'.repeat(100))).toHaveLength(124)
})
