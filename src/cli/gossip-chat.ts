/**
 * The talk in one topic: lines of the input go out as soon as somebody is there to hear them, events are told, and the end of the input ends it once everything is said. Knows
 * no network and no terminal: those are `gossip.ts`'s.
 */
import { messageOf } from '../bytes/index.ts'
import type { GossipEvent } from '../gossip/index.ts'
import type { EndpointId } from '../identity/index.ts'
import type { ChatReporter } from './gossip-events.ts'
import { readLines } from './gossip-input.ts'
import { decodeChatLine, encodeChatLine } from './gossip-message.ts'
import { Outbox } from './gossip-outbox.ts'
import { aborted, limited } from './run.ts'

/** Lines that wait for a first neighbour; then the input waits. A guess. */
const MAX_WAITING = 256

/** What is needed of a `GossipTopic`. */
export interface ChatTopic extends AsyncIterable<GossipEvent> {
  broadcast(content: Uint8Array): Promise<void>
  neighbors(): readonly EndpointId[]
}

export interface ChatOptions {
  readonly topic: ChatTopic
  readonly reporter: ChatReporter
  readonly name: string
  /** Our id, 64 hex digits. */
  readonly author: string
  /** Largest payload of the swarm, bytes. */
  readonly maxPayload: number
  /** After the end of the input, what waits for a neighbour is given up after this, ms. */
  readonly waitMs: number
  /** The end of the input is not the end: only an interruption is. */
  readonly isStaying: boolean
  readonly interrupted: AbortSignal
  /** ms since 1970. */
  wallClock(): number
  nonce(): string
}

export interface ChatCounts {
  readonly said: number
  readonly unsent: number
  readonly received: number
}

interface Outgoing {
  readonly text: string
  readonly nonce: string
  readonly content: Uint8Array
}

export class Chat {
  readonly #options: ChatOptions
  readonly #outbox: Outbox<Outgoing>
  #said = 0
  #lost = 0
  #received = 0

  constructor(options: ChatOptions) {
    this.#options = options
    const { topic } = options
    this.#outbox = new Outbox({
      capacity: MAX_WAITING,
      isReady: () => topic.neighbors().length > 0,
      send: (line) => this.#send(line),
      lost: ({ text }, error) => this.#notSent(`not sent: ${JSON.stringify(text)}: ${messageOf(error)}`),
    })
  }

  get counts(): ChatCounts {
    return { said: this.#said, unsent: this.#lost + this.#outbox.size, received: this.#received }
  }

  /**
   * Resolves when the talk is over: the input ended and what it said is with the topic (or nobody came in `waitMs`), or it was interrupted. Rejects when the topic ends under it. The caller leaves the
   * topic, which waits until neighbours have what they were sent.
   */
  async run(input: AsyncIterable<Uint8Array>): Promise<void> {
    const hearing = this.#hear()
    const talking = this.#talk(input)
    // whichever loses ends by itself, when the topic and the input are closed
    hearing.catch(() => {})
    talking.catch(() => {})
    await Promise.race([hearing, talking, aborted(this.#options.interrupted)])
  }

  async #talk(input: AsyncIterable<Uint8Array>): Promise<void> {
    const { interrupted, isStaying, maxPayload, reporter, waitMs } = this.#options
    for await (const line of readLines(input, maxPayload)) {
      if (line.kind === 'too-long') this.#tooLong(line.bytes)
      else await this.#say(line.text)
      if (interrupted.aborted) return
    }
    if (isStaying) return aborted(interrupted)
    if (this.#outbox.size === 0) return
    if (this.#options.topic.neighbors().length === 0) reporter.note('waiting for somebody to hear it')
    await this.#outbox.drained(limited(interrupted, waitMs))
  }

  async #say(text: string): Promise<void> {
    const { name, author, maxPayload, interrupted } = this.#options
    const nonce = this.#options.nonce()
    const content = encodeChatLine({ name, author, time: this.#options.wallClock(), nonce, text })
    if (content.length > maxPayload) this.#tooLong(content.length)
    else if (!(await this.#outbox.put({ text, nonce, content }, interrupted))) this.#lost++
  }

  #tooLong(bytes: number): void {
    this.#notSent(
      `not sent: a line of ${bytes} bytes; a message has at most ${this.#options.maxPayload}, name and nonce included`,
    )
  }

  #notSent(note: string): void {
    this.#lost++
    this.#options.reporter.note(note)
  }

  async #send({ text, nonce, content }: Outgoing): Promise<void> {
    const { topic, reporter } = this.#options
    const neighbors = topic.neighbors().length
    await topic.broadcast(content)
    this.#said++
    reporter.event({ event: 'said', text, nonce, neighbors })
  }

  async #hear(): Promise<void> {
    for await (const event of this.#options.topic) this.#tell(event)
    throw new Error('the topic was closed')
  }

  #tell(event: GossipEvent): void {
    const { reporter, topic } = this.#options
    switch (event.kind) {
      case 'neighbor-up':
        reporter.event({ event: 'neighbor_up', peer: event.peer.toString(), neighbors: topic.neighbors().length })
        this.#outbox.wake()
        break
      case 'neighbor-down': {
        // said by our own leaving
        if (event.reason === 'quit') break
        const neighbors = topic.neighbors().length
        reporter.event({ event: 'neighbor_down', peer: event.peer.toString(), reason: event.reason, neighbors })
        break
      }
      case 'received':
        this.#receive(event)
        break
      case 'join-failed': {
        const error = event.error === undefined ? 'no answer' : messageOf(event.error)
        reporter.event({ event: 'join_failed', peer: event.peer.toString(), error })
        break
      }
      case 'lagged':
        reporter.event({ event: 'lagged', missed: event.missed })
        break
    }
  }

  #receive({ content, deliveredFrom, scope, round }: GossipEvent & { kind: 'received' }): void {
    const { reporter } = this.#options
    const delivered_from = deliveredFrom.toString()
    const line = decodeChatLine(content)
    if (line === undefined) {
      reporter.event({ event: 'other_content', bytes: content.length, delivered_from })
      return
    }
    this.#received++
    const { name, author, time, nonce, text } = line
    const hops = scope === 'swarm' ? round : null
    reporter.event({
      event: 'received',
      name,
      author,
      text,
      nonce,
      said_at: time,
      delivered_from,
      round: hops,
      signed: false,
    })
  }
}
