/**
 * A folder in memory that behaves as badly as a disk may: what was not synced is lost or torn by a crash, names too, calls fail on demand, and a failed sync loses what it
 * should have written although the next one succeeds. Nothing happens by chance that was not asked for.
 */
import type { AppendFile, Folder } from '../../../src/platform/index.ts'
import type { SimRandom } from './random.ts'

/** One call, before it has any effect. */
export interface DiskStep {
  /** 0 for the first call of all. */
  readonly number: number
  readonly call:
    | 'list'
    | 'read'
    | 'open'
    | 'rename'
    | 'remove'
    | 'sync-names'
    | 'append'
    | 'truncate'
    | 'sync'
    | 'close'
  readonly name: string
  /** Bytes to append. */
  readonly length: number
}

export type DiskFault =
  /** The process ends: this call and all later ones never settle. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'after' }
  /** The call rejects. `done`: how many bytes of an append are there all the same; for other calls, 1: it has happened, and is only said to have failed. */
  | { readonly kind: 'fail'; readonly code: string; readonly done?: number }

/** What of that which was not synced is there after a crash. */
export interface Survival {
  /** Which of the changes of names, counted from the last sync. */
  readonly names: (index: number, count: number) => boolean
  /** How many of the bytes appended to a file since its last sync; what was cut after those is not cut. */
  readonly bytes: (count: number) => number
  /** Whether a sector (64 bytes here) of them reads as zeros. */
  readonly isHole?: (sector: number) => boolean
}

export const ALL_SURVIVES: Survival = { names: () => true, bytes: (count) => count }
export const NONE_SURVIVES: Survival = { names: () => false, bytes: () => 0 }

/** A survival drawn once: names up to some change, as journalling file systems have it, bytes up to some place. */
export function drawSurvival(random: SimRandom): Survival {
  const share = random.unit()
  return {
    names: (index, count) => index < Math.floor(share * (count + 1)),
    bytes: (count) => random.int(0, count),
  }
}

const SECTOR_LENGTH = 64

class Bytes {
  #buffer = new Uint8Array(256)
  length = 0

  append(bytes: Uint8Array): void {
    if (this.length + bytes.length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(2 * this.#buffer.length, this.length + bytes.length))
      grown.set(this.#buffer.subarray(0, this.length))
      this.#buffer = grown
    }
    this.#buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  truncate(size: number): void {
    if (size > this.length) throw new Error('files are not made longer by cutting them')
    this.length = size
  }

  flip(bit: number): void {
    this.#buffer[bit >>> 3]! ^= 1 << (bit & 7)
  }

  copy(): Uint8Array {
    return this.#buffer.slice(0, this.length)
  }
}

type ContentChange =
  | { readonly kind: 'append'; bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }
type NameChange = { readonly from: string | undefined; readonly to: string | undefined; readonly inode: Inode }

class Inode {
  readonly cached = new Bytes()
  readonly durable = new Bytes()
  pending: ContentChange[] = []
  isOpen = false

  static of(content: Uint8Array): Inode {
    const inode = new Inode()
    inode.cached.append(content)
    inode.durable.append(content)
    return inode
  }

  append(bytes: Uint8Array): void {
    const copy = bytes.slice()
    this.cached.append(copy)
    this.pending.push({ kind: 'append', bytes: copy })
  }

  truncate(size: number): void {
    this.cached.truncate(size)
    this.pending.push({ kind: 'truncate', size })
  }

  sync(): void {
    for (const change of this.pending) apply(this.durable, change)
    this.pending = []
  }

  /** The system takes the pages for written, and they are not. */
  loseContent(): void {
    for (const change of this.pending) {
      if (change.kind === 'append') change.bytes = new Uint8Array(change.bytes.length)
    }
  }

  afterCrash(survival: Survival): Inode {
    const left = new Bytes()
    left.append(this.durable.copy())
    const before = left.length
    let room = survival.bytes(
      this.pending.reduce((sum, change) => sum + (change.kind === 'append' ? change.bytes.length : 0), 0),
    )
    for (const change of this.pending) {
      if (change.kind === 'truncate') {
        apply(left, change)
        continue
      }
      apply(left, { kind: 'append', bytes: change.bytes.subarray(0, room) })
      if (room < change.bytes.length) break
      room -= change.bytes.length
    }
    const content = left.copy()
    for (let at = Math.min(before, content.length); at < content.length; at++) {
      if (survival.isHole?.(Math.floor(at / SECTOR_LENGTH)) === true) content[at] = 0
    }
    return Inode.of(content)
  }
}

function apply(bytes: Bytes, change: ContentChange): void {
  if (change.kind === 'append') bytes.append(change.bytes)
  else if (change.size < bytes.length) bytes.truncate(change.size)
}

export class FaultyFolder implements Folder {
  /** Asked before each call. */
  onStep: ((step: DiskStep) => DiskFault | undefined) | undefined
  /** Bytes that fit in all files together; appends beyond fail with ENOSPC, with what still fits written. */
  capacity = Number.POSITIVE_INFINITY
  /** Calls so far. */
  steps = 0
  /** Resolves when a crash has been asked for and has happened. */
  readonly crashed: Promise<void>
  #crash: () => void = () => {}
  #isDead = false
  #names = new Map<string, Inode>()
  #durableNames = new Map<string, Inode>()
  #pendingNames: NameChange[] = []

  constructor() {
    this.crashed = new Promise((resolve) => {
      this.#crash = resolve
    })
  }

  /** The process ends now, and the machine with it. Returns the folder as the next one finds it, a new one for each call. Its faults are to be set anew. */
  crash(survival: Survival): FaultyFolder {
    this.#die()
    const next = new FaultyFolder()
    next.capacity = this.capacity
    const changes = this.#pendingNames
    const names = new Map(this.#durableNames)
    for (const [index, change] of changes.entries()) {
      if (survival.names(index, changes.length)) rename(names, change)
    }
    const inodes = new Map<Inode, Inode>()
    for (const [name, inode] of names) {
      const left = inodes.get(inode) ?? inode.afterCrash(survival)
      inodes.set(inode, left)
      next.#names.set(name, left)
      next.#durableNames.set(name, left)
    }
    return next
  }

  /** The process ends now and the machine goes on: what was written is there, and still not on the disk. */
  kill(): FaultyFolder {
    this.#die()
    const next = new FaultyFolder()
    next.capacity = this.capacity
    for (const inode of this.#names.values()) inode.isOpen = false
    next.#names = this.#names
    next.#durableNames = this.#durableNames
    next.#pendingNames = this.#pendingNames
    return next
  }

  /** How much there is that a crash may take: changes of names, and bytes of the file that has most. */
  get unsynced(): { names: number; bytes: number } {
    let bytes = 0
    for (const inode of this.#names.values()) {
      const appended = inode.pending.reduce(
        (sum, change) => sum + (change.kind === 'append' ? change.bytes.length : 0),
        0,
      )
      bytes = Math.max(bytes, appended)
    }
    return { names: this.#pendingNames.length, bytes }
  }

  /** All files, as a process that looks now sees them. */
  files(): Map<string, Uint8Array> {
    return new Map(Array.from(this.#names, ([name, inode]) => [name, inode.cached.copy()]))
  }

  /** Puts a file there, on the disk. */
  put(name: string, content: Uint8Array): void {
    const inode = Inode.of(content)
    this.#names.set(name, inode)
    this.#durableNames.set(name, inode)
  }

  /** Damages a file on the disk. */
  flip(name: string, bit: number): void {
    const inode = this.#names.get(name)
    if (inode === undefined) throw new Error(`there is no ${name}`)
    inode.cached.flip(bit)
    inode.durable.flip(bit)
  }

  list(): Promise<readonly string[]> {
    return this.#call('list', '', 0, () => [...this.#names.keys()])
  }

  read(name: string): Promise<Uint8Array | undefined> {
    return this.#call('read', name, 0, () => this.#names.get(name)?.cached.copy())
  }

  open(name: string): Promise<AppendFile> {
    const make = (): Inode => {
      let inode = this.#names.get(name)
      if (inode === undefined) {
        inode = new Inode()
        this.#rename({ from: undefined, to: name, inode })
      }
      return inode
    }
    const effect = (): AppendFile => {
      const inode = make()
      if (inode.isOpen) throw failure('EBUSY', `${name} is open already`)
      inode.isOpen = true
      return this.#handle(name, inode)
    }
    return this.#call('open', name, 0, effect, (done) => {
      if (done > 0) make()
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call('rename', from, 0, () => {
      const inode = this.#names.get(from)
      if (inode === undefined) throw failure('ENOENT', `there is no ${from}`)
      // as Windows has it
      if (inode.isOpen || this.#names.get(to)?.isOpen === true) throw failure('EBUSY', `${from} or ${to} is open`)
      this.#rename({ from, to, inode })
    })
  }

  remove(name: string): Promise<void> {
    return this.#call('remove', name, 0, () => {
      const inode = this.#names.get(name)
      if (inode === undefined) return
      if (inode.isOpen) throw failure('EBUSY', `${name} is open`)
      this.#rename({ from: name, to: undefined, inode })
    })
  }

  sync(): Promise<void> {
    return this.#call('sync-names', '', 0, () => {
      for (const change of this.#pendingNames) rename(this.#durableNames, change)
      this.#pendingNames = []
    })
  }

  #handle(name: string, inode: Inode): AppendFile {
    let isClosed = false
    const check = (): void => {
      if (isClosed) throw failure('EBADF', `${name} is closed`)
    }
    return {
      get size() {
        return inode.cached.length
      },
      append: (bytes) =>
        this.#call(
          'append',
          name,
          bytes.length,
          () => {
            check()
            const room = Math.max(0, this.capacity - this.#used())
            inode.append(bytes.subarray(0, room))
            if (bytes.length > room) throw failure('ENOSPC', 'no space left on device')
          },
          (count) => inode.append(bytes.subarray(0, count)),
        ),
      truncate: (size) =>
        this.#call('truncate', name, 0, () => {
          check()
          inode.truncate(size)
        }),
      sync: () =>
        this.#call(
          'sync',
          name,
          0,
          () => {
            check()
            inode.sync()
          },
          () => inode.loseContent(),
        ),
      close: () =>
        this.#call('close', name, 0, () => {
          check()
          isClosed = true
          inode.isOpen = false
        }),
    }
  }

  async #call<T>(
    call: DiskStep['call'],
    name: string,
    length: number,
    effect: () => T,
    onFailure?: (done: number) => void,
  ): Promise<T> {
    await Promise.resolve()
    if (this.#isDead) return forever()
    const number = this.steps++
    const fault = this.onStep?.({ number, call, name, length })
    if (fault?.kind === 'crash' && fault.when === 'before') return this.#end()
    if (fault?.kind === 'fail') {
      const done = fault.done ?? 0
      if (onFailure !== undefined) onFailure(done)
      else if (done > 0) effect()
      throw failure(fault.code, `${call} ${name} failed`)
    }
    const result = effect()
    if (fault !== undefined) return this.#end()
    return result
  }

  #end(): Promise<never> {
    this.#die()
    this.#crash()
    return forever()
  }

  #die(): void {
    this.#isDead = true
  }

  #rename(change: NameChange): void {
    rename(this.#names, change)
    this.#pendingNames.push(change)
  }

  #used(): number {
    let sum = 0
    for (const inode of this.#names.values()) sum += inode.cached.length
    return sum
  }
}

function rename(names: Map<string, Inode>, change: NameChange): void {
  if (change.from !== undefined && names.get(change.from) === change.inode) names.delete(change.from)
  if (change.to !== undefined) names.set(change.to, change.inode)
}

function forever(): Promise<never> {
  return new Promise(() => {})
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}
