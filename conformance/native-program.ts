/**
 * A program that speaks JSON lines: started, its first line awaited, commands answered by number, everything else kept as events. What the lines mean
 * is not known here.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { errorOf, type Line, NativeError } from './peer-lines.ts'

/** How long a process may take to say its first line, ms. */
const START_LIMIT_MS = 15_000
/** How long it may take to end after its stdin did, ms. */
const STOP_LIMIT_MS = 3_000

/** What the number of a command is called, in it and in its answer. */
export type NumberKey = 'tag' | 'id'

interface Waiting {
  readonly resolve: (line: Line) => void
  readonly reject: (error: Error) => void
}

interface EventWaiting<Event> {
  readonly matches: (event: Event) => boolean
  readonly resolve: (event: Event) => void
  readonly reject: (error: Error) => void
}

/** Runs until it is stopped, or as long as this process. */
export class NativeProgram<Event extends { readonly event: string }> {
  /** The first line. */
  readonly hello: Line
  /** All events so far. */
  readonly events: Event[]
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting: Map<number, Waiting>
  readonly #eventWaiting: Set<EventWaiting<Event>>
  readonly #listeners: ((event: Event) => void)[]
  readonly #ended: Promise<void>
  readonly #key: NumberKey
  #nextTag: number

  private constructor({ child, lines, hello }: Launched, key: NumberKey) {
    this.hello = hello
    this.events = []
    this.#child = child
    this.#key = key
    this.#waiting = new Map()
    this.#eventWaiting = new Set()
    this.#listeners = []
    this.#nextTag = 1
    lines.deliver((line) => this.#receive(line))
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        const error = new NativeError('process', 'the program ended')
        for (const waiting of [...this.#waiting.values(), ...this.#eventWaiting]) waiting.reject(error)
        resolve()
      })
    })
  }

  /** Rejects with NativeError when the first line is no `hello` event, or does not come in time. */
  static async start<Event extends { readonly event: string }>(
    command: string,
    args: readonly string[],
    hello: string,
    key: NumberKey = 'tag',
  ): Promise<NativeProgram<Event>> {
    return new NativeProgram<Event>(await launch(command, args, hello), key)
  }

  /** For its memory and CPU time. */
  get pid(): number {
    return this.#child.pid!
  }

  /** Resolves when it has ended, by itself or because it was stopped. */
  get ended(): Promise<void> {
    return this.#ended
  }

  /** The answer to a command. Rejects with NativeError. */
  request(command: Line): Promise<Line> {
    const tag = this.#nextTag++
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null || !this.#child.stdin.writable) {
        reject(new NativeError('process', 'the program ended'))
        return
      }
      this.#waiting.set(tag, { resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ ...command, [this.#key]: tag })}\n`)
    })
  }

  /** Hears every event: those so far at once, the others as they come. */
  listen(listener: (event: Event) => void): void {
    for (const event of this.events) listener(event)
    this.#listeners.push(listener)
  }

  /** The first event, past or future, that matches. Rejects after `limitMs`. */
  async waitFor<E extends Event['event']>(
    event: E,
    matches: (event: Extract<Event, { event: E }>) => boolean = () => true,
    limitMs = 10_000,
  ): Promise<Extract<Event, { event: E }>> {
    type Found = Extract<Event, { event: E }>
    const isIt = (candidate: Event): boolean => candidate.event === event && matches(candidate as Found)
    const past = this.events.find(isIt)
    if (past !== undefined) return past as Found
    return new Promise<Found>((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        this.#eventWaiting.delete(waiting)
        act()
      }
      const waiting: EventWaiting<Event> = {
        matches: isIt,
        resolve: (found) => settle(() => resolve(found as Found)),
        reject: (error) => settle(() => reject(error)),
      }
      const timer = setTimeout(() => waiting.reject(new NativeError('wait', `no ${event} event in time`)), limitMs)
      this.#eventWaiting.add(waiting)
    })
  }

  /** Ends the program, by force when it takes longer than 3 s. */
  async stop(): Promise<void> {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_LIMIT_MS)
    await this.#ended
    clearTimeout(timer)
  }

  #receive(line: Line): void {
    const tag = typeof line[this.#key] === 'number' ? (line[this.#key] as number) : -1
    const waiting = this.#waiting.get(tag)
    if (waiting !== undefined) {
      this.#waiting.delete(tag)
      if (line.event === 'error') waiting.reject(errorOf(line))
      else waiting.resolve(line)
      return
    }
    const event = line as unknown as Event
    this.events.push(event)
    for (const listener of this.#listeners) listener(event)
    for (const eventWaiting of [...this.#eventWaiting]) if (eventWaiting.matches(event)) eventWaiting.resolve(event)
  }
}

/** Keeps what comes while nobody listens: two lines may arrive in one piece. */
class Lines {
  #early: Line[]
  #handler: ((line: Line) => void) | undefined

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#early = []
    this.#handler = undefined
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Line
      if (this.#handler === undefined) this.#early.push(line)
      else this.#handler(line)
    })
  }

  /** The first line goes to this handler alone. */
  first(handler: (line: Line) => void): void {
    this.#handler = (line) => {
      this.#handler = undefined
      handler(line)
    }
  }

  /** Everything from here on, beginning with what was kept. */
  deliver(handler: (line: Line) => void): void {
    this.#handler = handler
    for (const line of this.#early.splice(0)) handler(line)
  }
}

interface Launched {
  readonly child: ChildProcessWithoutNullStreams
  readonly lines: Lines
  readonly hello: Line
}

async function launch(command: string, args: readonly string[], wanted: string): Promise<Launched> {
  const child = spawn(command, args, { stdio: 'pipe' })
  const lines = new Lines(child)
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints = (complaints + text).slice(-4000)
  })
  // it may have ended when a command is written to it; that is told by its end
  child.stdin.on('error', () => {})
  const hello = await new Promise<Line>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new NativeError('start', 'no answer in time'))
    }, START_LIMIT_MS)
    const fail = (error: Error): void => {
      clearTimeout(timer)
      reject(error)
    }
    child.once('error', fail)
    child.once('close', () => fail(new NativeError('start', complaints.trim() || 'the program ended at once')))
    lines.first((line) => {
      clearTimeout(timer)
      resolve(line)
    })
  })
  if (hello.event !== wanted) {
    child.kill()
    throw errorOf(hello)
  }
  return { child, lines, hello }
}
