/**
 * BLAKE3's plain hash, without key or context, for the ids of gossip messages: every message is hashed at its author and at every receiver, and noble's hash takes ten times as
 * long (it is general; here the state stays in local variables). BLAKE3 specification §2.
 */

/** SHA-256's, as BLAKE3's IV. */
const IV: readonly number[] = [
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
].map((word) => word | 0)
const CHUNK = 1024
const BLOCK = 64
const CHUNK_START = 1
const CHUNK_END = 2
const PARENT = 4
const ROOT = 8

/** 32 bytes; the default mode, any length of input. */
export function blake3Hash(data: Uint8Array): Uint8Array {
  const cv = new Int32Array(8)
  const words = new Int32Array(16)
  if (data.length <= CHUNK) chunk(cv, words, data, 0, data.length, 0, ROOT)
  else tree(cv, words, data)
  const out = new Uint8Array(32)
  const view = new DataView(out.buffer)
  for (let index = 0; index < 8; index++) view.setInt32(4 * index, cv[index]!, true)
  return out
}

/** Chaining values of finished subtrees, the largest first: one for each bit of the number of chunks. */
function tree(cv: Int32Array, words: Int32Array, data: Uint8Array): void {
  const stack: Int32Array[] = []
  const last = Math.ceil(data.length / CHUNK) - 1
  for (let index = 0; index < last; index++) {
    chunk(cv, words, data, index * CHUNK, (index + 1) * CHUNK, index, 0)
    for (let count = index + 1; count % 2 === 0; count /= 2) parent(cv, words, stack.pop()!, 0)
    stack.push(cv.slice())
  }
  chunk(cv, words, data, last * CHUNK, data.length, last, 0)
  while (stack.length > 0) parent(cv, words, stack.pop()!, stack.length === 0 ? ROOT : 0)
}

/** `cv` becomes that of the node above `left` and `cv`. */
function parent(cv: Int32Array, words: Int32Array, left: Int32Array, flags: number): void {
  words.set(left)
  words.set(cv, 8)
  for (let index = 0; index < 8; index++) cv[index] = IV[index]!
  compress(cv, words, 0, BLOCK, PARENT | flags)
}

/** `cv` becomes that of the bytes from `start` to `end`. */
function chunk(
  cv: Int32Array,
  words: Int32Array,
  data: Uint8Array,
  start: number,
  end: number,
  counter: number,
  flags: number,
): void {
  for (let index = 0; index < 8; index++) cv[index] = IV[index]!
  let at = start
  let kind = CHUNK_START
  for (; end - at > BLOCK; at += BLOCK) {
    for (let index = 0, from = at; index < 16; index++, from += 4)
      words[index] = data[from]! | (data[from + 1]! << 8) | (data[from + 2]! << 16) | (data[from + 3]! << 24)
    compress(cv, words, counter, BLOCK, kind)
    kind = 0
  }
  words.fill(0)
  for (let from = at; from < end; from++) words[(from - at) >> 2]! |= data[from]! << (8 * ((from - at) & 3))
  compress(cv, words, counter, end - at, kind | CHUNK_END | flags)
}

function compress(cv: Int32Array, words: Int32Array, counter: number, length: number, flags: number): void {
  let m0 = words[0]!
  let m1 = words[1]!
  let m2 = words[2]!
  let m3 = words[3]!
  let m4 = words[4]!
  let m5 = words[5]!
  let m6 = words[6]!
  let m7 = words[7]!
  let m8 = words[8]!
  let m9 = words[9]!
  let m10 = words[10]!
  let m11 = words[11]!
  let m12 = words[12]!
  let m13 = words[13]!
  let m14 = words[14]!
  let m15 = words[15]!
  let s0 = cv[0]!
  let s1 = cv[1]!
  let s2 = cv[2]!
  let s3 = cv[3]!
  let s4 = cv[4]!
  let s5 = cv[5]!
  let s6 = cv[6]!
  let s7 = cv[7]!
  let s8 = 0x6a09e667 | 0
  let s9 = 0xbb67ae85 | 0
  let s10 = 0x3c6ef372 | 0
  let s11 = 0xa54ff53a | 0
  let s12 = counter | 0
  let s13 = Math.floor(counter / 0x100000000) | 0
  let s14 = length
  let s15 = flags
  for (let round = 0; ; round++) {
    s0 = (s0 + s4 + m0) | 0
    s12 ^= s0
    s12 = (s12 >>> 16) | (s12 << 16)
    s8 = (s8 + s12) | 0
    s4 ^= s8
    s4 = (s4 >>> 12) | (s4 << 20)
    s0 = (s0 + s4 + m1) | 0
    s12 ^= s0
    s12 = (s12 >>> 8) | (s12 << 24)
    s8 = (s8 + s12) | 0
    s4 ^= s8
    s4 = (s4 >>> 7) | (s4 << 25)
    s1 = (s1 + s5 + m2) | 0
    s13 ^= s1
    s13 = (s13 >>> 16) | (s13 << 16)
    s9 = (s9 + s13) | 0
    s5 ^= s9
    s5 = (s5 >>> 12) | (s5 << 20)
    s1 = (s1 + s5 + m3) | 0
    s13 ^= s1
    s13 = (s13 >>> 8) | (s13 << 24)
    s9 = (s9 + s13) | 0
    s5 ^= s9
    s5 = (s5 >>> 7) | (s5 << 25)
    s2 = (s2 + s6 + m4) | 0
    s14 ^= s2
    s14 = (s14 >>> 16) | (s14 << 16)
    s10 = (s10 + s14) | 0
    s6 ^= s10
    s6 = (s6 >>> 12) | (s6 << 20)
    s2 = (s2 + s6 + m5) | 0
    s14 ^= s2
    s14 = (s14 >>> 8) | (s14 << 24)
    s10 = (s10 + s14) | 0
    s6 ^= s10
    s6 = (s6 >>> 7) | (s6 << 25)
    s3 = (s3 + s7 + m6) | 0
    s15 ^= s3
    s15 = (s15 >>> 16) | (s15 << 16)
    s11 = (s11 + s15) | 0
    s7 ^= s11
    s7 = (s7 >>> 12) | (s7 << 20)
    s3 = (s3 + s7 + m7) | 0
    s15 ^= s3
    s15 = (s15 >>> 8) | (s15 << 24)
    s11 = (s11 + s15) | 0
    s7 ^= s11
    s7 = (s7 >>> 7) | (s7 << 25)
    s0 = (s0 + s5 + m8) | 0
    s15 ^= s0
    s15 = (s15 >>> 16) | (s15 << 16)
    s10 = (s10 + s15) | 0
    s5 ^= s10
    s5 = (s5 >>> 12) | (s5 << 20)
    s0 = (s0 + s5 + m9) | 0
    s15 ^= s0
    s15 = (s15 >>> 8) | (s15 << 24)
    s10 = (s10 + s15) | 0
    s5 ^= s10
    s5 = (s5 >>> 7) | (s5 << 25)
    s1 = (s1 + s6 + m10) | 0
    s12 ^= s1
    s12 = (s12 >>> 16) | (s12 << 16)
    s11 = (s11 + s12) | 0
    s6 ^= s11
    s6 = (s6 >>> 12) | (s6 << 20)
    s1 = (s1 + s6 + m11) | 0
    s12 ^= s1
    s12 = (s12 >>> 8) | (s12 << 24)
    s11 = (s11 + s12) | 0
    s6 ^= s11
    s6 = (s6 >>> 7) | (s6 << 25)
    s2 = (s2 + s7 + m12) | 0
    s13 ^= s2
    s13 = (s13 >>> 16) | (s13 << 16)
    s8 = (s8 + s13) | 0
    s7 ^= s8
    s7 = (s7 >>> 12) | (s7 << 20)
    s2 = (s2 + s7 + m13) | 0
    s13 ^= s2
    s13 = (s13 >>> 8) | (s13 << 24)
    s8 = (s8 + s13) | 0
    s7 ^= s8
    s7 = (s7 >>> 7) | (s7 << 25)
    s3 = (s3 + s4 + m14) | 0
    s14 ^= s3
    s14 = (s14 >>> 16) | (s14 << 16)
    s9 = (s9 + s14) | 0
    s4 ^= s9
    s4 = (s4 >>> 12) | (s4 << 20)
    s3 = (s3 + s4 + m15) | 0
    s14 ^= s3
    s14 = (s14 >>> 8) | (s14 << 24)
    s9 = (s9 + s14) | 0
    s4 ^= s9
    s4 = (s4 >>> 7) | (s4 << 25)
    if (round === 6) break
    const t0 = m0
    m0 = m2
    m2 = m3
    m3 = m10
    m10 = m12
    m12 = m9
    m9 = m11
    m11 = m5
    m5 = t0
    const t1 = m1
    m1 = m6
    m6 = m4
    m4 = m7
    m7 = m13
    m13 = m14
    m14 = m15
    m15 = m8
    m8 = t1
  }
  cv[0] = s0 ^ s8
  cv[1] = s1 ^ s9
  cv[2] = s2 ^ s10
  cv[3] = s3 ^ s11
  cv[4] = s4 ^ s12
  cv[5] = s5 ^ s13
  cv[6] = s6 ^ s14
  cv[7] = s7 ^ s15
}
