/** What the gossip suites are run with: programs, peers that end with their test, and words for messages. */
import { onTestFinished } from 'vitest'
import { blake3Hash } from '../../src/crypto/index.ts'
import type { Message } from '../../src/gossip/proto/messages.ts'
import { RelayServer } from '../../src/relay/server/index.ts'
import { RealRelay } from '../relay-server.ts'
import { type Member, nativeMembers, OurMember, type OurOptions } from './members.ts'
import { RawPeer } from './raw-peer.ts'
import { type NativeSwarmOptions, SwarmProgram } from './swarm-program.ts'

export interface Mixed {
  readonly swarm: SwarmProgram
  readonly native: readonly Member[]
  readonly ours: readonly OurMember[]
  readonly all: readonly Member[]
}

export interface GossipPrograms {
  /** `tom-native`. */
  readonly native: string
  /** `iroh-relay`. */
  readonly relay: string
}

export class GossipLab {
  readonly #programs: GossipPrograms
  #topics = 0

  constructor(programs: GossipPrograms) {
    this.#programs = programs
  }

  /** Nodes of iroh-gossip, all in one process. */
  async native(options: NativeSwarmOptions = {}): Promise<SwarmProgram> {
    const swarm = await SwarmProgram.native(this.#programs.native, options)
    onTestFinished(() => swarm.stop())
    return swarm
  }

  /** So many of each, ours with these options, alternating: ours first. */
  async mixed(pairs: number, options: OurOptions = {}, nativeOptions: NativeSwarmOptions = {}): Promise<Mixed> {
    const swarm = await this.native({ nodes: pairs, ...nativeOptions })
    const native = nativeMembers(swarm)
    const ours = await Promise.all(native.map(() => OurMember.start(options)))
    return { swarm, native, ours, all: ours.flatMap((member, index) => [member, native[index]!]) }
  }

  async raw(): Promise<RawPeer> {
    const peer = await RawPeer.open()
    onTestFinished(() => peer.close())
    return peer
  }

  /** iroh-relay on plain HTTP. */
  async realRelay(): Promise<RealRelay> {
    const relay = await RealRelay.start({ binary: this.#programs.relay })
    onTestFinished(() => relay.stop())
    return relay
  }

  /** Our server on plain HTTP. */
  async ourRelay(): Promise<RelayServer> {
    const relay = await RelayServer.start({ httpBind: '127.0.0.1:0' })
    onTestFinished(() => relay.close())
    return relay
  }

  /** 64 hex digits that no other test has. */
  topic(): string {
    return (++this.#topics).toString(16).padStart(64, '0')
  }
}

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
/** 64 hex digits. */
export const idOf = (content: Uint8Array): string => hexOf(blake3Hash(content))

export const join = ({ data }: RawPeer): Message<string> => ({ kind: 'join', data })
export const neighbor = ({ data }: RawPeer, priority: 'high' | 'low' = 'high'): Message<string> => ({
  kind: 'neighbor',
  priority,
  data,
})
export const gossip = (content: Uint8Array, round: number | undefined = 0): Message<string> => ({
  kind: 'gossip',
  id: idOf(content),
  content,
  round,
})
