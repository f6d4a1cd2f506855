/**
 * Keeps a folder to one process: a file that names its holder, made all at once, and taken over when that process is gone. Node has no lock that ends with the process, so the
 * holder is recognised by its number and by when it was started: numbers are used again, in a container even after each restart.
 */
import { createHash, randomUUID } from 'node:crypto'
import { link, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Of the names of all files of the lock. */
export const LOCK_PREFIX = 'lock'
const LOCK_NAME = LOCK_PREFIX
/** How often the lock may change under our hands before we say that somebody else is quicker, and how long we look away, ms. */
const ATTEMPTS = 50
const PAUSE_MS = 20
/** Two readings of one start by the clock may differ by so much, ms. */
const START_TOLERANCE_MS = 5_000

/** Somebody else has the folder. */
export class FolderLockedError extends Error {
  override readonly name = 'FolderLockedError'
  readonly code = 'FOLDER_LOCKED'
  /** The process that has it. */
  readonly pid: number
  /** The name of its machine. */
  readonly host: string

  constructor(pid: number, host: string, message: string) {
    super(message)
    this.pid = pid
    this.host = host
  }
}

interface Holder {
  readonly pid: number
  readonly host: string
  /** Where `pid` means something: on Linux the boot and the namespace, else empty. */
  readonly space: string
  /** On Linux ticks of the system since it was booted, else empty. */
  readonly started: string
  /** When the process was started by the clock, ms since 1970. */
  readonly startedAt: number
  /** No two locks are the same. */
  readonly token: string
}

export class FolderLock {
  readonly #path: string
  readonly #text: string

  private constructor(path: string, text: string) {
    this.#path = path
    this.#text = text
  }

  /** Rejects with FolderLockedError while another has it. */
  static async take(folder: string): Promise<FolderLock> {
    const path = join(folder, LOCK_NAME)
    const self: Holder = {
      pid: process.pid,
      host: hostname(),
      space: await ownSpace(),
      started: await startOf(process.pid),
      startedAt: ownStart(),
      token: randomUUID(),
    }
    const text = `${JSON.stringify(self)}\n`
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const other = await claim(path, text, self)
      if (other === undefined) return new FolderLock(path, text)
      if (other !== 'changing') refuse(other, self, path)
      await sleep(PAUSE_MS)
    }
    throw new FolderLockedError(0, self.host, `other processes are taking ${path} at this moment: try again`)
  }

  /** Never rejects. */
  async release(): Promise<void> {
    // whoever took it over, wrongly or not, keeps it
    if ((await read(this.#path)) === this.#text) await rm(this.#path, { force: true }).catch(() => {})
  }
}

/**
 * Makes the file ours: undefined. Otherwise says who has it, or that it is changing hands. Only who has claimed the right to replace one certain lock of the dead, by a file that
 * is taken in the same way, may replace it: so no two do, and none that is alive is ever touched.
 */
async function claim(path: string, text: string, self: Holder): Promise<Holder | 'changing' | undefined> {
  const own = `${path}-${randomUUID()}`
  await writeFile(own, text, { mode: 0o600 })
  try {
    if (await create(own, path, text)) return undefined
    const found = await read(path)
    if (found === undefined) return 'changing'
    const holder = parse(found)
    if (holder !== undefined && (isElsewhere(holder, self) || (await isAlive(holder, self)))) return holder
    if (holder === undefined) {
      // it may be in writing, where there are no links
      await sleep(PAUSE_MS)
      if ((await read(path)) !== found) return 'changing'
    }
    const right = `${path}-${createHash('sha256').update(found).digest('hex').slice(0, 16)}`
    // who died while holding the right is replaced in the same way
    if ((await claim(right, text, self)) !== undefined) return 'changing'
    try {
      if ((await read(path)) !== found) return 'changing'
      await rename(own, path)
      return undefined
    } finally {
      await rm(right, { force: true })
    }
  } finally {
    await rm(own, { force: true })
  }
}

/** False when there is one. The file has its content from its first moment. */
async function create(own: string, path: string, text: string): Promise<boolean> {
  try {
    await link(own, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    // file systems without links
    if (['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error))) return await createDirectly(path, text)
    throw error
  }
}

async function createDirectly(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { mode: 0o600, flag: 'wx' })
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

/** Undefined for what nobody has finished writing. */
function parse(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null) return undefined
    const { pid, host, space, started, startedAt, token } = value as Partial<Record<keyof Holder, unknown>>
    if (!Number.isSafeInteger(pid) || typeof host !== 'string' || typeof started !== 'string') return undefined
    const where = typeof space === 'string' ? space : ''
    const at = typeof startedAt === 'number' ? startedAt : 0
    return { pid: pid as number, host, space: where, started, startedAt: at, token: String(token) }
  } catch {
    return undefined
  }
}

/** A process that cannot be asked from here. The name of a machine alone may change with the network. */
function isElsewhere(holder: Holder, self: Holder): boolean {
  return holder.host !== self.host && (holder.space === '' || holder.space !== self.space)
}

function refuse(holder: Holder, self: Holder, path: string): never {
  const { pid, host } = holder
  if (isElsewhere(holder, self)) {
    const text = `${path} says that process ${pid} on ${JSON.stringify(host)} uses this folder, and it cannot be asked from here`
    throw new FolderLockedError(pid, host, `${text}: if it is gone, delete that file`)
  }
  const who = pid === self.pid ? 'this process' : `process ${pid}`
  throw new FolderLockedError(
    pid,
    host,
    `${who} uses this folder already, says ${path}: stop it, or take another folder`,
  )
}

async function isAlive(holder: Holder, self: Holder): Promise<boolean> {
  if (!exists(holder.pid)) return false
  const started = await startOf(holder.pid)
  if (started !== '' && holder.started !== '') return started === holder.started
  return holder.pid !== self.pid || Math.abs(holder.startedAt - self.startedAt) <= START_TOLERANCE_MS
}

function exists(pid: number): boolean {
  if (pid <= 0) return false
  try {
    // no signal is sent
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) !== 'ESRCH'
  }
}

/** When a process was started, in the system's own measure; empty where that is not told. */
async function startOf(pid: number): Promise<string> {
  const stat = process.platform === 'linux' ? await read(`/proc/${pid}/stat`) : undefined
  // the name before the last bracket may hold anything; proc(5): the start is field 22, the 20th behind it
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

async function ownSpace(): Promise<string> {
  if (process.platform !== 'linux') return ''
  const boot = await read('/proc/sys/kernel/random/boot_id')
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '')
  return boot === undefined || namespace === '' ? '' : `${boot.trim()} ${namespace}`
}

function ownStart(): number {
  return Math.round(Date.now() - process.uptime() * 1000)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
