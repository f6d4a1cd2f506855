/**
 * From connection ids to connections. Ids that we issued are found by a number inside them (their first 30 bits, unique among the live
 * ones); ids that a client chose for its first packets by their bytes.
 */
import type { RandomSource } from '../platform/index.ts'
import { LOCAL_ID_LENGTH } from './config.ts'
import type { Connection } from './connection/connection.ts'
import type { IdRegistry } from './path/id-registry.ts'
import { MIN_RESET_LENGTH, type StatelessReset } from './stateless-reset.ts'
import { RESET_TOKEN_LENGTH } from './wire/id-frames.ts'

/** Ids are issued from inside the connection's constructor, so entries lead to it by way of this. */
export interface ConnectionRef {
  connection: Connection | undefined
}

/** The ids of one connection: what the table and the reset tokens are to it. */
export class ConnectionIds implements IdRegistry, ConnectionRef {
  connection: Connection | undefined = undefined
  readonly #table: ConnectionIdTable
  readonly #resets: StatelessReset

  constructor(table: ConnectionIdTable, resets: StatelessReset) {
    this.#table = table
    this.#resets = resets
  }

  issue(pathId: number, sequence: number): Uint8Array {
    return this.#table.issue(this, pathId, sequence)
  }

  retire(id: Uint8Array): void {
    this.#table.retire(id)
  }

  resetToken(id: Uint8Array): Uint8Array {
    return this.#resets.token(id)
  }

  watchResetToken(token: Uint8Array): void {
    this.#table.watchToken(token, this)
  }

  unwatchResetToken(token: Uint8Array): void {
    this.#table.unwatchToken(token)
  }
}

/** Where an id leads. */
export interface IdEntry {
  readonly owner: ConnectionRef
  readonly id: Uint8Array
  readonly pathId: number
  readonly sequence: number
}

/** Ids drawn at once. */
const SLAB_IDS = 32

/** spec/disco-stun-nat.md §2.1: what follows the first byte of every DISCO packet; an old iroh node would take a short header packet with such an id for one. */
const DISCO_MAGIC = Uint8Array.of(0x53, 0xf0, 0x9f, 0x92, 0xac)

function looksLikeDisco(id: Uint8Array): boolean {
  return DISCO_MAGIC.every((byte, index) => id[index] === byte)
}

function numberOf(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x3f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
}

/** The bytes as a map key. */
export function keyOf(bytes: Uint8Array, start = 0, length = bytes.length - start): string {
  let key = ''
  for (let index = 0; index < length; index++) key += String.fromCharCode(bytes[start + index]!)
  return key
}

export class ConnectionIdTable {
  readonly #random: RandomSource
  /** Random bytes for the ids to come, which are pieces of it: an array of its own for each would cost ten times its bytes. */
  #slab = new Uint8Array(0)
  #slabAt = 0
  readonly #issued = new Map<number, IdEntry>()
  readonly #chosen = new Map<string, Connection>()
  readonly #tokens = new Map<string, ConnectionRef>()

  constructor(random: RandomSource) {
    this.#random = random
  }

  /** A fresh random id of LOCAL_ID_LENGTH bytes. */
  issue(owner: ConnectionRef, pathId: number, sequence: number): Uint8Array {
    let id: Uint8Array
    do id = this.#draw()
    while (this.#issued.has(numberOf(id, 0)) || looksLikeDisco(id))
    this.#issued.set(numberOf(id, 0), { owner, id, pathId, sequence })
    return id
  }

  #draw(): Uint8Array {
    if (this.#slabAt === this.#slab.length) {
      this.#slab = new Uint8Array(SLAB_IDS * LOCAL_ID_LENGTH)
      this.#slabAt = 0
      this.#random.fill(this.#slab)
    }
    const at = this.#slabAt
    this.#slabAt += LOCAL_ID_LENGTH
    return this.#slab.subarray(at, this.#slabAt)
  }

  retire(id: Uint8Array): void {
    this.#issued.delete(numberOf(id, 0))
  }

  /** The entry of an id at `bytes[start]` that we issued. */
  find(bytes: Uint8Array, start: number): IdEntry | undefined {
    const entry = this.#issued.get(numberOf(bytes, start))
    if (entry === undefined) return undefined
    for (let index = 0; index < LOCAL_ID_LENGTH; index++) if (entry.id[index] !== bytes[start + index]) return undefined
    return entry
  }

  addChosen(key: string, connection: Connection): void {
    this.#chosen.set(key, connection)
  }

  findChosen(key: string): Connection | undefined {
    return this.#chosen.get(key)
  }

  removeChosen(key: string): void {
    this.#chosen.delete(key)
  }

  /** RFC 9000 §10.3.1: stateless reset tokens of the peer ids in use. */
  watchToken(token: Uint8Array, owner: ConnectionRef): void {
    this.#tokens.set(keyOf(token), owner)
  }

  unwatchToken(token: Uint8Array): void {
    this.#tokens.delete(keyOf(token))
  }

  /** The connection that the datagram `bytes[start, end)` resets. */
  findReset(bytes: Uint8Array, start: number, end: number): Connection | undefined {
    if (this.#tokens.size === 0 || end - start < MIN_RESET_LENGTH) return undefined
    return this.#tokens.get(keyOf(bytes, end - RESET_TOKEN_LENGTH, RESET_TOKEN_LENGTH))?.connection
  }

  /** Live entries of all kinds: zero when every connection is gone. */
  get size(): number {
    return this.#issued.size + this.#chosen.size + this.#tokens.size
  }
}
