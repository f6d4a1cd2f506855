/**
 * Which peers a relay has delivered datagrams from: so it has a way back to them (spec/relay.md §5.1). Bounded, the oldest goes; a peer that was heard
 * before is found without a Map or an object.
 */
import { ID_LENGTH } from '../protocol/index.ts'

/** Recently heard peers that are found by comparing bytes; a power of two. */
const RECENT = 64

export class ReturnRoutes {
  readonly #max: number
  /** In the order in which they were first heard. */
  readonly #ids: Map<string, Uint8Array>
  /** By a byte of the id. */
  readonly #recent: (Uint8Array | undefined)[]

  /** Remembers up to `max` peers. */
  constructor(max: number) {
    this.#max = max
    this.#ids = new Map()
    this.#recent = new Array<Uint8Array | undefined>(RECENT).fill(undefined)
  }

  get size(): number {
    return this.#ids.size
  }

  /** The id that stands at `bytes[at, at + 32)` if it is known: our own copy, always the same array for one peer. */
  find(bytes: Uint8Array, at: number): Uint8Array | undefined {
    // the second byte: the sign of the point and the clamped bits stand elsewhere
    const slot = bytes[at + 1]! & (RECENT - 1)
    const recent = this.#recent[slot]
    if (recent !== undefined && isAt(recent, bytes, at)) return recent
    const id = this.#ids.get(keyOf(bytes, at))
    if (id !== undefined) this.#recent[slot] = id
    return id
  }

  /** Remembers the 32 bytes at `at`, which `find` did not find. */
  add(bytes: Uint8Array, at: number): Uint8Array {
    if (this.#ids.size >= this.#max) {
      for (const [key, id] of this.#ids) {
        this.#forget(key, id)
        break
      }
    }
    const id = bytes.slice(at, at + ID_LENGTH)
    this.#ids.set(keyOf(bytes, at), id)
    this.#recent[id[1]! & (RECENT - 1)] = id
    return id
  }

  /** Forgets the 32 bytes at `at`, if they are known. */
  delete(bytes: Uint8Array, at: number): void {
    const key = keyOf(bytes, at)
    const id = this.#ids.get(key)
    if (id !== undefined) this.#forget(key, id)
  }

  #forget(key: string, id: Uint8Array): void {
    this.#ids.delete(key)
    this.#recent[id[1]! & (RECENT - 1)] = undefined
  }
}

function isAt(id: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < ID_LENGTH; i++) if (id[i] !== bytes[at + i]) return false
  return true
}

function keyOf(bytes: Uint8Array, at: number): string {
  let key = ''
  for (let i = 0; i < ID_LENGTH; i++) key += String.fromCharCode(bytes[at + i]!)
  return key
}
