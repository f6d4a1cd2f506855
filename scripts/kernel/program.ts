/**
 * The kernel's program: what the module exports, that is packets sealed and opened, whole QUIC packets protected and unprotected in one
 * call (RFC 9001 §5.3, §5.4). Positions are checked by the caller, `src/crypto/kernel/kernel.ts`.
 */
import { LAYOUT, PAGE } from '../../src/crypto/kernel/layout.ts'
import { type AeadFunctions, defineAead, increase, swap } from './aead.ts'
import {
  type Code,
  control,
  declassify,
  type FunctionDefinition,
  get,
  i32,
  i64,
  type Local,
  Program,
  set,
  v128,
} from './assembler.ts'
import { defineFourBlocks, defineHeaderMask } from './chacha20.ts'
import { definePoly1305, type PolyFunctions } from './poly1305.ts'

const SCRATCH = i32.const(0)
const TAG_LENGTH = 16
const MAX_PACKET_NUMBER = Number.MAX_SAFE_INTEGER

/** `Unprotect` of the provider interface. */
const FAILED = -1
const TOO_SHORT = -2
const OTHER_PHASE = -3

export function kernelProgram(): Program {
  const program = new Program()
  const poly = definePoly1305(program)
  const fourBlocks = defineFourBlocks(program)
  const headerMask = defineHeaderMask(program)
  const aead = defineAead(program, poly, fourBlocks)
  definePackets(program, aead, headerMask)
  definePolyOnly(program, poly)
  return program
}

/** The module's bytes, the same on every machine. */
export function kernelBytes(): Uint8Array<ArrayBuffer> {
  return kernelProgram().encode(LAYOUT.packets / PAGE)
}

function definePackets(
  program: Program,
  { start, encrypt, finish, decrypt }: AeadFunctions,
  headerMask: FunctionDefinition,
): void {
  const exported = { isExported: true }

  const storeTag = (end: Local): Code => v128.store(get(end), v128.load(SCRATCH, LAYOUT.tag))
  /** The end of the plaintext, or `FAILED`. */
  const open = (header: Local, payload: Local, end: Local, path: Local, number: Code): Code => [
    ...start.call(get(header), get(payload), get(path), number),
    ...control.when(decrypt.call(get(header), get(payload), get(end)), control.return(i32.const(FAILED))),
    ...get(end),
  ]

  // Packet numbers come as f64, which carries them up to 2^53 without a BigInt.
  program.define(
    'sealPacket',
    ['i32', 'i32', 'i32', 'i32', 'f64'],
    undefined,
    (own, header, payload, end, path, number) => {
      const authenticated = own.local('i32')
      return [
        ...start.call(get(header!), get(payload!), get(path!), i64.truncate(get(number!))),
        ...set(authenticated, encrypt.call(get(payload!), get(end!))),
        ...finish.call(get(header!), get(payload!), get(authenticated), get(end!)),
        ...storeTag(end!),
      ]
    },
    exported,
  )

  program.define(
    'openPacket',
    ['i32', 'i32', 'i32', 'i32', 'f64'],
    'i32',
    (own, header, payload, sealedEnd, path, number) => {
      const end = own.local('i32')
      return [
        ...set(end, i32.sub(get(sealedEnd!), i32.const(TAG_LENGTH))),
        ...open(header!, payload!, end, path!, i64.truncate(get(number!))),
      ]
    },
    exported,
  )

  program.define(
    'protect',
    ['i32', 'i32', 'i32', 'i32', 'i32', 'f64'],
    undefined,
    (own, header, numberStart, payload, end, path, number) => {
      const mask = own.local('i64')
      const field = own.local('i64')
      const authenticated = own.local('i32')
      const sample = own.local('i32')
      const woven = own.local('i32')
      const isInCiphertext = i32.ge(get(end!), i32.add(get(sample), i32.const(16)))
      return [
        ...start.call(get(header!), get(payload!), get(path!), i64.truncate(get(number!))),
        ...set(authenticated, encrypt.call(get(payload!), get(end!))),
        ...set(sample, i32.add(get(numberStart!), i32.const(4))),
        // The sample is there before the tag is, but in the shortest packets.
        ...control.when(isInCiphertext, [
          ...set(woven, i32.shr(i32.sub(get(end!), get(authenticated)), i32.const(4))),
          ...control.when(i32.gt(get(woven), i32.const(10)), set(woven, i32.const(10))),
          ...set(mask, headerMask.call(get(sample), get(authenticated), get(woven))),
          ...increase(authenticated, i32.shl(get(woven), i32.const(4))),
        ]),
        ...finish.call(get(header!), get(payload!), get(authenticated), get(end!)),
        ...storeTag(end!),
        ...control.when(i32.eqz(isInCiphertext), set(mask, headerMask.call(get(sample), i32.const(0), i32.const(0)))),
        ...maskFirstByte(own, header!, mask),
        // Four bytes at once, those behind the field with a mask of zero.
        ...set(
          field,
          i64.and(
            i64.shr(get(mask), i64.const(8)),
            i64.sub(
              i64.shl(i64.const(1), i64.shl(i64.extend(i32.sub(get(payload!), get(numberStart!))), i64.const(3))),
              i64.const(1),
            ),
          ),
        ),
        ...i32.store(get(numberStart!), i32.xor(i32.load(get(numberStart!)), i32.wrap(get(field)))),
      ]
    },
    exported,
  )

  program.define(
    'unprotect',
    ['i32', 'i32', 'i32', 'i32', 'f64', 'i32'],
    'i32',
    (own, header, numberStart, sealedEnd, path, largest, phase) => {
      const mask = own.local('i64')
      const first = own.local('i32')
      const bits = own.local('i64')
      const field = own.local('i32')
      const payload = own.local('i32')
      const end = own.local('i32')
      const number = own.local('i64')
      return [
        // RFC 9001 §5.4.2: the sample begins four bytes after the packet number, however long that is.
        ...control.when(
          i32.gt(i32.add(get(numberStart!), i32.const(4 + 16)), get(sealedEnd!)),
          control.return(i32.const(TOO_SHORT)),
        ),
        ...set(mask, headerMask.call(i32.add(get(numberStart!), i32.const(4)), i32.const(0), i32.const(0))),
        ...maskFirstByte(own, header!, mask),
        ...set(first, declassify(i32.load8(get(header!)), 'the first byte without header protection')),
        ...set(bits, i64.shl(i64.extend(i32.add(i32.and(get(first), i32.const(3)), i32.const(1))), i64.const(3))),
        ...set(payload, i32.add(get(numberStart!), i32.wrap(i64.shr(get(bits), i64.const(3))))),
        // The field's bytes as the top of a big-endian word; the others keep their values.
        ...i32.store(
          get(numberStart!),
          i32.xor(
            i32.load(get(numberStart!)),
            i32.wrap(
              i64.and(i64.shr(get(mask), i64.const(8)), i64.sub(i64.shl(i64.const(1), get(bits)), i64.const(1))),
            ),
          ),
        ),
        ...set(field, declassify(i32.load(get(numberStart!)), 'the packet number without header protection')),
        ...control.when(
          i32.ne(get(phase!), i32.const(-1)),
          control.when(
            i32.ne(i32.and(i32.shr(get(first), i32.const(2)), i32.const(1)), get(phase!)),
            control.return(i32.const(OTHER_PHASE)),
          ),
        ),
        ...set(number, i64.shr(i64.extend(swap(field)), i64.sub(i64.const(32), get(bits)))),
        ...expandNumber(own, number, bits, largest!),
        ...set(end, i32.sub(get(sealedEnd!), i32.const(TAG_LENGTH))),
        ...open(header!, payload, end, path!, get(number)),
      ]
    },
    exported,
  )
}

/** RFC 9001 §5.4.1: four bits of a long header's first byte, five of a short one's. The bit that tells is not masked. */
function maskFirstByte(own: FunctionDefinition, header: Local, mask: Local): Code {
  const first = own.local('i32')
  const isShort = i32.and(i32.xor(i32.shr(get(first), i32.const(7)), i32.const(1)), i32.const(1))
  return [
    ...set(first, i32.load8(get(header))),
    ...i32.store8(
      get(header),
      i32.xor(get(first), i32.and(i32.wrap(get(mask)), i32.or(i32.const(0x0f), i32.shl(isShort, i32.const(4))))),
    ),
  ]
}

/** RFC 9000 appendix A.3, as `decodePacketNumber`: `number` holds the truncated one and gets the whole one. */
function expandNumber(own: FunctionDefinition, number: Local, bits: Local, largest: Local): Code {
  const expected = own.local('i64')
  const window = own.local('i64')
  const half = i64.shr(get(window), i64.const(1))
  return [
    ...set(expected, i64.add(i64.truncate(get(largest)), i64.const(1))),
    ...control.when(i64.gt(get(expected), i64.const(MAX_PACKET_NUMBER)), set(expected, i64.const(MAX_PACKET_NUMBER))),
    ...set(window, i64.shl(i64.const(1), get(bits))),
    ...set(number, i64.add(i64.and(get(expected), i64.sub(i64.const(0), get(window))), get(number))),
    ...control.when(
      i32.and(
        i64.le(get(number), i64.sub(get(expected), half)),
        i64.le(get(number), i64.sub(i64.const(MAX_PACKET_NUMBER), get(window))),
      ),
      set(number, i64.add(get(number), get(window))),
      control.when(
        i32.and(i64.gt(get(number), i64.add(get(expected), half)), i64.ge(get(number), get(window))),
        set(number, i64.sub(get(number), get(window))),
      ),
    ),
  ]
}

/** (key, message, length): Poly1305 alone, for tests; the tag is left at `LAYOUT.tag`. */
function definePolyOnly(program: Program, poly: PolyFunctions): void {
  program.define(
    'poly1305',
    ['i32', 'i32', 'i32'],
    undefined,
    (_own, key, message, length) => [
      ...poly.start.call(get(key!)),
      ...poly.absorb.call(get(message!), get(length!)),
      ...poly.finish.call(),
    ],
    { isExported: true },
  )
}
