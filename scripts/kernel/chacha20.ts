/**
 * ChaCha20 (RFC 8439 §2.3): four blocks at a time with one word of the state per vector, Poly1305 blocks woven between the rounds; and a
 * single block for header protection, with one row of the state per vector.
 */
import { LAYOUT } from '../../src/crypto/kernel/layout.ts'
import {
  type Code,
  control,
  type FunctionDefinition,
  get,
  i32,
  type Local,
  type Program,
  set,
  v128,
} from './assembler.ts'
import { blockSteps, loadPoly, polyLocals, storePoly } from './poly1305.ts'

const SCRATCH = i32.const(0)
/** "expand 32-byte k" */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const
/** Byte orders that rotate each 32-bit lane left by 16 and by 8. */
const LEFT_16 = [0, 4, 8, 12].flatMap((at) => [at + 2, at + 3, at, at + 1])
const LEFT_8 = [0, 4, 8, 12].flatMap((at) => [at + 3, at, at + 1, at + 2])

interface Masks {
  readonly left16: Local
  readonly left8: Local
}

/** A constant that is made once, in a local: made inside of the loop it costs a quarter of the speed on newer versions of V8. */
function rotationMasks(own: FunctionDefinition): { masks: Masks; code: Code } {
  const masks = { left16: own.local('v128'), left8: own.local('v128') }
  return { masks, code: [...set(masks.left16, v128.const8(LEFT_16)), ...set(masks.left8, v128.const8(LEFT_8))] }
}

const rotate = (value: Local, bits: number): Code =>
  v128.or(v128.shl(get(value), bits), v128.shr(get(value), 32 - bits))

type Quarter = readonly [a: Local, b: Local, c: Local, d: Local]

/** Quarter rounds in lock step: each operation for all of them before the next, so that none waits for its own result. */
function quarterSteps(quarters: readonly Quarter[], { left16, left8 }: Masks): Code[] {
  const each = (step: (...quarter: Quarter) => Code) => quarters.map((quarter) => step(...quarter))
  const half = (mask: Local, bits: number): Code[] => [
    ...each((a, b) => set(a, v128.add(get(a), get(b)))),
    ...each((a, _b, _c, d) => set(d, v128.swizzle(v128.xor(get(d), get(a)), get(mask)))),
    ...each((_a, _b, c, d) => set(c, v128.add(get(c), get(d)))),
    ...each((_a, b, c) => [...set(b, v128.xor(get(b), get(c))), ...set(b, rotate(b, bits))]),
  ]
  return [...half(left16, 12), ...half(left8, 7)]
}

/** Columns, then diagonals. `x` are the sixteen words. */
function doubleRoundSteps(x: readonly Local[], masks: Masks): Code[] {
  const quarter = (i: number, shift: number): Quarter => [
    x[i]!,
    x[4 + ((i + shift) & 3)]!,
    x[8 + ((i + 2 * shift) & 3)]!,
    x[12 + ((i + 3 * shift) & 3)]!,
  ]
  return [0, 1].flatMap((shift) =>
    quarterSteps(
      [0, 1, 2, 3].map((i) => quarter(i, shift)),
      masks,
    ),
  )
}

/** Spreads the second list evenly over the first. */
function weave(main: readonly Code[], other: readonly Code[]): Code {
  let taken = 0
  return main.flatMap((step, index) => {
    const due = Math.round(((index + 1) * other.length) / main.length)
    const woven = other.slice(taken, due).flat()
    taken = due
    return [...step, ...woven]
  })
}

/** Poly1305 blocks in each woven double round: more, or fewer, are slower. */
const WOVEN_BLOCKS = 2

/** Lanes of a 4 × 4 transposition: pairs of 32 bits, then of 64. */
const interleave = (unit: number, high: boolean): number[] =>
  Array.from({ length: 16 }, (_, at) => {
    const element = Math.floor(at / unit)
    const source = (element >> 1) + (high ? 8 / unit : 0)
    return (element & 1) * 16 + source * unit + (at % unit)
  })

/**
 * (keystream, counter, message, woven): four blocks of keystream, 256 bytes, from block `counter` on; meanwhile Poly1305 takes in
 * `woven` times 32 bytes of whole blocks from `message`. `woven` is at most 8.
 */
export function defineFourBlocks(program: Program): FunctionDefinition {
  return program.define(
    'fourBlocks',
    ['i32', 'i32', 'i32', 'i32'],
    undefined,
    (own, keystream, counter, message, woven) => {
      const x = Array.from({ length: 16 }, () => own.local('v128'))
      const { masks, code: setMasks } = rotationMasks(own)
      const poly = polyLocals(own)
      const plain = own.local('i32')
      const transposed = Array.from({ length: 4 }, () => own.local('v128'))

      const initial = (word: number): Code => {
        if (word < 4) return v128.const32(CONSTANTS[word]!, CONSTANTS[word]!, CONSTANTS[word]!, CONSTANTS[word]!)
        if (word < 12) return v128.loadSplat(SCRATCH, LAYOUT.key + 4 * (word - 4))
        if (word === 12) return v128.add(v128.splat(get(counter!)), v128.const32(0, 1, 2, 3))
        return v128.loadSplat(SCRATCH, LAYOUT.nonce + 4 * (word - 13))
      }
      const slot = (word: number) => LAYOUT.firstRow + 16 * word
      const putFirstRow = [0, 1, 2, 3].flatMap((word) => v128.store(SCRATCH, get(x[word]!), slot(word)))
      const takeFirstRow = [0, 1, 2, 3].flatMap((word) => set(x[word]!, v128.load(SCRATCH, slot(word))))
      // Sixteen words, two masks and what is being computed do not fit into sixteen registers, so some words wait in memory anyway. Said here,
      // it also pins the order of V8's older compiler, which otherwise does one column after the other and puts Poly1305 at the end: 15 % slower.
      const doubleRound = [takeFirstRow, ...doubleRoundSteps(x, masks), putFirstRow]
      const blocks = Array.from({ length: WOVEN_BLOCKS }, (_, i) => blockSteps(poly, message!, 16 * i)).flat()
      /** Words 4·group to 4·group + 3 of all four blocks, each block's where it belongs. */
      const storeGroup = (group: number): Code => {
        const [a, b, c, d] = x.slice(4 * group)
        const [t0, t1, t2, t3] = transposed
        const at = (block: number) => 64 * block + 16 * group
        const pair = (left: Local, right: Local, unit: number, high: boolean) =>
          v128.shuffle(get(left), get(right), interleave(unit, high))
        return [
          ...set(t0!, pair(a!, b!, 4, false)),
          ...set(t1!, pair(a!, b!, 4, true)),
          ...set(t2!, pair(c!, d!, 4, false)),
          ...set(t3!, pair(c!, d!, 4, true)),
          ...v128.store(get(keystream!), pair(t0!, t2!, 8, false), at(0)),
          ...v128.store(get(keystream!), pair(t0!, t2!, 8, true), at(1)),
          ...v128.store(get(keystream!), pair(t1!, t3!, 8, false), at(2)),
          ...v128.store(get(keystream!), pair(t1!, t3!, 8, true), at(3)),
        ]
      }
      return [
        ...setMasks,
        ...x.flatMap((word, i) => set(word, initial(i))),
        ...putFirstRow,
        ...set(plain, i32.sub(i32.const(10), get(woven!))),
        ...control.when(get(woven!), [
          ...loadPoly(poly),
          ...control.doWhile(
            [
              ...weave(doubleRound, blocks),
              ...set(message!, i32.add(get(message!), i32.const(16 * WOVEN_BLOCKS))),
              ...set(woven!, i32.sub(get(woven!), i32.const(1))),
            ],
            get(woven!),
          ),
          ...storePoly(poly),
        ]),
        ...control.doWhile([...doubleRound.flat(), ...set(plain, i32.sub(get(plain), i32.const(1)))], get(plain)),
        ...takeFirstRow,
        ...x.flatMap((word, i) => set(word, v128.add(get(word), initial(i)))),
        ...[0, 1, 2, 3].flatMap(storeGroup),
      ]
    },
  )
}

/** Turns the lanes of a row, so that diagonals become columns. */
const turn = (by: number) => Array.from({ length: 16 }, (_, at) => (at + 4 * by) & 15)

/**
 * (sample, message, woven): the first 8 keystream bytes of the block that RFC 9001 §5.4.4 makes of a 16-byte sample and the header key; the
 * low 5 bytes are the mask. Meanwhile Poly1305 takes in `woven` whole blocks from `message`, at most 10: this block alone is one long chain
 * of operations that wait for each other.
 */
export function defineHeaderMask(program: Program): FunctionDefinition {
  return program.define('headerMask', ['i32', 'i32', 'i32'], 'i64', (own, sample, message, woven) => {
    const rows = [own.local('v128'), own.local('v128'), own.local('v128'), own.local('v128')] as const
    const { masks, code: setMasks } = rotationMasks(own)
    const poly = polyLocals(own)
    const plain = own.local('i32')
    const quarter = quarterSteps([rows], masks)
    const turnRows = (direction: 1 | 3): Code[] =>
      [1, 2, 3].map((row) =>
        set(rows[row]!, v128.shuffle(get(rows[row]!), get(rows[row]!), turn((row * direction) & 3))),
      )
    const doubleRound = [...quarter, ...turnRows(1), ...quarter, ...turnRows(3)]
    const constants = v128.const32(...CONSTANTS)
    return [
      ...setMasks,
      ...set(rows[0], constants),
      ...set(rows[1], v128.load(SCRATCH, LAYOUT.headerKey)),
      ...set(rows[2], v128.load(SCRATCH, LAYOUT.headerKey + 16)),
      ...set(rows[3], v128.load(get(sample!))),
      ...set(plain, i32.sub(i32.const(10), get(woven!))),
      ...control.when(get(woven!), [
        ...loadPoly(poly),
        ...control.doWhile(
          [
            ...weave(doubleRound, blockSteps(poly, message!, 0)),
            ...set(message!, i32.add(get(message!), i32.const(16))),
            ...set(woven!, i32.sub(get(woven!), i32.const(1))),
          ],
          get(woven!),
        ),
        ...storePoly(poly),
      ]),
      ...control.while(get(plain), [...doubleRound.flat(), ...set(plain, i32.sub(get(plain), i32.const(1)))]),
      ...v128.lowHalf(v128.add(get(rows[0]), constants)),
    ]
  })
}
