/**
 * Poly1305 in limbs of 32 bits held in 64-bit locals (RFC 8439 §2.5). Carries run in parallel, once a block: why no sum leaves 64 bits is
 * argued in docs/security.md, and `test/crypto/kernel` checks the argument by intervals.
 */
import { LAYOUT } from '../../src/crypto/kernel/layout.ts'
import {
  type Code,
  control,
  type FunctionDefinition,
  get,
  i32,
  i64,
  type Local,
  type Program,
  set,
  v128,
} from './assembler.ts'

const SCRATCH = i32.const(0)
const LOW_32 = i64.const(0xffff_ffff)

/** Locals of a function that works on blocks: multiplier, accumulator, and what lies between two carries. */
export interface PolyLocals {
  /** r in four limbs of at most 28 bits, and its upper three times 5/4 (they are multiples of 4). */
  readonly r: readonly Local[]
  readonly s: readonly Local[]
  /** The accumulator: four limbs below 2^34 and a top limb below 4. */
  readonly h: readonly Local[]
  /** Accumulator plus message, and the product sums. */
  readonly a: readonly Local[]
  readonly x: readonly Local[]
}

export function polyLocals(own: FunctionDefinition): PolyLocals {
  const limbs = (count: number) => Array.from({ length: count }, () => own.local('i64'))
  return { r: limbs(4), s: limbs(4), h: limbs(5), a: limbs(5), x: limbs(5) }
}

/** From memory into locals. */
export function loadPoly({ r, s, h }: PolyLocals): Code {
  return [
    ...r.flatMap((limb, i) => set(limb, i64.load(SCRATCH, LAYOUT.multiplier + 8 * i))),
    ...s.slice(1).flatMap((limb, i) => set(limb, i64.load(SCRATCH, LAYOUT.multiplier + 32 + 8 * i))),
    ...h.flatMap((limb, i) => set(limb, i64.load(SCRATCH, LAYOUT.accumulator + 8 * i))),
  ]
}

export function storePoly({ h }: PolyLocals): Code {
  return h.flatMap((limb, i) => i64.store(SCRATCH, get(limb), LAYOUT.accumulator + 8 * i))
}

const sum = (terms: readonly Code[]): Code => terms.reduce((left, right) => i64.add(left, right))
const low = (value: Local) => i64.and(get(value), LOW_32)
const high = (value: Local) => i64.shr(get(value), i64.const(32))

/**
 * h = (h + block) · r modulo 2^130 - 5, for the 16 bytes at `message + offset`. In steps that leave the stack empty, so that other work can
 * be put between them.
 */
export function blockSteps({ r, s, h, a, x }: PolyLocals, message: Local, offset: number): Code[] {
  const product = (i: number, j: number) => {
    // Limbs i and j meet at 2^(32(i+j)); from 2^128 on, 2^130 = 5 brings them down with 5/4 of the multiplier.
    const factor = i + j < 4 ? r[j]! : s[j]!
    return i64.mul(get(a[i]!), get(factor))
  }
  return [
    ...[0, 1, 2, 3].map((i) => set(a[i]!, i64.add(get(h[i]!), i64.load32(get(message), offset + 4 * i)))),
    // The bit above a full block.
    set(a[4]!, i64.add(get(h[4]!), i64.const(1))),
    set(x[3]!, sum([product(0, 3), product(1, 2), product(2, 1), product(3, 0), i64.mul(get(a[4]!), get(s[3]!))])),
    set(x[4]!, i64.add(i64.mul(get(a[4]!), get(r[0]!)), high(x[3]!))),
    set(x[0]!, sum([product(0, 0), product(1, 3), product(2, 2), product(3, 1)])),
    set(h[0]!, i64.add(low(x[0]!), i64.add(i64.shr(get(x[4]!), i64.const(2)), i64.and(get(x[4]!), i64.const(-4))))),
    set(h[4]!, i64.and(get(x[4]!), i64.const(3))),
    set(x[1]!, sum([product(0, 1), product(1, 0), product(2, 3), product(3, 2), i64.mul(get(a[4]!), get(s[1]!))])),
    set(h[1]!, i64.add(low(x[1]!), high(x[0]!))),
    set(x[2]!, sum([product(0, 2), product(1, 1), product(2, 0), product(3, 3), i64.mul(get(a[4]!), get(s[2]!))])),
    set(h[2]!, i64.add(low(x[2]!), high(x[1]!))),
    set(h[3]!, i64.add(low(x[3]!), high(x[2]!))),
  ]
}

export interface PolyFunctions {
  /** (key): takes the 32-byte one-time key and empties the accumulator. */
  readonly start: FunctionDefinition
  /** (message, length): all of it, the last block filled up with zeros. Reads up to 15 bytes behind the message. */
  readonly absorb: FunctionDefinition
  /** (): the tag, at `LAYOUT.tag`. */
  readonly finish: FunctionDefinition
}

export function definePoly1305(program: Program): PolyFunctions {
  program.data.push({ offset: LAYOUT.tailMask, bytes: [...Array(16).fill(0xff), ...Array(16).fill(0)] })

  const start = program.define('polyStart', ['i32'], undefined, (own, key) => {
    const limb = own.local('i64')
    const clamped = (i: number) =>
      // RFC 8439 §2.5: the top four bits of each limb, and the lowest two of all but the first.
      i64.and(i64.load32(get(key!), 4 * i), i64.const(i === 0 ? 0x0fff_ffff : 0x0fff_fffc))
    return [
      ...[0, 1, 2, 3].flatMap((i) => [
        ...set(limb, clamped(i)),
        ...i64.store(SCRATCH, get(limb), LAYOUT.multiplier + 8 * i),
        ...(i === 0
          ? []
          : i64.store(SCRATCH, i64.add(get(limb), i64.shr(get(limb), i64.const(2))), LAYOUT.multiplier + 24 + 8 * i)),
      ]),
      ...[0, 1, 2, 3, 4].flatMap((i) => i64.store(SCRATCH, i64.const(0), LAYOUT.accumulator + 8 * i)),
      ...v128.store(SCRATCH, v128.load(get(key!), 16), LAYOUT.addend),
    ]
  })

  const blocks = program.define('polyBlocks', ['i32', 'i32'], undefined, (own, message, end) => {
    const locals = polyLocals(own)
    return [
      ...loadPoly(locals),
      ...control.doWhile(
        [...blockSteps(locals, message!, 0).flat(), ...set(message!, i32.add(get(message!), i32.const(16)))],
        i32.lt(get(message!), get(end!)),
      ),
      ...storePoly(locals),
    ]
  })

  const absorb = program.define('polyAbsorb', ['i32', 'i32'], undefined, (own, message, length) => {
    const tail = own.local('i32')
    const full = own.local('i32')
    return [
      ...set(tail, i32.and(get(length!), i32.const(15))),
      ...set(full, i32.add(get(message!), i32.sub(get(length!), get(tail)))),
      ...control.when(i32.lt(get(message!), get(full)), blocks.call(get(message!), get(full))),
      ...control.when(get(tail), [
        ...v128.store(
          SCRATCH,
          v128.and(v128.load(get(full)), v128.load(i32.sub(i32.const(LAYOUT.tailMask + 16), get(tail)))),
          LAYOUT.block,
        ),
        ...blocks.call(i32.const(LAYOUT.block), i32.const(LAYOUT.block + 16)),
      ]),
    ]
  })

  const finish = program.define('polyFinish', [], undefined, (own) => {
    const { h, a: g } = polyLocals(own)
    const carry = own.local('i64')
    const isAbove = own.local('i64')
    const propagate = (limbs: readonly Local[]): Code =>
      [0, 1, 2, 3].flatMap((i) => [
        ...set(limbs[i + 1]!, i64.add(get(limbs[i + 1]!), high(limbs[i]!))),
        ...set(limbs[i]!, low(limbs[i]!)),
      ])
    return [
      ...h.flatMap((limb, i) => set(limb, i64.load(SCRATCH, LAYOUT.accumulator + 8 * i))),
      ...propagate(h),
      ...set(carry, i64.shr(get(h[4]!), i64.const(2))),
      ...set(h[4]!, i64.and(get(h[4]!), i64.const(3))),
      ...set(h[0]!, i64.add(get(h[0]!), i64.mul(get(carry), i64.const(5)))),
      ...propagate(h),
      // Now h is below 2^130 + 2^8. g = h + 5 reaches 2^130 exactly when h reaches the prime; then g without its top is h modulo the prime.
      ...g.flatMap((limb, i) => set(limb, get(h[i]!))),
      ...set(g[0]!, i64.add(get(g[0]!), i64.const(5))),
      ...propagate(g),
      ...set(isAbove, i64.sub(i64.const(0), i64.shr(get(g[4]!), i64.const(2)))),
      ...[0, 1, 2, 3].flatMap((i) =>
        set(h[i]!, i64.xor(get(h[i]!), i64.and(get(isAbove), i64.xor(get(h[i]!), get(g[i]!))))),
      ),
      // Modulo 2^128, plus the other half of the key.
      ...set(carry, i64.const(0)),
      ...[0, 1, 2, 3].flatMap((i) => [
        ...set(carry, i64.add(i64.add(get(h[i]!), i64.load32(SCRATCH, LAYOUT.addend + 4 * i)), get(carry))),
        ...i64.store32(SCRATCH, get(carry), LAYOUT.tag + 4 * i),
        ...set(carry, high(carry)),
      ]),
    ]
  })

  return { start, absorb, finish }
}
