/** Two honest clients that talk through the relay: one asks, the other repeats each question, a few under way at a time, so that no queue has a reason to drop one. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HonestClient } from './honest-client.ts'

/** A question so often, ms. */
const INTERVAL_MS = 20
/** Questions under way at once. */
const WINDOW = 4
const SIZE = 1000
/** What is under way when a pair stops may take so long, ms. */
const LAST_ANSWER_MS = 10_000

export interface Exchanged {
  readonly asked: number
  /** Questions that came, in order. */
  readonly heard: number
  /** Answers that came, in order. */
  readonly answered: number
  /** What came out of order, or twice. */
  readonly misplaced: number
  /** Times that one of them lost the relay. */
  readonly losses: number
}

export class HonestPair {
  readonly #asking: HonestClient
  readonly #answering: HonestClient
  #timer: ReturnType<typeof setInterval> | undefined = undefined
  #asked = 0
  #heard = 0
  #answered = 0
  #misplaced = 0

  constructor(port: number) {
    this.#asking = new HonestClient(port)
    this.#answering = new HonestClient(port)
    this.#answering.onDatagram = (question) => {
      if (numberOf(question) === this.#heard) this.#heard++
      else this.#misplaced++
      this.#answering.send(this.#asking, question)
    }
    this.#asking.onDatagram = (answer) => {
      if (numberOf(answer) === this.#answered) this.#answered++
      else this.#misplaced++
    }
  }

  /** Resolves when both are in. Rejects with the reason when one of them does not get in at once. */
  async connected(): Promise<void> {
    for (const client of [this.#asking, this.#answering]) {
      await new Promise<void>((resolve, reject) => {
        client.onStatus = () => {
          if (client.isConnected) resolve()
          else if (client.errors.length > 0) reject(client.errors[0])
        }
        client.onStatus()
      })
    }
  }

  start(): void {
    const question = new Uint8Array(SIZE)
    this.#timer = setInterval(() => {
      if (this.#asked - this.#answered >= WINDOW) return
      new DataView(question.buffer).setUint32(0, this.#asked++)
      this.#asking.send(this.#answering, question)
    }, INTERVAL_MS)
  }

  get exchanged(): Exchanged {
    return {
      asked: this.#asked,
      heard: this.#heard,
      answered: this.#answered,
      misplaced: this.#misplaced,
      losses: this.#asking.errors.length + this.#answering.errors.length,
    }
  }

  /** Asks no more, and waits for the last answer, for a time. */
  async finish(): Promise<Exchanged> {
    clearInterval(this.#timer)
    const limit = performance.now() + LAST_ANSWER_MS
    while (this.#answered < this.#asked && performance.now() < limit) await sleep(10)
    return this.exchanged
  }

  async close(): Promise<void> {
    await Promise.all([this.#asking.transport.close(), this.#answering.transport.close()])
  }
}

function numberOf(data: Uint8Array): number {
  return new DataView(data.buffer, data.byteOffset).getUint32(0)
}
