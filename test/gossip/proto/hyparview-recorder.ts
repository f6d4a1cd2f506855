/** HyParView alone, its outputs as short lines: `send 2 neighbor low`, `up 2`, `timer shuffle 60000`. */
import type { Dice, MembershipEffects, MembershipTimer } from '../../../src/gossip/proto/effects.ts'
import { HyParView } from '../../../src/gossip/proto/hyparview.ts'
import type { MembershipMessage, PeerInfo } from '../../../src/gossip/proto/messages.ts'
import {
  DEFAULT_GOSSIP_PROFILE,
  type GossipProfile,
  type MembershipSettings,
} from '../../../src/gossip/proto/settings.ts'

/** Always the first. */
const FIRST: Dice = { below: () => 0 }

export interface RecorderOptions {
  readonly profile?: GossipProfile
  readonly settings?: Partial<MembershipSettings>
  readonly dice?: Dice
  readonly data?: Uint8Array
}

/** Node 1. */
export class Recorder {
  now = 1_000
  readonly machine: HyParView<number>
  /** Of the first request. */
  readonly firstSerial: number
  #lines: string[] = []

  constructor({ profile = DEFAULT_GOSSIP_PROFILE, settings, dice = FIRST, data }: RecorderOptions = {}) {
    this.firstSerial = profile.isRepaired ? 1 : 0
    this.machine = new HyParView<number>({
      me: 1,
      data,
      settings: { ...profile.membership, ...settings },
      isRepaired: profile.isRepaired,
      dice,
      effects: this.#effects(),
    })
  }

  /** The outputs since the last call. */
  take(): string[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }

  join(...peers: number[]): string[] {
    this.machine.join(peers, this.now)
    return this.take()
  }

  receive(from: number, message: MembershipMessage<number>): string[] {
    this.machine.receive(from, message, this.now)
    return this.take()
  }

  disconnected(peer: number): string[] {
    this.machine.disconnected(peer, this.now)
    return this.take()
  }

  fireRequest(peer: number, serial: number): string[] {
    this.machine.fire({ kind: 'pending-neighbor', peer, serial }, this.now)
    return this.take()
  }

  fireRejoin(serial: number): string[] {
    this.machine.fire({ kind: 'rejoin', serial }, this.now)
    return this.take()
  }

  fireShuffle(): string[] {
    this.machine.fire({ kind: 'shuffle' }, this.now)
    return this.take()
  }

  /** Makes `peers` neighbours, as newcomers. */
  befriend(...peers: number[]): void {
    for (const peer of peers) {
      this.receive(peer, JOIN)
      this.receive(peer, neighbor('high'))
    }
  }

  #effects(): MembershipEffects<number> {
    const say = (...words: (string | number)[]) => this.#lines.push(words.join(' '))
    return {
      send: (peer, message) => say('send', peer, ...wordsOf(message)),
      release: (peer) => say('release', peer),
      schedule: (timer, afterMs) => say('timer', ...wordsOfTimer(timer), afterMs),
      neighborUp: (peer) => say('up', peer),
      neighborDown: (peer, reason) => say('down', peer, reason),
      learned: (peer, data) => say('learned', peer, ...data),
      joinFailed: (peer) => say('join-failed', peer),
    }
  }
}

function wordsOfTimer(timer: MembershipTimer<number>): (string | number)[] {
  switch (timer.kind) {
    case 'shuffle':
      return ['shuffle']
    case 'pending-neighbor':
      return ['pending-neighbor', timer.peer, `#${timer.serial}`]
    case 'rejoin':
      return ['rejoin', `#${timer.serial}`]
  }
}

function wordsOf(message: MembershipMessage<number>): (string | number)[] {
  switch (message.kind) {
    case 'neighbor':
      return ['neighbor', message.priority]
    case 'disconnect':
      return ['disconnect', message.alive ? 'alive' : 'gone']
    case 'join':
      return ['join']
    case 'forward-join':
      return ['forward-join', message.peer.id, message.ttl]
    case 'shuffle':
      return ['shuffle', message.origin, ...message.nodes.map(({ id }) => id), `ttl=${message.ttl}`]
    case 'shuffle-reply':
      return ['shuffle-reply', ...message.nodes.map(({ id }) => id)]
  }
}

export const JOIN: MembershipMessage<number> = { kind: 'join', data: undefined }

export function neighbor(priority: 'high' | 'low', data?: Uint8Array): MembershipMessage<number> {
  return { kind: 'neighbor', priority, data }
}

export function disconnect(alive: boolean): MembershipMessage<number> {
  return { kind: 'disconnect', alive }
}

export function infos(...ids: number[]): PeerInfo<number>[] {
  return ids.map((id) => ({ id, data: undefined }))
}

export function forwardJoin(id: number, ttl: number, data?: Uint8Array): MembershipMessage<number> {
  return { kind: 'forward-join', peer: { id, data }, ttl }
}

export function shuffle(origin: number, nodes: readonly number[], ttl: number): MembershipMessage<number> {
  return { kind: 'shuffle', origin, nodes: infos(...nodes), ttl }
}

export function reply(...nodes: number[]): MembershipMessage<number> {
  return { kind: 'shuffle-reply', nodes: infos(...nodes) }
}
