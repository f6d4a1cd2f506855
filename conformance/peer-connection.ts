/** One connection of the native program, dialled with `connect` or accepted: what is done on it, and (noq) with its paths. */
import {
  dialJson,
  type Line,
  type NativePathStatus,
  type NativePaths,
  type NativeResult,
  type NativeTask,
} from './peer-lines.ts'

export class NativeConnection {
  /** As in the events. */
  readonly number: number
  readonly #request: (command: Line) => Promise<Line>

  constructor(number: number, request: (command: Line) => Promise<Line>) {
    this.number = number
    this.#request = (command) => request({ ...command, connection: number })
  }

  /** One action; for a connection that was dialled. Rejects with NativeError. */
  async run(task: NativeTask): Promise<NativeResult> {
    return (await this.#request({ cmd: 'run', ...dialJson(task) })) as unknown as NativeResult
  }

  async paths(): Promise<NativePaths> {
    return (await this.#request({ cmd: 'paths' })) as unknown as NativePaths
  }

  /** noq as a client: the new path's id, once the path is validated. `addr` is `ip:port`; `local` an IP address of its own to send from. */
  async openPath(addr: string, status: NativePathStatus = 'available', local?: string): Promise<number> {
    return (await this.#request({ cmd: 'open-path', addr, status, local })).path as number
  }

  /** noq: PATH_ABANDON with the code 0x3e. */
  async closePath(path: number): Promise<void> {
    await this.#request({ cmd: 'close-path', path })
  }

  /** noq: PATH_STATUS_AVAILABLE or PATH_STATUS_BACKUP, where it is news. */
  async setPathStatus(path: number, status: NativePathStatus): Promise<void> {
    await this.#request({ cmd: 'path-status', path, status })
  }

  /** noq with `natAddresses`, server: ADD_ADDRESS. Client: what its rounds tell. */
  async addAddress(addr: string): Promise<void> {
    await this.#request({ cmd: 'nat-add', addr })
  }

  /** noq, server: REMOVE_ADDRESS. */
  async removeAddress(addr: string): Promise<void> {
    await this.#request({ cmd: 'nat-remove', addr })
  }

  /** noq, client: a punching round. Which addresses are probed. */
  async startRound(): Promise<readonly string[]> {
    return (await this.#request({ cmd: 'nat-round' })).probed as string[]
  }

  /** noq: the next packet has the next key phase. */
  async updateKeys(): Promise<void> {
    await this.#request({ cmd: 'update-keys' })
  }

  async close(code = 0, reason = ''): Promise<void> {
    await this.#request({ cmd: 'close', code, reason })
  }
}
