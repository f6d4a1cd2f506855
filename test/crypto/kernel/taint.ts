/**
 * Follows secrets through a program of the kernel's assembler, instruction by instruction as it is emitted. What is read from memory is
 * secret; what a caller passes is public; a secret may be computed with, but may not decide where to go or where to read and write.
 */
import { type FunctionDefinition, type Instruction, OPCODES, type Program } from '../../../scripts/kernel/assembler.ts'

export interface Shape {
  /** Each place where a secret decides something, as `function: instruction 12 (br_if)`. */
  readonly leaks: readonly string[]
  /** Reasons of all places where a secret was declared public, as `function: reason`. */
  readonly declassified: readonly string[]
}

/** Operations whose time does not depend on what they work on. Shifts are in another list: by how much must be public. */
const CONSTANT_TIME = new Set([
  ...['i32.eqz', 'i32.ne', 'i32.lt_u', 'i32.gt_u', 'i32.ge_u', 'i64.gt_s', 'i64.le_s', 'i64.ge_s'],
  ...['i32.add', 'i32.sub', 'i32.and', 'i32.or', 'i32.xor', 'i32.wrap_i64'],
  // A fixed number of cycles on the processors that run V8's 64-bit code.
  ...['i64.add', 'i64.sub', 'i64.mul', 'i64.and', 'i64.xor', 'i64.extend_i32_u'],
  ...['i8x16.shuffle', 'i32x4.splat', 'i64x2.extract_lane', 'i32x4.add'],
  ...['v128.and', 'v128.or', 'v128.xor', 'v128.any_true'],
])
/** The second operand, a count or a selection of lanes, must be public. */
const SECOND_IS_PUBLIC = new Set([
  ...['i32.shl', 'i32.shr_u', 'i32.rotl', 'i64.shl', 'i64.shr_u', 'i32x4.shl', 'i32x4.shr_u', 'i8x16.swizzle'],
])

export function followSecrets(program: Program): Shape {
  const leaks: string[] = []
  const declassified: string[] = []
  const results: boolean[] = []
  for (const own of program.functions)
    results.push(followFunction(own, program.functions, results, leaks, declassified))
  return { leaks, declassified }
}

/** Returns whether the function's result is secret. Locals stay secret once they were: passes are repeated until nothing new is. */
function followFunction(
  own: FunctionDefinition,
  functions: readonly FunctionDefinition[],
  results: readonly boolean[],
  leaks: string[],
  declassified: string[],
): boolean {
  const isSecret = new Array<boolean>(own.parameters.length + own.locals.length).fill(false)
  for (;;) {
    const before = isSecret.filter(Boolean).length
    const pass = followOnce(own, functions, isSecret, results)
    if (isSecret.filter(Boolean).length > before) continue
    leaks.push(...pass.leaks)
    declassified.push(...pass.declassified)
    return pass.result
  }
}

function followOnce(
  own: FunctionDefinition,
  functions: readonly FunctionDefinition[],
  isSecret: boolean[],
  results: readonly boolean[],
) {
  const leaks: string[] = []
  const declassified: string[] = []
  const stack: boolean[] = []
  let result = false
  const pop = () => {
    const top = stack.pop()
    if (top === undefined) throw new Error(`${own.name}: the stack is empty`)
    return top
  }
  own.body.forEach((instruction: Instruction, position) => {
    const { op, immediates } = instruction
    const leak = (what: string) => leaks.push(`${own.name}: instruction ${position} (${op}): ${what}`)
    if (op === 'declassify') {
      pop()
      stack.push(false)
      declassified.push(`${own.name}: ${instruction.reason}`)
      return
    }
    const { pops, pushes, immediate } = OPCODES[op]
    if (op === 'local.get') stack.push(isSecret[immediates[0]!]!)
    else if (op === 'local.set') isSecret[immediates[0]!] = pop() || isSecret[immediates[0]!]!
    else if (op === 'call') {
      const callee = functions[immediates[0]!]!
      if (callee.index >= results.length) throw new Error(`${own.name} calls a function that is defined later`)
      for (let i = 0; i < callee.parameters.length; i++) if (pop()) leak('a secret is passed on')
      if (callee.result !== undefined) stack.push(results[callee.index]!)
    } else if (op === 'return') {
      if (own.result !== undefined) result = pop() || result
    } else if (immediate === 'offset') {
      const isStore = pushes === 0
      if (isStore) pop()
      if (pop()) leak('a secret address')
      if (!isStore) stack.push(true)
    } else if (op === 'if' || op === 'br_if') {
      if (pop()) leak('a secret condition')
      // Blocks here have no values, so nothing lies below; else this walk in a straight line would be wrong.
      if (stack.length > 0) throw new Error(`${own.name}: values below a block`)
    } else if (SECOND_IS_PUBLIC.has(op)) {
      if (pop()) leak('a secret count')
      stack.push(pop())
    } else if (pops > 0) {
      const operands = Array.from({ length: pops }, pop)
      const any = operands.some(Boolean)
      if (any && !CONSTANT_TIME.has(op)) leak('a secret where the time may depend on it')
      if (pushes === 1) stack.push(any)
    } else if (pushes === 1) stack.push(false)
  })
  if (own.result !== undefined) result = pop() || result
  if (stack.length > 0) throw new Error(`${own.name}: ${stack.length} values are left`)
  return { leaks, declassified, result }
}
