/**
 * What `tom chat` and `tom send` tell: one JSON object a line (`--json`: nothing else on stdout, people's text on stderr), or readable lines for a pipe. What strangers
 * wrote is made safe for a terminal here. The terminal interface of `tom chat` makes its screen of the same events.
 */
import type { DeliveryState, Liveness, Role, SignatureState } from '../envelope/index.ts'
import { safeLine, safeLines } from './chat-text.ts'
import type { Output } from './reporter.ts'

export type TalkEvent =
  | {
      readonly event: 'started'
      readonly name: string
      readonly id: string
      /** 64 hex digits. */
      readonly topic: string
      /** Undelivered messages outlive this process. */
      readonly storage: boolean
    }
  /** `command` is what another one types to talk to us. */
  | { readonly event: 'ticket'; readonly ticket: string; readonly command: string }
  /** Whom lines go to from now on. */
  | ({ readonly event: 'to' } & Peer)
  /** `liveness` as it is now; `name` is what the peer calls itself. */
  | ({ readonly event: 'peer' } & PeerState)
  | { readonly event: 'peers'; readonly peers: readonly (PeerState & { readonly path: Path | null })[] }
  /** The path in use has changed; null: there is no connection. */
  | ({ readonly event: 'path'; readonly path: Path | null } & Peer)
  /** A line that has nobody to go to yet; `waiting` with it. */
  | { readonly event: 'queued'; readonly text: string; readonly waiting: number }
  /** A message of ours is signed, sealed and kept until it is delivered. */
  | {
      readonly event: 'said'
      readonly id: string
      readonly to: string
      readonly name: string
      readonly text: string | null
      readonly bytes: number
    }
  /** Of a message of ours. `holders`: nodes that keep it for the recipient; `path`: the one in use to the recipient at that moment; `after_ms`: since it was said. */
  | {
      readonly event: 'state'
      readonly id: string
      readonly to: string
      readonly name: string
      readonly state: DeliveryState
      readonly holders: number
      readonly path: Path['kind'] | null
      readonly after_ms: number
    }
  | ({ readonly event: 'message' } & Message)
  /** At the end: a message of ours that is not delivered; `text`: the beginning of it, `holders`: nodes that keep it. */
  | { readonly event: 'unsettled'; readonly id: string; readonly text: string; readonly holders: number }
  /** Counts of messages of ours: `kept`: not delivered, but by other nodes until the recipient returns; `undelivered`: all others. */
  | {
      readonly event: 'ended'
      readonly said: number
      readonly delivered: number
      readonly kept: number
      readonly undelivered: number
      readonly received: number
    }

export interface Peer {
  /** 64 hex digits. */
  readonly id: string
  readonly name: string
}

export interface PeerState extends Peer {
  readonly liveness: Liveness | 'forgotten'
  readonly role: Role
  readonly verified: boolean
}

export interface Path {
  readonly kind: 'relay' | 'direct'
  readonly remote: string
  /** 0 before the first sample. */
  readonly rtt_ms: number
}

export interface Message {
  readonly id: string
  readonly from: string
  readonly name: string
  /** Null where the bytes are no UTF-8: then `base64` has them. */
  readonly text: string | null
  readonly base64?: string
  readonly bytes: number
  /** ms since 1970 by the sender's clock. */
  readonly sent_at: number
  readonly encrypted: boolean
  readonly author_bound: boolean
  /** Hops the sender chose. */
  readonly via: readonly string[]
  /** The author, a hop, or a node that kept it. */
  readonly brought_by: string
  /** Of the one who brought it. */
  readonly path: Path['kind'] | null
  /** Of a text of the earlier stack: who says to have written it, 64 hex digits, and what its own signature is worth. `from` is the bridge. */
  readonly claimed_author?: string
  readonly v1_signature?: SignatureState
}

export interface TalkReporter {
  event(event: TalkEvent): void
  /** A line for people. */
  note(line: string): void
}

/** `time` is in ms since 1970. */
export class JsonTalkReporter implements TalkReporter {
  readonly #output: Output
  readonly #wallClock: () => number

  constructor(output: Output, wallClock: () => number) {
    this.#output = output
    this.#wallClock = wallClock
  }

  event({ event, ...fields }: TalkEvent): void {
    this.#output.stdout(JSON.stringify({ event, time: this.#wallClock(), ...fields }))
  }

  note(line: string): void {
    this.#output.stderr(line)
  }
}

export class TextTalkReporter implements TalkReporter {
  readonly #output: Output

  constructor(output: Output) {
    this.#output = output
  }

  event(event: TalkEvent): void {
    for (const line of linesOf(event)) this.#output.stdout(line)
  }

  note(line: string): void {
    this.#output.stdout(line)
  }
}

/** Empty for what a reader of lines need not know. */
export function linesOf(event: TalkEvent): string[] {
  switch (event.event) {
    case 'started':
      return [`${event.name === '' ? 'id' : safeLine(event.name)}: ${event.id}`]
    case 'ticket':
      return [`ticket: ${event.ticket}`, `others talk to you with: ${event.command}`]
    case 'to':
      return [`talking to ${nameOf(event)}`]
    case 'peer':
      return [peerLine(event)]
    case 'peers':
      return event.peers.length === 0 ? ['nobody is known yet'] : event.peers.map(peersLine)
    case 'path':
      return [`path to ${nameOf(event)}: ${event.path === null ? 'none' : pathText(event.path)}`]
    case 'queued':
      return [`waiting for somebody to say it to (${event.waiting} ${event.waiting === 1 ? 'line' : 'lines'})`]
    case 'said':
      // whoever typed it has seen it
      return []
    case 'state':
      return [stateLine(event)]
    case 'message': {
      const [first, ...rest] = messageLines(event)
      return [`${clock(event.sent_at)} ${nameOf({ id: event.from, name: event.name })}: ${first}`, ...rest.map(indent)]
    }
    case 'unsettled': {
      const what = `${JSON.stringify(safeLine(event.text))} (${event.id.slice(0, 8)})`
      return [event.holders === 0 ? `not delivered: ${what}` : `kept by ${nodes(event.holders)}: ${what}`]
    }
    case 'ended':
      return [endedLine(event)]
  }
}

/** Safe lines of text, the last with what is out of the ordinary about the message. */
export function messageLines(message: Message): string[] {
  const lines = message.text === null ? [`${message.bytes} bytes that are no text`] : safeLines(message.text)
  const remarks = [
    ...(message.claimed_author === undefined ? [] : [authorRemark(message.claimed_author, message.v1_signature)]),
    ...(message.encrypted ? [] : ['not encrypted']),
    ...(message.brought_by === message.from ? [] : [`brought by ${shortId(message.brought_by)}`]),
  ]
  return remarks.length === 0 ? lines : [...lines.slice(0, -1), `${lines.at(-1)} [${remarks.join(', ')}]`]
}

/** V1-4: what a bridge brings is its author's only where he signed it. */
function authorRemark(author: string, signature: SignatureState = 'absent'): string {
  if (signature === 'valid') return `signed by ${shortId(author)}`
  const why = signature === 'absent' ? 'unsigned' : `signature ${signature}`
  return `${why}, claims to be by ${shortId(author)}`
}

function stateLine({ state, holders, after_ms, ...event }: TalkEvent & { event: 'state' }): string {
  const to = nameOf({ id: event.to, name: event.name })
  const kept = holders === 0 || state === 'delivered' || state === 'read' ? '' : `, kept by ${nodes(holders)}`
  return `message ${event.id.slice(0, 8)} to ${to}: ${state}${kept} (${milliseconds(after_ms)})`
}

function peerLine(peer: PeerState): string {
  return `${peer.liveness === 'online' ? '+' : '-'} ${nameOf(peer)} is ${peer.liveness}${peer.verified ? '' : ', not verified'}`
}

function peersLine(peer: PeerState & { readonly path: Path | null }): string {
  return `${nameOf(peer)}: ${peer.liveness}${peer.path === null ? '' : `, ${pathText(peer.path)}`}`
}

function endedLine({ said, delivered, kept, undelivered, received }: TalkEvent & { event: 'ended' }): string {
  const parts = [
    `${said} said, ${delivered} delivered`,
    ...(kept === 0 ? [] : [`${kept} kept by others until they can be`]),
    ...(undelivered === 0 ? [] : [`${undelivered} NOT DELIVERED`]),
  ]
  return `${parts.join(', ')}; ${received} received`
}

/** Anybody may call themselves anything: the id is always there. */
export function nameOf({ id, name }: Peer): string {
  const safe = safeLine(name).trim()
  return safe === '' ? shortId(id) : `${safe} (${shortId(id)})`
}

export function pathText({ kind, remote, rtt_ms }: Path): string {
  return `${kind} ${remote}${rtt_ms === 0 ? '' : `, ${milliseconds(rtt_ms)}`}`
}

export function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`
}

export function nodes(count: number): string {
  return `${count} ${count === 1 ? 'node' : 'nodes'}`
}

/** As `EndpointId.toShortString`. */
export function shortId(id: string): string {
  return id.slice(0, 10)
}

/** Hours, minutes and seconds here; the author's clock may say anything. */
export function clock(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? '--:--:--' : date.toTimeString().slice(0, 8)
}

function indent(line: string): string {
  return `         ${line}`
}
