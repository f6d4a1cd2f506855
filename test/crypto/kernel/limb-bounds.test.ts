import { describe, expect, test } from 'vitest'
import {
  type Code,
  FunctionDefinition,
  get,
  type Instruction,
  i64,
  type Local,
  set,
} from '../../../scripts/kernel/assembler.ts'
import { blockSteps, polyLocals } from '../../../scripts/kernel/poly1305.ts'

/** The largest value a 64-bit local can hold, by its index. */
type Bounds = Map<number, bigint>

const LIMIT = 2n ** 64n
const WORD = 2n ** 32n

// Math.min and Math.max do not take a bigint.
const least = (a: bigint, b: bigint) => [a, b].sort((x, y) => (x < y ? -1 : 1))[0]!
const most = (a: bigint, b: bigint) => [a, b].sort((x, y) => (x < y ? 1 : -1))[0]!

/** Largest values after instructions, from largest values before. Throws when a sum or product may leave 64 bits. */
function run(code: Code, bounds: Bounds): bigint[] {
  const stack: bigint[] = []
  const constants: (bigint | undefined)[] = []
  const push = (value: bigint, constant?: bigint) => {
    if (value >= LIMIT) throw new RangeError(`2^${value.toString(2).length - 1} and more`)
    stack.push(value)
    constants.push(constant)
  }
  const pop = () => [stack.pop()!, constants.pop()] as const
  const sums: bigint[] = []
  for (const { op, immediates } of code as readonly Instruction[]) {
    if (op === 'local.get') push(bounds.get(immediates[0]!) ?? 0n)
    else if (op === 'local.set') bounds.set(immediates[0]!, pop()[0])
    else if (op === 'i64.const')
      push(immediates[0]! < 0 ? LIMIT + BigInt(immediates[0]!) : BigInt(immediates[0]!), BigInt(immediates[0]!))
    else if (op === 'i64.load32_u') {
      pop()
      push(WORD - 1n)
    } else {
      const [right, constant] = pop()
      const [left] = pop()
      if (op === 'i64.add') push(left + right)
      else if (op === 'i64.mul') push(left * right)
      // A mask: no larger than either.
      else if (op === 'i64.and') push(least(left, right))
      else if (op === 'i64.shr_u' && constant !== undefined) push(left >> constant)
      else throw new Error(`${op} is not known here`)
      sums.push(stack.at(-1)!)
    }
  }
  return sums
}

/** From docs/security.md: r and its wrapped form, and what the accumulator never exceeds between two blocks. */
const R = [0x0fff_ffffn, 0x0fff_fffcn, 0x0fff_fffcn, 0x0fff_fffcn]
const H = [(WORD * 225n) / 100n, (WORD * 187n) / 100n, (WORD * 183n) / 100n, (WORD * 179n) / 100n, 3n]

function afterBlock(r: readonly bigint[], h: readonly bigint[]) {
  const own = new FunctionDefinition('block', 0, ['i32'], undefined, false)
  const locals = polyLocals(own)
  const bounds: Bounds = new Map()
  const give = (targets: readonly Local[], values: readonly bigint[]) =>
    targets.forEach((target, i) => void bounds.set(target.index, values[i]!))
  give(locals.r, r)
  give(
    locals.s,
    r.map((value) => value + (value >> 2n)),
  )
  give(locals.h, h)
  const sums = run(blockSteps(locals, own.parameters[0]!, 0).flat(), bounds)
  return { h: locals.h.map((limb) => bounds.get(limb.index)!), largest: sums.reduce(most) }
}

describe('docs/security.md: the limbs of Poly1305', () => {
  test('from any accumulator within the bounds, a block leads to one within them, and no sum reaches 2^64', () => {
    const { h, largest } = afterBlock(R, H)
    h.forEach((bound, i) => void expect(bound, `limb ${i}`).toBeLessThanOrEqual(H[i]!))
    expect(largest).toBeLessThan(LIMIT)
    expect(largest).toBeGreaterThan(LIMIT / 2n)
  })

  test('the check is not blind: with r not clamped, or the accumulator a bit wider, it fails', () => {
    expect(() => afterBlock([WORD - 1n, WORD - 1n, WORD - 1n, WORD - 1n], H)).toThrow(RangeError)
    expect(() =>
      afterBlock(
        R,
        H.map((bound) => bound * 4n),
      ),
    ).toThrow(RangeError)
    const own = new FunctionDefinition('f', 0, [], undefined, false)
    const local = own.local('i64')
    expect(() => run(set(local, i64.add(get(local), get(local))), new Map([[local.index, LIMIT / 2n]]))).toThrow(
      RangeError,
    )
  })
})
