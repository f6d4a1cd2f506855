import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ROOT } from '../../../scripts/build.ts'
import { run } from '../../../scripts/run.ts'
import { createKernel } from '../../../src/crypto/kernel/kernel.ts'
import { LAYOUT } from '../../../src/crypto/kernel/layout.ts'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../../src/crypto/portable/index.ts'
import { counting, toHex } from '../hex.ts'

const NAME = 'chacha20-poly1305'
const openssl = createNodeCrypto({ kernel: false })

/** Filler that repeats from run to run. */
function noise(seed: number, length: number): Uint8Array {
  let state = Math.imul(seed + 1, 0x9e37_79b9)
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) | 0
    return state >>> 24
  })
}

describe('the kernel against node:crypto', () => {
  const crypto = createNodeCrypto()
  const memory = crypto.packetMemory(200_000)

  /** Seals and opens a packet where it stands in the packet memory, and in a buffer of its own. */
  function compare(headerLength: number, length: number, at: number): void {
    const key = noise(length, 32)
    const iv = noise(headerLength, 12)
    const [ours, theirs] = [crypto.aeadKey(NAME, key, iv), openssl.aeadKey(NAME, key, iv)]
    const payload = headerLength
    const end = payload + length
    const plain = noise(length ^ headerLength, end + 16)
    const expected = plain.slice()
    theirs.seal(expected, 0, payload, end, length % 5, length * 12345)
    const places: readonly (readonly [Uint8Array, number])[] = [
      [memory, at],
      [plain.slice(), 0],
    ]
    for (const [bytes, start] of places) {
      bytes.set(plain, start)
      ours.seal(bytes, start, start + payload, start + end, length % 5, length * 12345)
      if (Buffer.compare(bytes.subarray(start, start + end + 16), expected) !== 0)
        expect(toHex(bytes.subarray(start, start + end + 16)), `${headerLength} + ${length}`).toBe(toHex(expected))
      const result = ours.open(bytes, start, start + payload, start + end + 16, length % 5, length * 12345)
      expect(result, `${headerLength} + ${length}`).toBe(start + end)
      if (Buffer.compare(bytes.subarray(start, start + end), plain.subarray(0, end)) !== 0)
        expect(toHex(bytes.subarray(start, start + end))).toBe(toHex(plain.subarray(0, end)))
      // One bit of header, ciphertext or tag, another one each time.
      bytes.set(expected, start)
      const bit = (length * 2654435761) % ((end + 16) * 8)
      bytes[start + (bit >> 3)]! ^= 1 << (bit & 7)
      expect(ours.open(bytes, start, start + payload, start + end + 16, length % 5, length * 12345)).toBe(-1)
    }
    ours.free()
    theirs.free()
  }

  test('RFC 8439 §2.8: every payload length from 0 to 450, with headers of 0 to 63 bytes', () => {
    // Steps that share no factor with 64, so the headers go through all their lengths at each phase of the batches.
    for (let length = 0; length <= 450; length++)
      for (const step of [0, 21, 45]) compare((length * 13 + step) % 64, length, 1000 + (length % 16))
  })

  test('RFC 8439 §2.8: lengths around every batch up to 2,000, and long ones up to the largest datagram', () => {
    for (let edge = 192; edge < 2000; edge += 64) for (const step of [-1, 0, 1]) compare(21, edge + step, 64)
    for (const length of [2048, 4096, 8900, 16_000, 16_383, 65_507 - 21, 65_535 - 63]) compare(63, length, 3)
    for (let count = 0; count < 60; count++) compare(count, (count * 7919 * 31) % 9000, count * 17)
  })

  test('RFC 9001 §5.4.4: header masks for any sample', () => {
    for (let seed = 0; seed < 200; seed++) {
      const key = noise(seed, 32)
      const [ours, theirs] = [crypto, openssl].map((provider) => provider.headerKey(NAME, key))
      const [aead, plain] = [crypto, openssl].map((provider) => provider.aeadKey(NAME, key, noise(seed, 12)))
      const packets = [noise(seed, 60), noise(seed, 60)].map((bytes, i) => {
        bytes[0] = 0x43
        ;(i === 0 ? aead : plain)!.protect((i === 0 ? ours : theirs)!, bytes, 0, 9, 13, 44, 0, seed)
        return toHex(bytes)
      })
      expect(packets[0]).toBe(packets[1])
      for (const handle of [ours, theirs, aead, plain]) handle!.free()
    }
  })

  test('keys that take turns do not mix', () => {
    const handles = [0, 1, 2].map((seed) => ({
      ours: crypto.aeadKey(NAME, noise(seed, 32), noise(seed, 12)),
      theirs: openssl.aeadKey(NAME, noise(seed, 32), noise(seed, 12)),
      header: crypto.headerKey(NAME, noise(seed + 9, 32)),
      theirHeader: openssl.headerKey(NAME, noise(seed + 9, 32)),
    }))
    for (let turn = 0; turn < 60; turn++) {
      const { ours, theirs } = handles[turn % 3]!
      const { header, theirHeader } = handles[((turn * 7) % 3) ^ (turn & 1)] ?? handles[0]!
      const [one, two] = [counting(0x40, 100), counting(0x40, 100)]
      ours.protect(header, one, 0, 9, 11, 80, 0, turn)
      theirs.protect(theirHeader, two, 0, 9, 11, 80, 0, turn)
      expect(toHex(one)).toBe(toHex(two))
    }
    for (const set of handles) for (const handle of Object.values(set)) handle.free()
  })
})

describe('memory', () => {
  const whole = (view: Uint8Array) => new Uint8Array(view.buffer)
  const secrets = (view: Uint8Array) => whole(view).slice(LAYOUT.secrets, LAYOUT.secretEnd)

  test('a freed key leaves nothing of itself in the kernel, nor of what it made', () => {
    for (const order of ['aead', 'header'] as const) {
      const crypto = createNodeCrypto()
      const memory = crypto.packetMemory(4096)
      const aead = crypto.aeadKey(NAME, counting(1, 32), counting(1, 12))
      const header = crypto.headerKey(NAME, counting(101, 32))
      aead.protect(header, memory, 0, 9, 11, 700, 0, 1)
      expect(toHex(secrets(memory))).toContain(toHex(counting(1, 32)))
      expect(toHex(secrets(memory))).toContain(toHex(counting(101, 32)))
      ;(order === 'aead' ? aead : header).free()
      expect(secrets(memory).every((byte) => byte === 0)).toBe(true)
      // The other one is still good.
      if (order === 'header') aead.seal(memory, 0, 11, 700, 0, 2)
      else header.mask(memory, 0, new Uint8Array(5))
      aead.free()
      header.free()
    }
  })

  test('a key that was not used last has nothing there to leave', () => {
    const crypto = createNodeCrypto()
    const memory = crypto.packetMemory(4096)
    const [one, two] = [1, 2].map((seed) => crypto.aeadKey(NAME, counting(seed, 32), new Uint8Array(12)))
    one!.seal(memory, 0, 1, 20, 0, 0)
    two!.seal(memory, 0, 1, 20, 0, 0)
    expect(toHex(secrets(memory))).not.toContain(toHex(counting(1, 32)))
    one!.free()
    expect(toHex(secrets(memory))).toContain(toHex(counting(2, 32)))
    two!.free()
  })

  test('the packet memory is handed out once and does not move', () => {
    const crypto = createNodeCrypto()
    const aead = crypto.aeadKey(NAME, counting(1, 32), counting(1, 12))
    // Keys may be used before: the view comes later and still works.
    const early = counting(0, 60)
    aead.seal(early, 0, 1, 44, 0, 0)
    const first = crypto.packetMemory(100_000)
    const second = crypto.packetMemory(100_000)
    expect(whole(first).length).toBe(LAYOUT.packets + 2 * 65_536)
    expect(first.byteOffset).toBe(LAYOUT.packets)
    expect(whole(second).length).toBe(100_000)
    first.set(counting(0, 60))
    aead.seal(first, 0, 1, 44, 0, 0)
    expect(toHex(first.subarray(0, 60))).toBe(toHex(early))
    expect(first.length).toBe(100_000)
    aead.free()
    expect(createPortableCrypto().packetMemory(10).byteOffset).toBe(LAYOUT.packets)
    expect(createNodeCrypto({ kernel: false }).packetMemory(10).byteOffset).toBe(0)
  })

  test('a memory that cannot be had is no reason to fail', () => {
    const kernel = createKernel()!
    // More than a 32-bit memory can hold, and than a process may have as an array.
    expect(() => kernel.packetMemory(2 ** 53)).toThrow(RangeError)
    expect(kernel.packetMemory(64).byteOffset).toBe(LAYOUT.packets)
  })

  test('positions outside of the buffer never reach the module', () => {
    const crypto = createNodeCrypto()
    const memory = crypto.packetMemory(4096)
    const aead = crypto.aeadKey(NAME, counting(1, 32), counting(1, 12))
    const header = crypto.headerKey(NAME, counting(1, 32))
    const untouched = whole(memory).slice()
    for (const bytes of [memory, new Uint8Array(4096)]) {
      for (const use of [
        () => aead.seal(bytes, -1, 10, 100, 0, 0),
        () => aead.seal(bytes, 20, 10, 100, 0, 0),
        () => aead.seal(bytes, 0, 101, 100, 0, 0),
        () => aead.seal(bytes, 0, 10, 4081, 0, 0),
        () => aead.seal(bytes, Number.NaN, 10, 100, 0, 0),
        () => aead.open(bytes, -65_000, 10, 100, 0, 0),
        () => aead.open(bytes, 20, 10, 100, 0, 0),
        () => aead.open(bytes, 0, 10, 4097, 0, 0),
        () => aead.protect(header, bytes, -1, 5, 7, 100, 0, 0),
        () => aead.protect(header, bytes, 0, 5, 5, 100, 0, 0),
        () => aead.protect(header, bytes, 0, 5, 10, 100, 0, 0),
        () => aead.protect(header, bytes, 0, 5, 7, 8, 0, 0),
        () => aead.protect(header, bytes, 0, 5, 7, 6, 0, 0),
        () => aead.protect(header, bytes, 0, 5, 7, 4081, 0, 0),
        () => aead.protect(header, bytes, 6, 5, 7, 100, 0, 0),
        () => aead.unprotect(header, bytes, -1, 5, 100, 0, -1, -1),
        () => aead.unprotect(header, bytes, 6, 5, 100, 0, -1, -1),
        () => aead.unprotect(header, bytes, 0, 101, 100, 0, -1, -1),
        () => aead.unprotect(header, bytes, 0, 5, 4097, 0, -1, -1),
      ])
        expect(use, String(use)).toThrow(RangeError)
    }
    // Keys may have been put there; packets and the rest are as they were.
    expect(Buffer.compare(whole(memory).subarray(LAYOUT.secretEnd), untouched.subarray(LAYOUT.secretEnd))).toBe(0)
    const long = new Uint8Array(70_000)
    for (const use of [
      () => aead.seal(long, -1, 10, 69_000, 0, 0),
      () => aead.seal(long, 0, 69_001, 69_000, 0, 0),
      () => aead.seal(long, 0, 1, 69_985, 0, 0),
      () => aead.open(long, -1, 10, 69_000, 0, 0),
      () => aead.open(long, 0, 69_000, 68_990, 0, 0),
      () => aead.open(long, 0, 1, 70_001, 0, 0),
      () => aead.protect(header, long, 0, 1, 3, 69_000, 0, 0),
    ])
      expect(use, String(use)).toThrow(RangeError)
    expect(long.every((byte) => byte === 0)).toBe(true)
    aead.free()
    header.free()
  })

  test.each([
    ['node', createNodeCrypto],
    ['portable', createPortableCrypto],
  ])('RFC 8439 §2.8: what is longer than a datagram is sealed and opened without the kernel: %s', (_name, create) => {
    const [crypto, other] = [create(), create({ kernel: false })]
    const [aead, twin] = [crypto, other].map((each) => each.aeadKey(NAME, counting(1, 32), counting(1, 12)))
    // the last one the kernel has room for, and the first it has not
    for (const length of [LAYOUT.copyLength - 32, LAYOUT.copyLength - 31, LAYOUT.copyLength - 15, 100_000]) {
      const bytes = new Uint8Array(length + 16).map((_, index) => index)
      const [plain, expected] = [bytes.slice(), bytes.slice()]
      aead!.seal(bytes, 0, 5, length, 0, 7)
      twin!.seal(expected, 0, 5, length, 0, 7)
      expect(Buffer.compare(bytes, expected)).toBe(0)
      expect(aead!.open(bytes, 0, 5, length + 16, 0, 7)).toBe(length)
      expect(Buffer.compare(bytes.subarray(0, length), plain.subarray(0, length))).toBe(0)
      expected[length]! ^= 1
      expect(aead!.open(expected, 0, 5, length + 16, 0, 7)).toBe(-1)
    }
    aead!.free()
    twin!.free()
    expect([crypto.liveKeys, other.liveKeys]).toEqual([0, 0])
  })

  test('a header key of another provider, or of another kernel, works in steps', () => {
    const [one, two] = [createNodeCrypto(), createNodeCrypto()]
    const memory = one.packetMemory(4096)
    const aead = one.aeadKey(NAME, counting(1, 32), counting(1, 12))
    const own = one.headerKey(NAME, counting(50, 32))
    const plain = counting(0x41, 100)
    plain.set([0, 7], 9)
    const expected = plain.slice()
    aead.protect(own, expected, 0, 9, 11, 80, 0, 7)
    own.free()
    for (const provider of [two, createNodeCrypto({ kernel: false }), createPortableCrypto({ kernel: false })]) {
      const header = provider.headerKey(NAME, counting(50, 32))
      const bytes = plain.slice()
      aead.protect(header, bytes, 0, 9, 11, 80, 0, 7)
      expect(toHex(bytes)).toBe(toHex(expected))
      expect(aead.unprotect(header, bytes, 0, 9, 96, 0, -1, 0)).toBe(80)
      expect(toHex(bytes.subarray(0, 80))).toBe(toHex(plain.subarray(0, 80)))
      // Nobody would wipe it from there.
      expect(toHex(secrets(memory))).not.toContain(toHex(counting(50, 32)))
      header.free()
    }
    aead.free()
  })
})

describe('fast-path.md §2: without a kernel', () => {
  afterEach(() => void vi.unstubAllGlobals())

  /** What a provider without a kernel does, whatever kept it from having one. */
  function expectFallback(): void {
    expect(createKernel()).toBeUndefined()
    const crypto = createNodeCrypto()
    expect(crypto.aeadPreference).toEqual(['aes-128-gcm', 'aes-256-gcm', NAME])
    expect(createPortableCrypto().aeadPreference[0]).toBe(NAME)
    const key = crypto.aeadKey(NAME, counting(1, 32), counting(1, 12))
    const bytes = new Uint8Array(60)
    key.seal(bytes, 0, 4, 44, 0, 0)
    expect(key.open(bytes, 0, 4, 60, 0, 0)).toBe(44)
    key.free()
    expect(crypto.packetMemory(100).length).toBe(100)
    expect(crypto.liveKeys).toBe(0)
  }

  test('no WebAssembly at all', () => {
    vi.stubGlobal('WebAssembly', undefined)
    expectFallback()
  })

  test('no SIMD, or a page that may not compile', () => {
    const { Memory, Instance, CompileError } = WebAssembly
    vi.stubGlobal('WebAssembly', {
      Memory,
      Instance,
      Module: class {
        constructor() {
          throw new CompileError('invalid opcode 0xfd')
        }
      },
    })
    expectFallback()
  })

  test('no address space for another memory', () => {
    const { Module, Instance } = WebAssembly
    vi.stubGlobal('WebAssembly', {
      Module,
      Instance,
      Memory: class {
        constructor() {
          throw new RangeError('could not allocate memory')
        }
      },
    })
    expectFallback()
  })

  test('node --jitless: the same packets, by node:crypto', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tom-jitless-'))
    try {
      const main = `
        import { createNodeCrypto } from './src/crypto/node/index.ts'
        const crypto = createNodeCrypto()
        const key = crypto.aeadKey('chacha20-poly1305', new Uint8Array(32).fill(1), new Uint8Array(12).fill(2))
        const header = crypto.headerKey('chacha20-poly1305', new Uint8Array(32).fill(3))
        const bytes = new Uint8Array(80).fill(0x43)
        key.protect(header, bytes, 0, 9, 13, 64, 0, 5)
        console.log(crypto.aeadPreference[0], Buffer.from(bytes).toString('hex'))
      `
      const outfile = join(folder, 'main.mjs')
      await build({
        stdin: { contents: main, resolveDir: ROOT, loader: 'ts' },
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile,
        logLevel: 'error',
      })
      const print = (...flags: string[]) =>
        run(process.execPath, [...flags, outfile], { cwd: folder })
          .trim()
          .split(' ')
      const [withKernel, packet] = print()
      const [without, samePacket] = print('--jitless')
      expect([withKernel, without]).toEqual([NAME, 'aes-128-gcm'])
      expect(packet).toHaveLength(160)
      expect(samePacket).toBe(packet)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
