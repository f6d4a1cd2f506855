/** What the messages of a swarm cost: how many and how many bytes, for each kind and each node (spec/gossip.md §12.8 S5). */
import type { Message } from '../../../../src/gossip/proto/messages.ts'

type MessageKind = Message<number>['kind']

export const MESSAGE_KINDS: readonly MessageKind[] = [
  'join',
  'forward-join',
  'shuffle',
  'shuffle-reply',
  'neighbor',
  'disconnect',
  'gossip',
  'prune',
  'graft',
  'ihave',
]

/** The place of a kind in `MESSAGE_KINDS`. */
export function kindCode(kind: MessageKind): number {
  switch (kind) {
    case 'gossip':
      return 6
    case 'ihave':
      return 9
    case 'shuffle':
      return 2
    case 'shuffle-reply':
      return 3
    case 'neighbor':
      return 4
    case 'forward-join':
      return 1
    case 'disconnect':
      return 5
    case 'prune':
      return 7
    case 'graft':
      return 8
    case 'join':
      return 0
  }
}

const GOSSIP = kindCode('gossip')

/** A copy of the counters at one moment; two of them make a difference. */
export interface TrafficTotals {
  /** Sent, by the places of `MESSAGE_KINDS`. */
  readonly messages: readonly number[]
  readonly bytes: readonly number[]
  /** Payloads that reached a living node: upstream's count (spec/gossip.md §12.3). */
  readonly payloadsProcessed: number
}

export class Traffic {
  readonly #messages = new Float64Array(MESSAGE_KINDS.length)
  readonly #bytes = new Float64Array(MESSAGE_KINDS.length)
  readonly #sentMessages: number[] = []
  readonly #sentBytes: number[] = []
  payloadsProcessed = 0

  addNode(): void {
    this.#sentMessages.push(0)
    this.#sentBytes.push(0)
  }

  sent(node: number, code: number, bytes: number): void {
    this.#messages[code]! += 1
    this.#bytes[code]! += bytes
    this.#sentMessages[node]! += 1
    this.#sentBytes[node]! += bytes
  }

  arrived(code: number): void {
    if (code === GOSSIP) this.payloadsProcessed++
  }

  totals(): TrafficTotals {
    return { messages: [...this.#messages], bytes: [...this.#bytes], payloadsProcessed: this.payloadsProcessed }
  }

  /** What each node sent since the beginning. */
  perNode(): { readonly messages: readonly number[]; readonly bytes: readonly number[] } {
    return { messages: [...this.#sentMessages], bytes: [...this.#sentBytes] }
  }
}

export interface TrafficSums {
  readonly dataMessages: number
  readonly dataBytes: number
  readonly controlMessages: number
  readonly controlBytes: number
}

/** What was sent between two moments: payloads, and everything else (upstream's "ctrl"). */
export function trafficBetween(before: TrafficTotals, after: TrafficTotals): TrafficSums {
  let controlMessages = 0
  let controlBytes = 0
  for (const code of MESSAGE_KINDS.keys()) {
    if (code === GOSSIP) continue
    controlMessages += after.messages[code]! - before.messages[code]!
    controlBytes += after.bytes[code]! - before.bytes[code]!
  }
  return {
    dataMessages: after.messages[GOSSIP]! - before.messages[GOSSIP]!,
    dataBytes: after.bytes[GOSSIP]! - before.bytes[GOSSIP]!,
    controlMessages,
    controlBytes,
  }
}
