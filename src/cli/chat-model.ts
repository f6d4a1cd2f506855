/** What the screen of `tom chat` shows, as it follows from the events: messages with their states, notes, whom the talk is with. Pure; what is old is forgotten. */
import type { DeliveryState } from '../envelope/index.ts'
import { safeLine } from './chat-text.ts'
import {
  linesOf,
  type Message,
  messageLines,
  nameOf,
  nodes,
  type Path,
  type PeerState,
  shortId,
  type TalkEvent,
} from './tom-node-events.ts'

/** Messages and notes that can be scrolled back to. */
const MAX_ENTRIES = 1_000
/** Up to so many peers are told of, whoever they are. */
const FEW_PEERS = 8
/** Of one message, safe lines that are shown: somebody may send 100,000 line feeds. */
const MAX_LINES = 40
/** Of one message, UTF-16 units that are shown. */
const MAX_TEXT = 4_000

export type Entry =
  | {
      readonly kind: 'own'
      readonly time: number
      readonly id: string
      /** Empty while the talk is only with one. */
      readonly to: string
      readonly lines: readonly string[]
      state: DeliveryState
      holders: number
    }
  | {
      readonly kind: 'other'
      readonly time: number
      readonly id: string
      readonly from: string
      readonly name: string
      readonly lines: readonly string[]
      /** It has been on the screen. */
      isSeen: boolean
    }
  | { readonly kind: 'note'; readonly lines: readonly string[] }

export interface Partner {
  readonly id: string
  readonly name: string
  readonly liveness: PeerState['liveness'] | undefined
  readonly path: Path | null
}

export class ChatModel {
  readonly entries: Entry[] = []
  /** Of the others, how many are online. */
  online = 0
  waiting = 0
  readonly #wallClock: () => number
  #peers = new Map<string, { name: string; liveness: PeerState['liveness'] | undefined; path: Path | null }>()
  #partner: string | undefined
  /** Who wrote to us, or was written to. */
  readonly #talkers = new Set<string>()
  #own = new Map<string, Entry & { kind: 'own' }>()

  /** ms since 1970. */
  constructor(wallClock: () => number) {
    this.#wallClock = wallClock
  }

  get partner(): Partner | undefined {
    const id = this.#partner
    if (id === undefined) return undefined
    const { name, liveness, path } = this.#peer(id)
    return { id, name, liveness, path }
  }

  /** As it was measured just now. */
  measured(id: string, path: Path | null): void {
    this.#peer(id).path = path
  }

  apply(event: TalkEvent): void {
    switch (event.event) {
      case 'to':
        this.#talkTo(event.id, event.name)
        return
      case 'peer':
        this.#onPeer(event)
        return
      case 'path':
        this.#peer(event.id).path = event.path
        return
      case 'queued':
        this.waiting = event.waiting
        return
      case 'said':
        this.#onSaid(event)
        return
      case 'state': {
        const entry = this.#own.get(event.id)
        if (entry === undefined) return
        entry.state = event.state
        entry.holders = event.holders
        return
      }
      case 'message':
        this.#onMessage(event)
        return
      default:
        for (const line of linesOf(event)) this.note(line)
    }
  }

  note(line: string): void {
    this.#add({ kind: 'note', lines: [safeLine(line)] })
  }

  #talkTo(id: string, name: string): void {
    if (name !== '') this.#peer(id).name = name
    if (id === this.#partner) return
    this.#partner = id
    this.note(`talking to ${nameOf({ id, name: this.#peer(id).name })}`)
  }

  #onPeer({ id, name, liveness, verified }: PeerState): void {
    const peer = this.#peer(id)
    const { liveness: before, name: formerName } = peer
    if (name !== '') peer.name = name
    peer.liveness = liveness
    if (liveness === 'forgotten' && id !== this.#partner) {
      this.#peers.delete(id)
      this.#talkers.delete(id)
    }
    this.online += Number(liveness === 'online') - Number(before === 'online')
    if (!verified || !this.#isOfInterest(id)) return
    // stale is on its way to one or the other
    const isNews = before !== liveness && (liveness === 'online' || (liveness === 'offline' && before !== undefined))
    if (isNews) this.note(`${nameOf({ id, name: peer.name })} is ${liveness}`)
    else if (before === 'online' && peer.name !== formerName && (formerName === '' || id === this.#partner))
      this.note(`${nameOf({ id, name: formerName })} is called ${safeLine(peer.name)}`)
  }

  /** A swarm of strangers, or one who changes his name all the time, is not to fill the screen. */
  #isOfInterest(id: string): boolean {
    return id === this.#partner || this.#talkers.has(id) || this.#peers.size <= FEW_PEERS
  }

  #onSaid({ id, to, text, bytes }: TalkEvent & { event: 'said' }): void {
    this.waiting = Math.max(0, this.waiting - 1)
    this.#talkers.add(to)
    const lines = shownLines({ text, bytes })
    const name = to === this.#partner ? '' : nameOf({ id: to, name: this.#peer(to).name })
    const entry: Entry = { kind: 'own', time: this.#wallClock(), id, to: name, lines, state: 'pending', holders: 0 }
    this.#own.set(id, entry)
    this.#add(entry)
  }

  #onMessage(message: Message): void {
    const { id, from, sent_at } = message
    const peer = this.#peer(from)
    this.#talkers.add(from)
    if (message.name !== '') peer.name = message.name
    const safe = safeLine(peer.name).trim()
    // the name alone only where everybody sees in the status line whose it is
    const name = from === this.#partner && safe !== '' ? safe : nameOf({ id: from, name: peer.name })
    this.#add({ kind: 'other', time: sent_at, id, from, name, lines: shownLines(message, message), isSeen: false })
  }

  #peer(id: string): { name: string; liveness: PeerState['liveness'] | undefined; path: Path | null } {
    let peer = this.#peers.get(id)
    if (peer === undefined) {
      peer = { name: '', liveness: undefined, path: null }
      this.#peers.set(id, peer)
    }
    return peer
  }

  #add(entry: Entry): void {
    this.entries.push(entry)
    if (this.entries.length <= MAX_ENTRIES) return
    const oldest = this.entries.shift()!
    if (oldest.kind === 'own') this.#own.delete(oldest.id)
  }
}

/** The beginning of what was said, safe to show. */
function shownLines({ text, bytes }: { text: string | null; bytes: number }, message?: Message): string[] {
  const shown = text === null || text.length <= MAX_TEXT ? text : text.slice(0, MAX_TEXT)
  const lines =
    message === undefined ? messageLines({ ...OWN, text: shown, bytes }) : messageLines({ ...message, text: shown })
  const cut = lines.slice(0, MAX_LINES)
  if (cut.length < lines.length || shown !== text) cut.push(`[${bytes} bytes, not all are shown]`)
  return cut
}

const OWN: Message = {
  id: '',
  from: '',
  name: '',
  text: '',
  bytes: 0,
  sent_at: 0,
  encrypted: true,
  author_bound: true,
  via: [],
  brought_by: '',
  path: null,
}

/** What an own message has besides its mark; empty for most. */
export function remarkOf({ state, holders }: Entry & { kind: 'own' }): string {
  if (state === 'delivered' || state === 'read') return ''
  if (holders > 0) return `kept by ${nodes(holders)}`
  return state === 'failed' ? 'not delivered' : ''
}

/** Whose message it was, for a status line: the name, and the id that proves it. */
export function partnerName({ id, name }: Partner): string {
  const safe = safeLine(name).trim()
  return safe === '' ? shortId(id) : `${safe} ${shortId(id)}`
}
