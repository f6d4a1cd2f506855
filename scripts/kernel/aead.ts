/**
 * AEAD_CHACHA20_POLY1305 over a packet in place (RFC 8439 §2.8): the nonce of a QUIC packet (RFC 9001 §5.3), and the order in which chunks are
 * encrypted, authenticated and decrypted.
 */
import { LAYOUT } from '../../src/crypto/kernel/layout.ts'
import {
  type Code,
  control,
  declassify,
  type FunctionDefinition,
  get,
  i32,
  i64,
  type Local,
  type Program,
  set,
  v128,
} from './assembler.ts'
import type { PolyFunctions } from './poly1305.ts'

const SCRATCH = i32.const(0)
/** Keystream that is left of the first four blocks, when the Poly1305 key is taken. */
const FIRST_CHUNK = 192
const CHUNK = 256

export const increase = (local: Local, by: Code): Code => set(local, i32.add(get(local), by))
/** min(limit, end - position), both as unsigned. */
const least = (target: Local, limit: number, end: Local, position: Local): Code => [
  ...set(target, i32.sub(get(end), get(position))),
  ...control.when(i32.gt(get(target), i32.const(limit)), set(target, i32.const(limit))),
]
/** Reverses the four bytes. */
export const swap = (value: Local): Code =>
  i32.or(
    i32.and(i32.rotl(get(value), i32.const(8)), i32.const(0x00ff00ff)),
    i32.and(i32.rotl(get(value), i32.const(24)), i32.const(0xff00ff00)),
  )

/** (target, keystream, length): in whole vectors. Keystream behind `length` is zeroed first, so bytes behind the target keep their values. */
function defineXor(program: Program): FunctionDefinition {
  return program.define('xor', ['i32', 'i32', 'i32'], undefined, (own, target, keystream, length) => {
    const end = own.local('i32')
    const vectors = (count: number): Code => [
      ...Array.from({ length: count }, (_, i) =>
        v128.store(get(target!), v128.xor(v128.load(get(target!), 16 * i), v128.load(get(keystream!), 16 * i)), 16 * i),
      ).flat(),
      ...increase(target!, i32.const(16 * count)),
      ...increase(keystream!, i32.const(16 * count)),
    ]
    return [
      ...v128.store(i32.add(get(keystream!), get(length!)), v128.const32(0, 0, 0, 0)),
      ...set(end, i32.add(get(target!), i32.and(get(length!), i32.const(-64)))),
      ...control.while(i32.lt(get(target!), get(end)), vectors(4)),
      ...set(end, i32.add(get(end), i32.and(get(length!), i32.const(63)))),
      ...control.while(i32.lt(get(target!), get(end)), vectors(1)),
    ]
  })
}

function defineStart(program: Program, poly: PolyFunctions, fourBlocks: FunctionDefinition): FunctionDefinition {
  return program.define('start', ['i32', 'i32', 'i32', 'i64'], undefined, (own, header, payload, path, number) => {
    const word = own.local('i32')
    // RFC 9001 §5.3: IV xor (path id ‖ packet number), big endian.
    const nonceWord = (index: number, value: Code): Code => [
      ...set(word, value),
      ...i32.store(SCRATCH, i32.xor(i32.load(SCRATCH, LAYOUT.iv + 4 * index), swap(word)), LAYOUT.nonce + 4 * index),
    ]
    return [
      ...nonceWord(0, get(path!)),
      ...nonceWord(1, i32.wrap(i64.shr(get(number!), i64.const(32)))),
      ...nonceWord(2, i32.wrap(get(number!))),
      ...fourBlocks.call(i32.const(LAYOUT.keystream), i32.const(0), i32.const(0), i32.const(0)),
      ...poly.start.call(i32.const(LAYOUT.keystream)),
      ...poly.absorb.call(get(header!), i32.sub(get(payload!), get(header!))),
    ]
  })
}

export interface AeadFunctions {
  /** (header, payload, path, number): nonce, first four blocks, one-time key, header authenticated. The others work on what this has prepared. */
  readonly start: FunctionDefinition
  /** (payload, end): encrypts. Returns up to where the ciphertext is authenticated; a batch or less is left. */
  readonly encrypt: FunctionDefinition
  /** (header, payload, authenticated, end): authenticates the rest and the lengths; the tag is at `LAYOUT.tag`. */
  readonly finish: FunctionDefinition
  /** (header, payload, end): decrypts. Returns 0 when the tag at `end` is right. */
  readonly decrypt: FunctionDefinition
}

export function defineAead(program: Program, poly: PolyFunctions, fourBlocks: FunctionDefinition): AeadFunctions {
  const xor = defineXor(program)
  const start = defineStart(program, poly, fourBlocks)
  const finish = program.define(
    'finish',
    ['i32', 'i32', 'i32', 'i32'],
    undefined,
    (_own, header, payload, authenticated, end) => [
      ...poly.absorb.call(get(authenticated!), i32.sub(get(end!), get(authenticated!))),
      ...i64.store(SCRATCH, i64.extend(i32.sub(get(payload!), get(header!))), LAYOUT.block),
      ...i64.store(SCRATCH, i64.extend(i32.sub(get(end!), get(payload!))), LAYOUT.block + 8),
      ...poly.absorb.call(i32.const(LAYOUT.block), i32.const(16)),
      ...poly.finish.call(),
    ],
  )

  // Encrypts a chunk, and authenticates it while the keystream of the next one is made.
  const encrypt = program.define('encrypt', ['i32', 'i32'], 'i32', (own, payload, end) => {
    const position = own.local('i32')
    const authenticated = own.local('i32')
    const length = own.local('i32')
    const counter = own.local('i32')
    const woven = own.local('i32')
    return [
      ...set(position, get(payload!)),
      ...set(authenticated, get(payload!)),
      ...set(counter, i32.const(4)),
      ...least(length, FIRST_CHUNK, end!, position),
      ...xor.call(get(position), i32.const(LAYOUT.keystream + 64), get(length)),
      ...increase(position, get(length)),
      ...control.while(i32.lt(get(position), get(end!)), [
        ...set(woven, i32.shr(i32.sub(get(position), get(authenticated)), i32.const(5))),
        ...fourBlocks.call(i32.const(LAYOUT.keystream), get(counter), get(authenticated), get(woven)),
        ...increase(authenticated, i32.shl(get(woven), i32.const(5))),
        ...increase(counter, i32.const(4)),
        ...least(length, CHUNK, end!, position),
        ...xor.call(get(position), i32.const(LAYOUT.keystream), get(length)),
        ...increase(position, get(length)),
      ]),
      ...get(authenticated),
    ]
  })

  // The same order of authentication; a chunk is decrypted one round later, when it has been taken in.
  const decrypt = program.define('decrypt', ['i32', 'i32', 'i32'], 'i32', (own, header, payload, end) => {
    const position = own.local('i32')
    const length = own.local('i32')
    const counter = own.local('i32')
    const keystream = own.local('i32')
    const next = own.local('i32')
    const other = i32.const(LAYOUT.keystream + LAYOUT.otherKeystream)
    return [
      ...set(position, get(payload!)),
      ...set(counter, i32.const(4)),
      ...set(keystream, i32.const(LAYOUT.keystream + 64)),
      ...set(next, i32.const(LAYOUT.otherKeystream)),
      ...least(length, FIRST_CHUNK, end!, position),
      ...control.while(i32.lt(i32.add(get(position), get(length)), get(end!)), [
        ...fourBlocks.call(get(next), get(counter), get(position), i32.shr(get(length), i32.const(5))),
        ...increase(counter, i32.const(4)),
        ...xor.call(get(position), get(keystream), get(length)),
        ...increase(position, get(length)),
        ...least(length, CHUNK, end!, position),
        ...set(keystream, get(next)),
        ...set(next, i32.sub(other, get(next))),
      ]),
      ...finish.call(get(header!), get(payload!), get(position), get(end!)),
      ...xor.call(get(position), get(keystream), get(length)),
      ...declassify(
        v128.anyTrue(v128.xor(v128.load(SCRATCH, LAYOUT.tag), v128.load(get(end!)))),
        'whether the packet is authentic',
      ),
    ]
  })

  return { start, encrypt, finish, decrypt }
}
