/**
 * A small WebAssembly assembler: as much of the format as the kernel needs, written as nested calls that read like expressions. It
 * keeps each function as a list of instructions, so that a test can follow secrets through exactly what is emitted.
 */

export type ValueType = 'i32' | 'i64' | 'f64' | 'v128'

/** What follows an opcode: nothing, an index, a memory offset, a constant, a lane, or a block without result. */
type Immediate = 'none' | 'index' | 'offset' | 'i32' | 'i64' | 'v128' | 'lane' | 'lanes' | 'block'

export interface Shape {
  /** Opcode, with its prefix byte if it has one. */
  readonly code: readonly number[]
  readonly immediate: Immediate
  /** Values taken from and left on the stack; calls differ by callee. */
  readonly pops: number
  readonly pushes: 0 | 1
}

const shape = (code: number, pops: number, pushes: 0 | 1, immediate: Immediate = 'none'): Shape => ({
  code: [code],
  immediate,
  pops,
  pushes,
})
const simd = (code: number, pops: number, pushes: 0 | 1, immediate: Immediate = 'none'): Shape => ({
  // The opcode after the prefix is a LEB128 of its own.
  code: [0xfd, ...unsigned(code)],
  immediate,
  pops,
  pushes,
})

/** WebAssembly core specification, section 5.4. */
export const OPCODES = {
  block: shape(0x02, 0, 0, 'block'),
  loop: shape(0x03, 0, 0, 'block'),
  if: shape(0x04, 1, 0, 'block'),
  else: shape(0x05, 0, 0),
  end: shape(0x0b, 0, 0),
  br_if: shape(0x0d, 1, 0, 'index'),
  return: shape(0x0f, 0, 0),
  call: shape(0x10, 0, 0, 'index'),
  'local.get': shape(0x20, 0, 1, 'index'),
  'local.set': shape(0x21, 1, 0, 'index'),
  'i32.load': shape(0x28, 1, 1, 'offset'),
  'i64.load': shape(0x29, 1, 1, 'offset'),
  'i32.load8_u': shape(0x2d, 1, 1, 'offset'),
  'i64.load32_u': shape(0x35, 1, 1, 'offset'),
  'i32.store': shape(0x36, 2, 0, 'offset'),
  'i64.store': shape(0x37, 2, 0, 'offset'),
  'i32.store8': shape(0x3a, 2, 0, 'offset'),
  'i64.store32': shape(0x3e, 2, 0, 'offset'),
  'i32.const': shape(0x41, 0, 1, 'i32'),
  'i64.const': shape(0x42, 0, 1, 'i64'),
  'i32.eqz': shape(0x45, 1, 1),
  'i32.ne': shape(0x47, 2, 1),
  'i32.lt_u': shape(0x49, 2, 1),
  'i32.gt_u': shape(0x4b, 2, 1),
  'i32.ge_u': shape(0x4f, 2, 1),
  'i64.gt_s': shape(0x55, 2, 1),
  'i64.le_s': shape(0x57, 2, 1),
  'i64.ge_s': shape(0x59, 2, 1),
  'i32.add': shape(0x6a, 2, 1),
  'i32.sub': shape(0x6b, 2, 1),
  'i32.and': shape(0x71, 2, 1),
  'i32.or': shape(0x72, 2, 1),
  'i32.xor': shape(0x73, 2, 1),
  'i32.shl': shape(0x74, 2, 1),
  'i32.shr_u': shape(0x76, 2, 1),
  'i32.rotl': shape(0x77, 2, 1),
  'i64.add': shape(0x7c, 2, 1),
  'i64.sub': shape(0x7d, 2, 1),
  'i64.mul': shape(0x7e, 2, 1),
  'i64.and': shape(0x83, 2, 1),
  'i64.xor': shape(0x85, 2, 1),
  'i64.shl': shape(0x86, 2, 1),
  'i64.shr_u': shape(0x88, 2, 1),
  'i32.wrap_i64': shape(0xa7, 1, 1),
  'i64.extend_i32_u': shape(0xad, 1, 1),
  // In range here, so the trapping conversion of the first version of WebAssembly is enough.
  'i64.trunc_f64_s': shape(0xb0, 1, 1),
  'v128.load': simd(0x00, 1, 1, 'offset'),
  'v128.load32_splat': simd(0x09, 1, 1, 'offset'),
  'v128.store': simd(0x0b, 2, 0, 'offset'),
  'v128.const': simd(0x0c, 0, 1, 'v128'),
  'i8x16.shuffle': simd(0x0d, 2, 1, 'lanes'),
  'i8x16.swizzle': simd(0x0e, 2, 1),
  'i32x4.splat': simd(0x11, 1, 1),
  'i64x2.extract_lane': simd(0x1d, 1, 1, 'lane'),
  'v128.and': simd(0x4e, 2, 1),
  'v128.or': simd(0x50, 2, 1),
  'v128.xor': simd(0x51, 2, 1),
  'v128.any_true': simd(0x53, 1, 1),
  'i32x4.shl': simd(0xab, 2, 1),
  'i32x4.shr_u': simd(0xad, 2, 1),
  'i32x4.add': simd(0xae, 2, 1),
} as const satisfies Record<string, Shape>

export type Opcode = keyof typeof OPCODES

export interface Instruction {
  /** `declassify` is no instruction of WebAssembly and emits nothing: it tells the test that the value on top of the stack may be known. */
  readonly op: Opcode | 'declassify'
  readonly immediates: readonly number[]
  /** Why a `declassify` is harmless. */
  readonly reason?: string
}

export type Code = readonly Instruction[]

export interface Local {
  readonly index: number
  readonly type: ValueType
}

/** An instruction after the code of its operands. */
export function emit(op: Opcode, operands: readonly Code[] = [], immediates: readonly number[] = []): Code {
  return [...operands.flat(), { op, immediates }]
}

export const get = (local: Local): Code => emit('local.get', [], [local.index])
export const set = (local: Local, value: Code): Code => emit('local.set', [value], [local.index])

const unary = (op: Opcode) => (value: Code) => emit(op, [value])
const binary = (op: Opcode) => (left: Code, right: Code) => emit(op, [left, right])
/** Address and static offset: the constant part of an address costs nothing. */
const load =
  (op: Opcode) =>
  (address: Code, offset = 0) =>
    emit(op, [address], [offset])
const store =
  (op: Opcode) =>
  (address: Code, value: Code, offset = 0) =>
    emit(op, [address, value], [offset])

export const i32 = {
  const: (value: number) => emit('i32.const', [], [value]),
  eqz: unary('i32.eqz'),
  ne: binary('i32.ne'),
  lt: binary('i32.lt_u'),
  gt: binary('i32.gt_u'),
  ge: binary('i32.ge_u'),
  add: binary('i32.add'),
  sub: binary('i32.sub'),
  and: binary('i32.and'),
  or: binary('i32.or'),
  xor: binary('i32.xor'),
  shl: binary('i32.shl'),
  shr: binary('i32.shr_u'),
  rotl: binary('i32.rotl'),
  wrap: unary('i32.wrap_i64'),
  load: load('i32.load'),
  load8: load('i32.load8_u'),
  store: store('i32.store'),
  store8: store('i32.store8'),
}

export const i64 = {
  const: (value: number) => emit('i64.const', [], [value]),
  gt: binary('i64.gt_s'),
  le: binary('i64.le_s'),
  ge: binary('i64.ge_s'),
  add: binary('i64.add'),
  sub: binary('i64.sub'),
  mul: binary('i64.mul'),
  and: binary('i64.and'),
  xor: binary('i64.xor'),
  shl: binary('i64.shl'),
  shr: binary('i64.shr_u'),
  extend: unary('i64.extend_i32_u'),
  truncate: unary('i64.trunc_f64_s'),
  load: load('i64.load'),
  load32: load('i64.load32_u'),
  store: store('i64.store'),
  store32: store('i64.store32'),
}

export const v128 = {
  /** Four 32-bit lanes. */
  const32: (...lanes: readonly [number, number, number, number]) =>
    emit(
      'v128.const',
      [],
      lanes.flatMap((lane) => [lane & 0xff, (lane >>> 8) & 0xff, (lane >>> 16) & 0xff, lane >>> 24]),
    ),
  /** Sixteen bytes. */
  const8: (bytes: readonly number[]) => emit('v128.const', [], bytes),
  load: load('v128.load'),
  loadSplat: load('v128.load32_splat'),
  store: store('v128.store'),
  splat: unary('i32x4.splat'),
  add: binary('i32x4.add'),
  shl: (value: Code, bits: number) => emit('i32x4.shl', [value, i32.const(bits)]),
  shr: (value: Code, bits: number) => emit('i32x4.shr_u', [value, i32.const(bits)]),
  and: binary('v128.and'),
  or: binary('v128.or'),
  xor: binary('v128.xor'),
  anyTrue: unary('v128.any_true'),
  swizzle: binary('i8x16.swizzle'),
  /** Lanes 0 to 15 are the bytes of `left`, 16 to 31 those of `right`. */
  shuffle: (left: Code, right: Code, lanes: readonly number[]) => emit('i8x16.shuffle', [left, right], lanes),
  lowHalf: (value: Code) => emit('i64x2.extract_lane', [value], [0]),
}

export const control = {
  when: (condition: Code, then: Code, otherwise: Code = []): Code => [
    ...emit('if', [condition]),
    ...then,
    ...(otherwise.length === 0 ? [] : [...emit('else'), ...otherwise]),
    ...emit('end'),
  ],
  /** The body runs at least once. */
  doWhile: (body: Code, condition: Code): Code => [
    ...emit('loop'),
    ...body,
    ...emit('br_if', [condition], [0]),
    ...emit('end'),
  ],
  while: (condition: Code, body: Code): Code => control.when(condition, control.doWhile(body, condition)),
  return: (value: Code): Code => emit('return', [value]),
}

/** Marks a value that may be known to anybody, with the reason; the test of the program's shape counts these. */
export function declassify(value: Code, reason: string): Code {
  return [...value, { op: 'declassify', immediates: [], reason }]
}

/** One function: parameters and locals are handed out while its body is written. */
export class FunctionDefinition {
  readonly name: string
  readonly index: number
  readonly parameters: readonly Local[]
  readonly result: ValueType | undefined
  readonly isExported: boolean
  body: Code = []
  readonly locals: Local[] = []

  constructor(
    name: string,
    index: number,
    parameters: readonly ValueType[],
    result: ValueType | undefined,
    isExported: boolean,
  ) {
    this.name = name
    this.index = index
    this.parameters = parameters.map((type, position) => ({ index: position, type }))
    this.result = result
    this.isExported = isExported
  }

  local(type: ValueType): Local {
    const local = { index: this.parameters.length + this.locals.length, type }
    this.locals.push(local)
    return local
  }

  call(...values: Code[]): Code {
    if (values.length !== this.parameters.length) throw new Error(`${this.name} takes ${this.parameters.length} values`)
    return emit('call', values, [this.index])
  }
}

/** A module that imports its memory as `env.memory` and exports functions. */
export class Program {
  readonly functions: FunctionDefinition[] = []
  /** Constant bytes, written once when the module is instantiated. */
  readonly data: { readonly offset: number; readonly bytes: readonly number[] }[] = []

  define(
    name: string,
    parameters: readonly ValueType[],
    result: ValueType | undefined,
    write: (own: FunctionDefinition, ...parameters: Local[]) => Code,
    options: { readonly isExported?: boolean } = {},
  ): FunctionDefinition {
    const own = new FunctionDefinition(name, this.functions.length, parameters, result, options.isExported ?? false)
    this.functions.push(own)
    own.body = write(own, ...own.parameters)
    return own
  }

  /** The bytes of the module. `pages` is the least size of the imported memory. */
  encode(pages: number): Uint8Array<ArrayBuffer> {
    const functions = this.functions
    const types = functions.map((own) => [
      0x60,
      ...vector(own.parameters.map((parameter) => [VALUE_TYPES[parameter.type]])),
      ...vector(own.result === undefined ? [] : [[VALUE_TYPES[own.result]]]),
    ])
    // A type a function: duplicates cost a few bytes and save a table.
    const declarations = functions.map((own) => unsigned(own.index))
    const exported = functions.filter((own) => own.isExported)
    return Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d],
      ...[0x01, 0x00, 0x00, 0x00],
      ...section(1, vector(types)),
      ...section(2, vector([[...text('env'), ...text('memory'), 0x02, 0x00, ...unsigned(pages)]])),
      ...section(3, vector(declarations)),
      ...section(7, vector(exported.map((own) => [...text(own.name), 0x00, ...unsigned(own.index)]))),
      ...section(10, vector(functions.map(encodeFunction))),
      ...section(
        11,
        vector(this.data.map(({ offset, bytes }) => [0x00, 0x41, ...signed(offset), 0x0b, ...vector(bytes.map(byte))])),
      ),
    ])
  }
}

const VALUE_TYPES = { i32: 0x7f, i64: 0x7e, f64: 0x7c, v128: 0x7b } as const

function encodeFunction(own: FunctionDefinition): number[] {
  const locals = vector(own.locals.map((local) => [1, VALUE_TYPES[local.type]]))
  const code = own.body.flatMap(encodeInstruction)
  const body = [...locals, ...code, 0x0b]
  return [...unsigned(body.length), ...body]
}

function encodeInstruction(instruction: Instruction): number[] {
  const { op, immediates } = instruction
  if (op === 'declassify') return []
  const { code, immediate } = OPCODES[op]
  return [...code, ...encodeImmediate(immediate, immediates)]
}

function encodeImmediate(kind: Immediate, values: readonly number[]): number[] {
  switch (kind) {
    case 'none':
      return []
    case 'index':
      return unsigned(values[0]!)
    case 'offset':
      // Alignment is a hint: packets stand anywhere, so none is promised.
      return [0, ...unsigned(values[0]!)]
    case 'i32':
      return signed(values[0]! | 0)
    case 'i64':
      return signed(values[0]!)
    case 'v128':
    case 'lanes':
      if (values.length !== 16) throw new Error(`${values.length} lanes, 16 expected`)
      return [...values]
    case 'lane':
      return [values[0]!]
    case 'block':
      return [0x40]
  }
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length), ...content]
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()]
}

function text(value: string): number[] {
  return vector([...new TextEncoder().encode(value)].map(byte))
}

function byte(value: number): number[] {
  return [value]
}

/** LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest === 0 ? low : low | 0x80)
  } while (rest !== 0)
  return bytes
}

/** Signed LEB128, for whole numbers that are exact. */
function signed(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (;;) {
    const low = ((rest % 128) + 128) % 128
    rest = Math.floor(rest / 128)
    const isLast = (rest === 0 && low < 64) || (rest === -1 && low >= 64)
    bytes.push(isLast ? low : low | 0x80)
    if (isLast) return bytes
  }
}
