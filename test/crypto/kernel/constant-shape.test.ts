import { describe, expect, test } from 'vitest'
import {
  type Code,
  control,
  declassify,
  get,
  i32,
  i64,
  type Local,
  Program,
  set,
  v128,
} from '../../../scripts/kernel/assembler.ts'
import { kernelProgram } from '../../../scripts/kernel/program.ts'
import { followSecrets } from './taint.ts'

describe('fast-path.md §2: the shape of the kernel does not depend on secrets', () => {
  test('no branch, address, shift count or call of the program depends on what it reads from memory', () => {
    const { leaks, declassified } = followSecrets(kernelProgram())
    expect(leaks).toEqual([])
    // RFC 9001 §9.5: what header protection hides is known to the receiver from here on; and the verdict on a packet is public.
    expect(declassified).toEqual([
      'decrypt: whether the packet is authentic',
      'unprotect: the first byte without header protection',
      'unprotect: the packet number without header protection',
    ])
  })

  const memory = i32.const(0)
  const secret = i32.load(memory, 64)
  const leaksOf = (write: (program: Program) => void) => {
    const program = new Program()
    write(program)
    expect(WebAssembly.validate(program.encode(1))).toBe(true)
    return followSecrets(program).leaks
  }
  /** Of a function with one local. */
  const leaksOfBody = (body: (local: Local) => Code) =>
    leaksOf((program) => program.define('f', [], undefined, (own) => body(own.local('i32'))))

  test.each<[string, Code]>([
    ['a table look-up', i32.store(memory, i32.load(secret, 0))],
    ['a store to a secret address', i32.store8(secret, i32.const(1))],
    ['a branch', control.when(i32.and(secret, i32.const(1)), i32.store(memory, i32.const(1)))],
    ['a loop as long as a secret', control.doWhile([], secret)],
    ['a secret shift count', i64.store(memory, i64.shl(i64.const(1), i64.extend(secret)))],
    ['a secret choice of lanes', v128.store(memory, v128.swizzle(v128.load(memory), v128.load(memory)))],
  ])('the check sees %s', (_what, body) => {
    expect(leaksOfBody(() => body)).toHaveLength(1)
  })

  test('the check sees a secret that comes around a loop, and one that goes through a function', () => {
    expect(
      leaksOfBody((a) =>
        control.doWhile([...control.when(get(a), i32.store(memory, i32.const(1))), ...set(a, secret)], i32.const(0)),
      ),
    ).toHaveLength(1)
    const throughCall = (isOpen: boolean) =>
      leaksOf((program) => {
        const read = program.define('read', [], 'i32', () => (isOpen ? declassify(secret, 'a reason') : secret))
        program.define('use', [], undefined, () => control.when(read.call(), i32.store(memory, i32.const(1))))
      })
    expect(throughCall(false)).toEqual(['use: instruction 1 (if): a secret condition'])
    expect(throughCall(true)).toEqual([])
    expect(
      leaksOf((program) => {
        const callee = program.define('callee', ['i32'], undefined, (_own, value) => i32.store(memory, get(value!)))
        program.define('use', [], undefined, () => callee.call(secret))
      }),
    ).toEqual(['use: instruction 2 (call): a secret is passed on'])
  })
})
