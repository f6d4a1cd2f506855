import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kernelBytes } from '../../../scripts/kernel/program.ts'
import { LAYOUT } from '../../../src/crypto/kernel/layout.ts'
import { hex, toHex } from '../hex.ts'

const PRIME = 2n ** 130n - 5n
const KEY_AT = LAYOUT.copy
const MESSAGE_AT = LAYOUT.copy + 64

const memory = new WebAssembly.Memory({ initial: 3 })
const instance = new WebAssembly.Instance(new WebAssembly.Module(kernelBytes()), { env: { memory } })
const poly1305 = instance.exports.poly1305 as (key: number, message: number, length: number) => void
const bytes = new Uint8Array(memory.buffer)

function kernelTag(key: Uint8Array, message: Uint8Array): string {
  // What stands behind the message must not matter.
  bytes.fill(0xa5, MESSAGE_AT, MESSAGE_AT + message.length + 32)
  bytes.set(key, KEY_AT)
  bytes.set(message, MESSAGE_AT)
  poly1305(KEY_AT, MESSAGE_AT, message.length)
  return toHex(bytes.slice(LAYOUT.tag, LAYOUT.tag + 16))
}

const littleEndian = (from: Uint8Array): bigint =>
  [...from].reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n)
const toBytes = (value: bigint, length: number) =>
  Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))

/** RFC 8439 §2.5.1 as it is written there; a message whose length is no multiple of 16 is filled up with zeros first, as in §2.8. */
function modelTag(key: Uint8Array, message: Uint8Array): string {
  const r = littleEndian(key.slice(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  const s = littleEndian(key.slice(16, 32))
  let accumulator = 0n
  for (let at = 0; at < message.length; at += 16) {
    const block = new Uint8Array(16)
    block.set(message.slice(at, at + 16))
    accumulator = ((accumulator + littleEndian(block) + 2n ** 128n) * r) % PRIME
  }
  return toHex(toBytes((accumulator + s) & (2n ** 128n - 1n), 16))
}

const keyOf = (r: bigint, s: bigint) => Uint8Array.from([...toBytes(r, 16), ...toBytes(s, 16)])
const ONES = 2n ** 128n - 1n
const CLAMPED = 0x0ffffffc0ffffffc0ffffffc0fffffffn

function compare(key: Uint8Array, message: Uint8Array): void {
  if (kernelTag(key, message) !== modelTag(key, message))
    expect(kernelTag(key, message), `key ${toHex(key)} message ${toHex(message)}`).toBe(modelTag(key, message))
}

describe('Poly1305 of the kernel against a model on BigInt', () => {
  test('RFC 8439 §2.5.2: the example, in whole blocks', () => {
    const key = hex('85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b')
    const message = new TextEncoder().encode('Cryptographic Forum Research Group').slice(0, 32)
    expect(kernelTag(key, message)).toBe(modelTag(key, message))
    // RFC 8439 appendix A.3, vectors 1 and 5 to 11, whose messages are whole blocks.
    expect(kernelTag(new Uint8Array(32), new Uint8Array(64))).toBe('00'.repeat(16))
    expect(kernelTag(keyOf(2n, 0n), hex('ff'.repeat(16)))).toBe(`03${'00'.repeat(15)}`)
    expect(kernelTag(keyOf(2n, ONES), hex(`02${'00'.repeat(15)}`))).toBe(`03${'00'.repeat(15)}`)
    expect(kernelTag(keyOf(1n, 0n), hex(`${'ff'.repeat(16)}f0${'ff'.repeat(15)}11${'00'.repeat(15)}`))).toBe(
      `05${'00'.repeat(15)}`,
    )
    expect(kernelTag(keyOf(1n, 0n), hex(`${'ff'.repeat(16)}fb${'fe'.repeat(15)}${'01'.repeat(16)}`))).toBe(
      '00'.repeat(16),
    )
    expect(kernelTag(keyOf(2n, 0n), hex(`fd${'ff'.repeat(15)}`))).toBe(`fa${'ff'.repeat(15)}`)
    expect(
      kernelTag(
        keyOf((4n << 64n) + 1n, 0n),
        hex(
          'e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000',
        ),
      ),
    ).toBe('14000000000000005500000000000000')
    expect(
      kernelTag(
        keyOf((4n << 64n) + 1n, 0n),
        hex(`e33594d7505e43b900000000000000003394d7505e4379cd0100000000000000${'00'.repeat(16)}`),
      ),
    ).toBe(`13${'00'.repeat(15)}`)
  })

  test('RFC 8439 §2.5: sums at the prime, at 2^130 and at 2^128, with multipliers that keep them there', () => {
    for (const r of [0n, 1n, 2n, 4n, 5n, CLAMPED])
      for (const s of [0n, 1n, ONES])
        for (let offset = -12n; offset <= 12n; offset++) {
          for (const [blocks, target] of [
            [1, 2n ** 128n],
            [3, PRIME],
            [4, PRIME],
            [4, 2n ** 130n],
            [7, 2n * PRIME],
            [8, 2n * PRIME],
            [2, 2n ** 129n],
          ] as const) {
            // `blocks` blocks, each with its bit at 2^128, that add up to target + offset where r is 1.
            let rest = target + offset - BigInt(blocks) * 2n ** 128n
            if (rest < 0n || rest > BigInt(blocks) * ONES) continue
            const message = Uint8Array.from(
              Array.from({ length: blocks }, () => {
                const part = rest > ONES ? ONES : rest
                rest -= part
                return [...toBytes(part, 16)]
              }).flat(),
            )
            compare(keyOf(r, s), message)
          }
        }
  })

  test('RFC 8439 §2.5: all ones, zero limbs and single limbs, in r and in the message', () => {
    const limbs = (mask: number) => {
      let value = 0n
      for (let i = 0; i < 4; i++) if ((mask >> i) & 1) value |= 0xffff_ffffn << BigInt(32 * i)
      return value
    }
    for (let r = 0; r < 16; r++)
      for (let m = 0; m < 16; m++)
        for (const count of [1, 2, 3, 17, 40]) {
          const block = [...toBytes(limbs(m), 16)]
          const other = [...toBytes(limbs(15 - m), 16)]
          const message = Uint8Array.from(Array.from({ length: count }, (_, i) => (i % 3 === 2 ? other : block)).flat())
          // r is clamped by the kernel itself.
          compare(keyOf(limbs(r), limbs(m)), message)
        }
    compare(keyOf(ONES, ONES), new Uint8Array(4096).fill(0xff))
  })

  test('RFC 8439 §2.5: each bit of r alone', () => {
    const message = hex(`${'ff'.repeat(48)}${'80'.repeat(16)}`)
    for (let bit = 0n; bit < 128n; bit++) compare(keyOf(1n << bit, 0n), message)
  })

  test('RFC 8439 §2.8: every length, filled up with zeros', () => {
    const key = keyOf(CLAMPED - 4n, ONES - 7n)
    for (let length = 0; length <= 100; length++) compare(key, new Uint8Array(length).fill(0xff))
  })

  test('RFC 8439 §2.5: random keys and messages with extreme words', () => {
    const word = fc.oneof(
      fc.constantFrom(0, 1, 4, 5, 0x7fff_ffff, 0x8000_0000, 0xffff_fffb, 0xffff_ffff),
      fc.nat(2 ** 32 - 1),
    )
    const words = (count: number) =>
      fc
        .array(word, { minLength: count, maxLength: count })
        .map((list) => new Uint8Array(Uint32Array.from(list).buffer))
    fc.assert(
      fc.property(
        words(8),
        fc.integer({ min: 0, max: 24 }).chain((blocks) => words(blocks * 4)),
        fc.nat(15),
        (key, message, cut) => compare(key, message.slice(0, Math.max(0, message.length - cut))),
      ),
      { numRuns: 2000 },
    )
  })
})
