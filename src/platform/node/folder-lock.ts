/**
 * Keeps a folder to one process: a file that names its holder, made all at once, and taken over when that process is gone. Node has no lock that ends with the process, so the
 * holder is recognised by its number and by when it was started: numbers are used again, in a container even after each restart.
 */
import { randomUUID } from 'node:crypto'
import { link, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** Of the names of all files of the lock. */
export const LOCK_PREFIX = 'lock'
const LOCK_NAME = LOCK_PREFIX
/** How often the lock may change under our hands before we say that somebody else is quicker. */
const ATTEMPTS = 4
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
    }
    const text = `${JSON.stringify(self)}\n`
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await create(path, text)) return new FolderLock(path, text)
      const found = await read(path)
      if (found === undefined) continue
      const holder = parse(found)
      if (holder !== undefined) await refuseWhileAlive(holder, self, path)
      await discard(path, found)
    }
    throw new FolderLockedError(0, self.host, `other processes are taking ${path} at this moment: try again`)
  }

  /** Never rejects. */
  async release(): Promise<void> {
    // whoever took it over, wrongly or not, keeps it
    if ((await read(this.#path)) === this.#text) await rm(this.#path, { force: true }).catch(() => {})
  }
}

/** False when there is one. The file has its content from its first moment. */
async function create(path: string, text: string): Promise<boolean> {
  const own = `${path}-${randomUUID()}`
  try {
    await writeFile(own, text, { mode: 0o600 })
    await link(own, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    // file systems without links
    if (['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'].includes(codeOf(error))) return await createDirectly(path, text)
    throw error
  } finally {
    await rm(own, { force: true })
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
    const { pid, host, space, started, startedAt } = value as Partial<Record<keyof Holder, unknown>>
    if (!Number.isSafeInteger(pid) || typeof host !== 'string' || typeof started !== 'string') return undefined
    const where = typeof space === 'string' ? space : ''
    return { pid: pid as number, host, space: where, started, startedAt: typeof startedAt === 'number' ? startedAt : 0 }
  } catch {
    return undefined
  }
}

async function refuseWhileAlive(holder: Holder, self: Holder, path: string): Promise<void> {
  const { pid, host } = holder
  // a name may change with the network
  if (host !== self.host && (holder.space === '' || holder.space !== self.space)) {
    const text = `${path} says that process ${pid} on ${JSON.stringify(host)} uses this folder, and it cannot be asked from here`
    throw new FolderLockedError(pid, host, `${text}: if it is gone, delete that file`)
  }
  if (!(await isAlive(holder, self))) return
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

/** Removes the lock of a process that is gone, and puts back what somebody else has made of it meanwhile. */
async function discard(path: string, found: string): Promise<void> {
  const aside = `${path}-${randomUUID()}`
  try {
    await rename(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  if ((await read(aside)) !== found) await link(aside, path).catch(() => {})
  await rm(aside, { force: true })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
