/** Where what must outlive the process goes: a journal in a folder, or nowhere. */
import type { Folder } from '../../platform/index.ts'
import { Journal } from '../backup/journal.ts'
import type { JournalRecord, Restored } from '../backup/stored-message.ts'
import { TomError } from '../errors.ts'

export interface Storage {
  readonly restored: Restored
  /** It survives the process. */
  readonly isDurable: boolean
  /** `done` is never called within the call. */
  persist(record: JournalRecord, done: (isDurable: boolean) => void): void
  /** To be called now and then: what is over is cleared away. */
  tidy(): void
  /** Resolves when everything that was given is written, or was reported as lost. */
  close(): Promise<void>
}

/** Memory: everything counts as written, for nothing outlives the process anyway. */
export const NO_STORAGE: Storage = {
  restored: { messages: [], delivered: [] },
  isDurable: false,
  persist: (_, done) => queueMicrotask(() => done(true)),
  tidy: () => {},
  close: () => Promise.resolve(),
}

/** Reports damage. Takes over the folder, which is closed with the storage. Rejects with TomError STORAGE_FAILED. */
export async function openStorage(
  folder: Folder,
  wall: () => number,
  onError: (error: unknown) => void,
): Promise<Storage> {
  const { journal, restored, damaged } = await Journal.open(folder, { wall: wall(), onError })
  if (damaged > 0) {
    const text = `${damaged} records in the storage folder were damaged, and what they said is lost; look after that disk`
    onError(new TomError('STORAGE_FAILED', text))
  }
  return {
    restored,
    isDurable: true,
    persist: (record, done) => void journal.append(record).then(done),
    tidy: () => journal.tidy(wall()),
    close: async () => {
      await journal.close()
      await folder.close?.()
    },
  }
}
