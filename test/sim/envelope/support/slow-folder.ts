/** A folder whose calls take their time, in virtual time, so that anything may happen between two of them. */
import type { AppendFile, Folder } from '../../../../src/platform/index.ts'

export class SlowFolder implements Folder {
  readonly #folder: Folder
  /** Resolves when the disk gets to it. */
  readonly #turn: () => Promise<void>

  constructor(folder: Folder, turn: () => Promise<void>) {
    this.#folder = folder
    this.#turn = turn
  }

  async list(): Promise<readonly string[]> {
    await this.#turn()
    return this.#folder.list()
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    await this.#turn()
    return this.#folder.read(name)
  }

  async open(name: string): Promise<AppendFile> {
    await this.#turn()
    const file = await this.#folder.open(name)
    const turn = this.#turn
    return {
      get size() {
        return file.size
      },
      append: (bytes) => turn().then(() => file.append(bytes)),
      truncate: (size) => turn().then(() => file.truncate(size)),
      sync: () => turn().then(() => file.sync()),
      close: () => turn().then(() => file.close()),
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#turn()
    return this.#folder.rename(from, to)
  }

  async remove(name: string): Promise<void> {
    await this.#turn()
    return this.#folder.remove(name)
  }

  async sync(): Promise<void> {
    await this.#turn()
    return this.#folder.sync()
  }
}
