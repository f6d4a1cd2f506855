/**
 * The seam to a folder of a file system, as narrow as a journal needs it: every call is one step that can fail or be the last before a crash. Types only; `node/`
 * implements it, the simulator brings one that loses what was not synced.
 */

/** Names are plain: letters, digits, dots and dashes. All calls reject with an Error of the system (`code`: ENOSPC, EIO, …). */
export interface Folder {
  /** Names of the files in it. */
  list(): Promise<readonly string[]>
  /** The whole file; undefined when there is none. */
  read(name: string): Promise<Uint8Array | undefined>
  /** For appending; made when it is not there. One at a time for each name. */
  open(name: string): Promise<AppendFile>
  /** Atomic: whoever looks finds the old file or the new one. Lasts only after `sync`. */
  rename(from: string, to: string): Promise<void>
  /** No effect when there is none. */
  remove(name: string): Promise<void>
  /** Which names there are is on the disk when this resolves. */
  sync(): Promise<void>
  /** Nothing more is done with it; where it is held for us alone, others may have it. Files are closed before. Never rejects. */
  close?(): Promise<void>
}

export interface AppendFile {
  /** Bytes, with what was appended here. */
  readonly size: number
  /** Adds all of `bytes` at the end. After a failure any part of it may be there. */
  append(bytes: Uint8Array): Promise<void>
  /** Cuts the file. */
  truncate(size: number): Promise<void>
  /** The content is on the disk when this resolves. */
  sync(): Promise<void>
  close(): Promise<void>
}
