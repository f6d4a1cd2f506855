/**
 * A folder of the file system of this machine, for one process at a time (`folder-lock.ts`). Files are for the user alone, and what was synced is on the disk as far as the
 * system knows.
 */
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { AppendFile, Folder } from '../files.ts'
import { FolderLock, LOCK_PREFIX } from './folder-lock.ts'

/** Only for the user. */
const FOLDER_MODE = 0o700
const FILE_MODE = 0o600
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9.-]{0,127}$/
const { O_APPEND, O_CREAT, O_WRONLY } = constants

export class NodeFolder implements Folder {
  /** Absolute. */
  readonly path: string
  readonly #lock: FolderLock
  readonly #opened = new Set<string>()

  /**
   * Makes the folder, and those above it, where it is not there, with mode 0700; one that is there keeps its mode. Rejects with FolderLockedError while another process, or
   * another NodeFolder in this one, has it; with an Error of the system when it cannot be made or written.
   */
  static async open(path: string): Promise<NodeFolder> {
    const absolute = resolve(path)
    const made = await mkdir(absolute, { recursive: true, mode: FOLDER_MODE })
    // from the first new folder's parent down: each name has to last
    for (let above = absolute; made !== undefined && above.length >= made.length; above = dirname(above)) {
      await syncFolder(dirname(above))
    }
    return new NodeFolder(absolute, await FolderLock.take(absolute))
  }

  private constructor(path: string, lock: FolderLock) {
    this.path = path
    this.#lock = lock
  }

  /** Lets others have the folder. Files are closed by who opened them, before. Never rejects. */
  close(): Promise<void> {
    return this.#lock.release()
  }

  async list(): Promise<readonly string[]> {
    const entries = await readdir(this.path, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith(LOCK_PREFIX))
      .map((entry) => entry.name)
      .sort()
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#pathOf(name))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async open(name: string): Promise<AppendFile> {
    const path = this.#pathOf(name)
    if (this.#opened.has(name)) throw new Error(`${name} is open already`)
    this.#opened.add(name)
    let handle: FileHandle | undefined
    try {
      handle = await open(path, O_APPEND | O_CREAT | O_WRONLY, FILE_MODE)
      const { size } = await handle.stat()
      return new NodeAppendFile(handle, size, () => this.#opened.delete(name))
    } catch (error) {
      this.#opened.delete(name)
      await handle?.close()
      throw error
    }
  }

  rename(from: string, to: string): Promise<void> {
    return rename(this.#pathOf(from), this.#pathOf(to))
  }

  remove(name: string): Promise<void> {
    return rm(this.#pathOf(name), { force: true })
  }

  sync(): Promise<void> {
    return syncFolder(this.path)
  }

  #pathOf(name: string): string {
    if (!PLAIN_NAME.test(name)) throw new TypeError(`${JSON.stringify(name)} is no plain file name`)
    return join(this.path, name)
  }
}

class NodeAppendFile implements AppendFile {
  readonly #handle: FileHandle
  readonly #closed: () => void
  #size: number

  constructor(handle: FileHandle, size: number, closed: () => void) {
    this.#handle = handle
    this.#size = size
    this.#closed = closed
  }

  get size(): number {
    return this.#size
  }

  async append(bytes: Uint8Array): Promise<void> {
    let written = 0
    while (written < bytes.length) {
      const { bytesWritten } = await this.#handle.write(bytes, written, bytes.length - written)
      written += bytesWritten
      this.#size += bytesWritten
    }
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size)
    this.#size = size
  }

  /** The content and how long it is; times of change may come later. */
  sync(): Promise<void> {
    return this.#handle.datasync()
  }

  async close(): Promise<void> {
    this.#closed()
    await this.#handle.close()
  }
}

/** Which names there are. Windows has no such call; there renaming writes through. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
