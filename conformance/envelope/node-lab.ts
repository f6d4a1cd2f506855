/** Nodes of both kinds that end with their test, and what is said between them. */
import { expect, onTestFinished } from 'vitest'
import type { NodeTomNodeOptions } from '../../src/envelope/node.ts'
import { until } from '../until.ts'
import { hexOf } from './envelope-program.ts'
import { OurTom } from './our-tom.ts'
import { NativeTom, type NativeTomOptions } from './tom-program.ts'

/** More often than upstream's 10 s. */
const ANNOUNCE_MS = 1_000

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export interface NodePrograms {
  /** `tom-native`. */
  readonly native: string
  /** `iroh-relay`. */
  readonly relay: string
}

export interface Pair {
  readonly us: OurTom
  readonly them: NativeTom
}

export class NodeLab {
  readonly programs: NodePrograms

  constructor(programs: NodePrograms) {
    this.programs = programs
  }

  async native(options: NativeTomOptions = {}): Promise<NativeTom> {
    const node = await NativeTom.start(this.programs.native, { announceMs: ANNOUNCE_MS, ...options })
    onTestFinished(() => node.stop())
    return node
  }

  async ours(options: NodeTomNodeOptions = {}): Promise<OurTom> {
    const node = await OurTom.start(options)
    onTestFinished(() => node.stop())
    return node
  }

  /** One of each, who know each other by gossip alone. */
  async pair(ourOptions: NodeTomNodeOptions = {}, nativeOptions: NativeTomOptions = {}): Promise<Pair> {
    const them = await this.native({ name: 'native', ...nativeOptions })
    const us = await this.ours({ name: 'ours', bootstrap: [them.ticket], ...ourOptions })
    await announcedBy(them, us.id, 'ours')
    return { us, them }
  }
}

/** Resolves when the native node has heard that one announce itself. */
export async function announcedBy(node: NativeTom, id: string, name: string): Promise<void> {
  await node.waitFor('announce', ({ announce }) => announce.node_id === id && announce.username === name)
}

export function knows(node: OurTom, id: string, name: string): boolean {
  return node.node.peers().some((peer) => peer.id.toString() === id && peer.name === name)
}

/** Each has a message from the other, and the acknowledgement of its own. */
export async function talk(us: OurTom, them: NativeTom, what = 'hello'): Promise<void> {
  const receipt = await us.node.send(them.id, utf8(`${what} from ours`))
  const heard = await them.waitFor('message', ({ id }) => id === receipt.id)
  expect(heard).toMatchObject({ from: us.id, signature: 'valid', encrypted: true, type: 'Chat' })
  expect(heard.hex).toBe(hexOf(utf8(`${what} from ours`)))
  await receipt.delivered({ timeoutMs: 10_000 })
  const { id } = await them.send({ to: us.id, payload: utf8(`${what} from native`) })
  await until('its message', () => us.messages.some((message) => message.id === id))
  const message = us.messages.find((each) => each.id === id)!
  expect(new TextDecoder().decode(message.bytes)).toBe(`${what} from native`)
  expect(message.from.toString()).toBe(them.id)
  expect(message).toMatchObject({ isEncrypted: true, isAuthorBound: false })
  const ack = await them.waitFor('ack', ({ original }) => original === id)
  expect(ack).toMatchObject({ kind: 'RecipientReceived', from: us.id, signature: 'valid' })
}
