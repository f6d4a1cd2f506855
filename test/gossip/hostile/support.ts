/** Swarms of honest nodes on loopback and peers among them that keep to no rule. */
import { randomBytes } from 'node:crypto'
import { expect } from 'vitest'
import type { Connection } from '../../../src/endpoint/index.ts'
import { type GossipOptions, TopicId } from '../../../src/gossip/index.ts'
import type { NetSettings } from '../../../src/gossip/net/settings.ts'
import { HandPeer, type SpokenStream } from '../../sim/gossip-net/support/hand-peer.ts'
import { bindEndpoint, bytes, eventually, Log, type Node, node } from '../net/nodes.ts'

export const ALPN = '/iroh-gossip/1'
export const TOPIC = TopicId.fromName('hostile')
export const NEIGHBOR = { kind: 'neighbor', priority: 'high', data: undefined } as const
export const JOIN = { kind: 'join', data: undefined } as const

export interface Member extends Node {
  readonly log: Log
}

export interface Swarm {
  readonly members: readonly Member[]
  /** The one that attackers turn to. */
  readonly victim: Member
  /** What each says now, all others hear; nothing was thrown. `reports`: errors that the victim may have reported. */
  expectGoesOn(reports?: readonly string[]): Promise<void>
}

let word = 0

/** Honest nodes that know each other. */
export async function swarm(
  count = 3,
  options: GossipOptions = {},
  settings: Partial<NetSettings> = {},
): Promise<Swarm> {
  const members: Member[] = []
  for (let index = 0; index < count; index++) {
    const one = await node(options, settings)
    const bootstrap = members.slice(0, 1).map(({ endpoint }) => endpoint.addr())
    members.push({ ...one, log: new Log(one.gossip.subscribe(TOPIC, { bootstrap })) })
  }
  await Promise.all(members.map(({ log }) => log.topic.joined({ timeoutMs: 8_000 })))
  await eventually(() => members.every(({ log }) => log.topic.neighbors().length === count - 1), 'all know each other')
  const expectGoesOn = async (reports: readonly string[] = []) => {
    for (const from of members) {
      const what = `word ${word++}`
      await from.log.topic.broadcast(bytes(what))
      const others = members.filter((member) => member !== from)
      await Promise.all(others.map(({ log }) => log.until(({ texts }) => texts.includes(what), what)))
    }
    for (const { errors } of members.slice(1)) expect(errors).toEqual([])
    const codes = members[0]!.errors.map((error) => (error as { code?: string }).code)
    expect(codes).toEqual(reports)
  }
  return { members, victim: members[0]!, expectGoesOn }
}

export async function hand(): Promise<HandPeer> {
  return new HandPeer(await bindEndpoint({ alpns: [ALPN], onError: () => {} }), () => performance.now())
}

export interface Attacker {
  readonly hand: HandPeer
  readonly connection: Connection
  /** On the topic; Join and Neighbor were said on it. */
  readonly stream: SpokenStream
}

/** A neighbour of the victim, made by hand. */
export async function neighborOf({ victim }: Swarm): Promise<Attacker> {
  const one = await hand()
  const connection = await one.dial(victim.endpoint.addr())
  const stream = await one.open(connection, TOPIC, JOIN)
  await eventually(() => one.has(TOPIC, 'neighbor'), 'an answer to Join')
  await stream.say(NEIGHBOR)
  return { hand: one, connection, stream }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}

export const noise = (length: number): Uint8Array => Uint8Array.from(randomBytes(length))

export function isOpen(connection: Connection): boolean {
  return connection.closeReason === undefined
}
