import { expect, test } from 'vitest'
import { newMessageId } from '../../../src/envelope/wire/message-id.ts'

test('RFC 9562 §5.4: version and variant stand over what is random', () => {
  const filled = (byte: number) => newMessageId({ fill: (out) => void out.fill(byte) })
  expect(filled(0)).toBe('00000000-0000-4000-8000-000000000000')
  expect(filled(0xff)).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff')
  expect(filled(0xa5)).toBe('a5a5a5a5-a5a5-45a5-a5a5-a5a5a5a5a5a5')
})

test('all 16 bytes are asked for', () => {
  const id = newMessageId({ fill: (out) => out.set(out.map((_, index) => index + 1)) })
  expect(id).toBe('01020304-0506-4708-890a-0b0c0d0e0f10')
})
