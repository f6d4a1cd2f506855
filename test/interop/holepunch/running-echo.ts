/** A stream that runs while something happens to the paths: what is written comes back byte for byte, until it is told to end. */
import { expect } from 'vitest'
import type { Connection, RecvStream, SendStream } from '../../../src/index.ts'
import { PATTERN_BLOCK, PatternCheck } from '../pattern.ts'

/** So that the stream goes on for as long as it likes: the peer is written to again once so much came back. */
const AHEAD = 256 * 1024
const LIMIT_MS = 20_000

export class RunningEcho {
  readonly #send: SendStream
  readonly #reading: Promise<void>
  readonly #writing: Promise<void>
  readonly #check = new PatternCheck()
  #sent = 0
  #isOver = false
  #more: () => void = () => {}

  private constructor(send: SendStream, recv: RecvStream) {
    this.#send = send
    this.#reading = this.#read(recv)
    this.#writing = this.#write()
    // reported by `end`
    for (const task of [this.#reading, this.#writing]) task.catch(() => {})
  }

  static async start(connection: Connection): Promise<RunningEcho> {
    const { send, recv } = await connection.openBi()
    return new RunningEcho(send, recv)
  }

  /** Bytes that came back. */
  get received(): number {
    return this.#check.received
  }

  /** `bytes` more come back, within `limitMs`. */
  async runs(bytes: number, limitMs = LIMIT_MS): Promise<void> {
    const goal = this.received + bytes
    await expect.poll(() => this.received, { timeout: limitMs, interval: 5 }).toBeGreaterThanOrEqual(goal)
  }

  /** Finishes it. Rejects when a byte was wrong or missing; returns how many there were. */
  async end(): Promise<number> {
    this.#isOver = true
    this.#more()
    await this.#writing
    await this.#reading
    expect(this.received).toBe(this.#sent)
    return this.#sent
  }

  async #write(): Promise<void> {
    while (!this.#isOver) {
      if (this.#sent - this.received >= AHEAD) {
        await new Promise<void>((resolve) => {
          this.#more = resolve
        })
        continue
      }
      await this.#send.write(PATTERN_BLOCK)
      this.#sent += PATTERN_BLOCK.length
    }
    await this.#send.finish()
  }

  async #read(recv: RecvStream): Promise<void> {
    for await (const chunk of recv) {
      this.#check.update(chunk)
      this.#more()
    }
  }
}
