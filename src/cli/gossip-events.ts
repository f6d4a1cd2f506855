/**
 * What `tom gossip` tells: one JSON object a line (`--json`: nothing else on stdout, people's text on stderr), or readable lines. What strangers wrote is made safe for a
 * terminal here.
 */
import type { NeighborDownReason } from '../gossip/index.ts'
import { type ChatLine, printable } from './gossip-message.ts'
import type { Output } from './reporter.ts'

export type ChatEvent =
  | {
      readonly event: 'started'
      readonly name: string
      readonly id: string
      /** 64 hex digits. */
      readonly topic: string
      readonly profile: string
      readonly alpns: readonly string[]
    }
  /** `command` is what another one types to join. */
  | { readonly event: 'ticket'; readonly ticket: string; readonly command: string }
  /** `neighbors`: how many there are now. */
  | { readonly event: 'neighbor_up'; readonly peer: string; readonly neighbors: number }
  | {
      readonly event: 'neighbor_down'
      readonly peer: string
      readonly reason: NeighborDownReason
      readonly neighbors: number
    }
  /** A line of ours left; `neighbors`: to how many. */
  | { readonly event: 'said'; readonly text: string; readonly nonce: string; readonly neighbors: number }
  /** Name, author, time and text as the payload says, unsigned; `delivered_from` is the last hop, `round` the hops before it (null: sent to neighbours only). */
  | ({
      readonly event: 'received'
      readonly delivered_from: string
      readonly round: number | null
      readonly signed: false
    } & Omit<ChatLine, 'time'> & { readonly said_at: number })
  /** Content that is no line of `tom gossip`. */
  | { readonly event: 'other_content'; readonly bytes: number; readonly delivered_from: string }
  /** It is tried again while there is no neighbour. */
  | { readonly event: 'join_failed'; readonly peer: string; readonly error: string }
  | { readonly event: 'lagged'; readonly missed: number }
  /** Counts of lines. */
  | { readonly event: 'ended'; readonly said: number; readonly unsent: number; readonly received: number }

export interface ChatReporter {
  event(event: ChatEvent): void
  /** A line for people. */
  note(line: string): void
}

/** `time` is in ms since 1970. */
export class JsonChatReporter implements ChatReporter {
  readonly #output: Output
  readonly #wallClock: () => number

  constructor(output: Output, wallClock: () => number) {
    this.#output = output
    this.#wallClock = wallClock
  }

  event({ event, ...fields }: ChatEvent): void {
    this.#output.stdout(JSON.stringify({ event, time: this.#wallClock(), ...fields }))
  }

  note(line: string): void {
    this.#output.stderr(line)
  }
}

export class TextChatReporter implements ChatReporter {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  event(event: ChatEvent): void {
    for (const line of linesOf(event)) this.#output.stdout(line)
  }

  note(line: string): void {
    this.#output.stdout(line)
  }
}

function linesOf(event: ChatEvent): string[] {
  switch (event.event) {
    case 'started':
      return [
        `${event.name}: ${event.id}`,
        `topic: ${event.topic}`,
        'what is said is unsigned: name and author are what the sender claims; via is the neighbour that passed it on',
      ]
    case 'ticket':
      return [`ticket: ${event.ticket}`, `others join with: ${event.command}`]
    case 'neighbor_up':
      return [`+ neighbour ${short(event.peer)} (${event.neighbors} now)`]
    case 'neighbor_down':
      return [`- neighbour ${short(event.peer)}: ${event.reason} (${event.neighbors} now)`]
    case 'said':
      // whoever typed it has seen it
      return []
    case 'received': {
      const via = event.delivered_from === event.author ? '' : `, via ${short(event.delivered_from)}`
      const who = `${printable(event.name)} (${short(event.author)}${via})`
      return [`${clock(event.said_at)} ${who}: ${printable(event.text)}`]
    }
    case 'other_content':
      return [`${event.bytes} bytes that are no line of tom gossip, via ${short(event.delivered_from)}`]
    case 'join_failed':
      return [`cannot join ${short(event.peer)}: ${printable(event.error)}; trying again`]
    case 'lagged':
      return [`${event.missed} events were missed`]
    case 'ended':
      return [
        `${event.said} lines said, ${event.received} heard${event.unsent === 0 ? '' : `, ${event.unsent} NOT SENT`}`,
      ]
  }
}

/** As `EndpointId.toShortString`. */
function short(id: string): string {
  return id.slice(0, 10)
}

/** Hours, minutes and seconds here; the author's clock may say anything. */
function clock(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? '--:--:--' : date.toTimeString().slice(0, 8)
}
