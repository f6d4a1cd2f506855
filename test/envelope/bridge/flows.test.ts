/** Both directions of the bridge in virtual time, with a server that the test is. */
import { expect, test } from 'vitest'
import { readBridgedNotice, writeBridged } from '../../../src/envelope/bridge/bridged-text.ts'
import { readSignalling } from '../../../src/envelope/bridge/signalling-message.ts'
import { ToV1 } from '../../../src/envelope/bridge/to-v1.ts'
import { type FlowSetup, ToV2 } from '../../../src/envelope/bridge/to-v2.ts'
import {
  BRIDGE_DEFAULTS,
  type BridgeEvent,
  type BridgeMetrics,
  type BridgeSettings,
} from '../../../src/envelope/bridge/types.ts'
import { contentOfV1 } from '../../../src/envelope/v1/v1-mapping.ts'
import { readV1 } from '../../../src/envelope/v1/v1-reader.ts'
import { v1Text } from '../../../src/envelope/v1/v1-writer.ts'
import { EndpointId } from '../../../src/identity/index.ts'
import { WebPlatform } from '../../relay/client/support.ts'
import { ALICE, CRYPTO } from '../v1/support.ts'
import { FakeNode } from './support/fake-node.ts'

const NEVER = Number.POSITIVE_INFINITY
const CAROL = EndpointId.parse('ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1')

class Flows {
  readonly platform = new WebPlatform()
  readonly net = new Map<string, FakeNode>()
  readonly node = new FakeNode(this.net, 50)
  readonly bob = new FakeNode(this.net, 51)
  readonly events: BridgeEvent[] = []
  readonly metrics = new Proxy({} as BridgeMetrics, { get: (target, name) => Reflect.get(target, name) ?? 0 })
  /** v1 peers that are there. */
  readonly present = new Set<string>([ALICE])
  isUp = true
  /** Envelopes that went to the server: to whom, and what. */
  readonly sent: { readonly to: string; readonly text: string }[] = []
  rooms = 0
  readonly toV1: ToV1
  readonly toV2: ToV2

  constructor(settings: Partial<BridgeSettings> = {}) {
    const setup: FlowSetup = {
      node: this.node,
      platform: this.platform,
      crypto: CRYPTO,
      settings: { ...BRIDGE_DEFAULTS, ...settings },
      metrics: this.metrics,
      v1: {
        send: (_as, text) => {
          const message = readSignalling(text, 0)
          if (this.isUp && message.kind === 'envelope') this.sent.push(message)
          return this.isUp
        },
        isPresent: (peer) => this.present.has(peer),
      },
      emit: (event) => this.events.push(event),
    }
    this.toV1 = new ToV1({ ...setup, presents: () => true, onRoom: () => this.rooms++ })
    this.toV2 = new ToV2(setup, (self, reading, content) => this.toV1.acknowledged(self, reading, content))
  }

  /** A text of `from` to a v1 peer; returns its id. */
  write(to: string, from = this.bob): string {
    const { platform } = this
    const { id, bytes } = writeBridged({ to: EndpointId.parse(to), text: 'hi', secretKey: from.secretKey, platform })
    this.toV1.receive({ from: from.id, bytes })
    return id
  }

  /** An unsigned envelope to `bob`, as the server brings it. */
  bring(
    id: string,
    {
      from = ALICE,
      to = this.bob.id.toString(),
      type = 'chat',
      payload = { text: 'hi' } as object,
      via = [] as string[],
    } = {},
  ): void {
    const draft = { id, to, type, payload, via, timestamp: this.platform.wallClock() }
    this.toV2.receive(this.bob.id.toString(), v1Text(from, draft, ''))
  }

  ack(id: string, from: string = ALICE, type = 'ack'): void {
    this.bring(`ack-${id}`, { from, type, payload: { originalMessageId: id } })
  }

  /** Lets `ms` pass, with a tick where it is due. */
  pass(ms: number): void {
    const end = this.platform.time + ms
    for (let at = this.toV1.deadline(); at <= end; at = this.toV1.deadline()) {
      this.platform.time = Math.max(at, this.platform.time)
      this.toV1.tick(this.platform.time)
    }
    this.platform.time = end
  }

  /** What `bob` was told, all of it. */
  async told(): Promise<unknown[]> {
    await this.platform.rest()
    const notices = []
    while (this.bob.waiting > 0) notices.push(readBridgedNotice((await this.bob.next()).bytes, { crypto: CRYPTO }))
    return notices
  }

  /** What was said to v1 peers: `received <id> to <who>` and so on. */
  said(): string[] {
    return this.sent.map(({ to, text }) => {
      const { envelope } = readV1(text, CRYPTO)
      const content = contentOfV1(envelope, envelope.payload)
      const what = content.kind === 'ack' ? `${content.ack.kind} ${content.ack.originalId}` : content.kind
      return `${what} to ${to === ALICE ? 'Alice' : 'somebody'}`
    })
  }
}

test('a v2 text is sent every 10 s until it is acknowledged, and given up after 60: nobody answered', async () => {
  const flows = new Flows()
  const id = flows.write(ALICE)
  expect([flows.sent.length, flows.toV1.deadline()]).toEqual([1, flows.platform.time + 10_000])
  flows.pass(59_999)
  expect([flows.sent.length, flows.toV1.inFlight, await flows.told()]).toEqual([6, 1, []])
  flows.pass(1)
  expect(await flows.told()).toEqual([{ kind: 'undelivered', originalId: id, reason: 'no-answer' }])
  expect([flows.toV1.inFlight, flows.toV1.deadline(), flows.rooms]).toEqual([0, NEVER, 1])
  // too late
  flows.ack(id)
  expect([await flows.told(), flows.metrics.refused]).toEqual([[], 1])
})

test('a v2 text for one who never comes, or who left without an answer, is given up as absent', async () => {
  const flows = new Flows()
  const id = flows.write(CAROL.toString())
  const left = flows.write(ALICE)
  flows.present.clear()
  flows.pass(60_000)
  expect([flows.sent.length, await flows.told()]).toEqual([
    1,
    [id, left].map((originalId) => ({ kind: 'undelivered', originalId, reason: 'absent' })),
  ])
})

test('a v2 text that could not be sent goes out when somebody came or the server is back, once', () => {
  const flows = new Flows()
  flows.isUp = false
  flows.write(ALICE)
  flows.toV1.retry()
  expect(flows.sent).toEqual([])
  flows.isUp = true
  flows.toV1.retry()
  flows.toV1.retry()
  expect(flows.sent).toHaveLength(1)
})

test('V1-2: an acknowledgement of a text that was never sent, or by another than it went to, is none', async () => {
  const flows = new Flows()
  flows.isUp = false
  const id = flows.write(ALICE)
  flows.ack(id)
  flows.isUp = true
  flows.toV1.retry()
  flows.ack(id, CAROL.toString())
  flows.ack(id, CAROL.toString(), 'read-receipt')
  expect([await flows.told(), flows.metrics.refused, flows.toV1.inFlight]).toEqual([[], 3, 1])
  flows.ack(id)
  flows.ack(id)
  flows.ack(id, ALICE, 'read-receipt')
  flows.ack(id, ALICE, 'read-receipt')
  const notice = { originalId: id, by: ALICE, signatureState: 'absent' }
  expect(await flows.told()).toEqual([
    { kind: 'received', ...notice },
    { kind: 'read', ...notice },
  ])
  expect([flows.metrics.refused, flows.rooms]).toEqual([4, 1])
})

test('limits: the same text twice, texts of one sender, refusals told a second', async () => {
  const flows = new Flows({ maxToV1PerPeer: 1 })
  const { platform, bob } = flows
  const { bytes } = writeBridged({ to: EndpointId.parse(ALICE), text: 'hi', secretKey: bob.secretKey, platform })
  flows.toV1.receive({ from: bob.id, bytes })
  flows.toV1.receive({ from: bob.id, bytes })
  expect([flows.sent.length, await flows.told()]).toEqual([1, []])
  for (let count = 0; count < 30; count++) flows.write(ALICE)
  const notices = await flows.told()
  expect([notices.length, flows.metrics.flooded, flows.toV1.inFlight]).toEqual([10, 20, 1])
  expect(notices[0]).toMatchObject({ reason: 'busy' })
  flows.platform.time += 1_000
  const other = new FakeNode(flows.net, 52)
  flows.write(ALICE, other)
  flows.write(ALICE)
  expect([(await flows.told()).length, flows.toV1.inFlight]).toEqual([1, 2])
})

test('limits: texts to v2 under way in all; those that failed make room', async () => {
  const flows = new Flows({ maxToV2: 2 })
  for (const id of ['a', 'b', 'c']) flows.bring(id)
  await flows.platform.rest()
  expect([flows.bob.waiting, flows.metrics.flooded, flows.toV2.inFlight]).toEqual([2, 1, 2])
  flows.node.sent[0]!.update('failed')
  await flows.platform.rest()
  flows.bring('c')
  await flows.platform.rest()
  expect([flows.bob.waiting, flows.toV2.inFlight]).toEqual([3, 2])
})

test('RTR-10: of many texts the oldest are forgotten, and delivered again if they come again', async () => {
  const flows = new Flows({ maxSeen: 2, perPeerPerSecond: 100 })
  for (const id of ['a', 'b', 'b', 'c', 'b', 'a']) flows.bring(id)
  await flows.platform.rest()
  expect(flows.bob.waiting).toBe(4)
})

test('an acknowledgement that nobody can be told now is told once when he is there, for a bounded number of them', async () => {
  const flows = new Flows({ perPeerPerSecond: 10_000, perSecond: 10_000, maxToV2: 5_000, maxToV2PerPeer: 5_000 })
  flows.present.clear()
  for (let count = 0; count < 1_001; count++) flows.bring(`${count}`)
  await flows.platform.rest()
  for (const receipt of flows.node.sent) receipt.update('delivered')
  await flows.platform.rest()
  expect(flows.said()).toEqual([])
  flows.present.add(ALICE)
  flows.isUp = false
  flows.toV2.retry()
  flows.isUp = true
  flows.toV2.retry()
  flows.toV2.retry()
  expect([flows.sent.length, flows.said()[0]]).toEqual([1_000, 'RecipientReceived 1 to Alice'])
})

test('spec/envelope.md §4.1: passes on to the next hop or to the recipient, only between peers that are there', () => {
  const flows = new Flows()
  const bob = flows.bob.id.toString()
  const carol = CAROL.toString()
  flows.present.add(carol)
  const chat = { to: carol, via: [bob] }
  flows.bring('straight', { ...chat, via: [] })
  flows.bring('last-hop', chat)
  flows.bring('next-hop', { ...chat, to: ALICE, via: [bob, carol] })
  flows.bring('an-ack', { ...chat, type: 'ack', payload: { originalMessageId: 'a' } })
  expect(flows.said()).toEqual([
    'chat to somebody',
    'RelayForwarded straight to Alice',
    'chat to somebody',
    'RelayForwarded last-hop to Alice',
    'chat to somebody',
    'RelayForwarded next-hop to Alice',
    'RecipientReceived a to somebody',
  ])
  flows.bring('last-hop', chat)
  flows.bring('from-nobody', { ...chat, from: 'ab'.repeat(32) })
  flows.bring('to-nobody', { to: 'ab'.repeat(32) })
  flows.bring('round', { ...chat, via: [bob, bob] })
  flows.bring('to-all', { to: '' })
  expect([flows.sent.length, flows.metrics.refused, flows.metrics.forwarded]).toEqual([7, 5, 4])
  flows.isUp = false
  flows.bring('again', chat)
  flows.isUp = true
  flows.bring('again', chat)
  expect(flows.metrics.forwarded).toBe(5)
})

test('limits: envelopes a second to one presented peer, and to all', () => {
  const flows = new Flows({ perPeerPerSecond: 1, perSecond: 2 })
  const bob = flows.bob.id.toString()
  const bringTo = (self: string, count: number): void => {
    for (let index = 0; index < count; index++) flows.toV2.receive(self, '{}')
  }
  bringTo(bob, 6)
  expect([flows.metrics.refused, flows.metrics.flooded]).toEqual([5, 1])
  bringTo(ALICE, 5)
  bringTo(CAROL.toString(), 1)
  expect([flows.metrics.refused, flows.metrics.flooded]).toEqual([10, 2])
  flows.platform.time += 1_000
  bringTo(bob, 2)
  expect([flows.metrics.refused, flows.metrics.flooded]).toEqual([11, 3])
})

test('limits: envelopes passed on a second', () => {
  const flows = new Flows({ forwardsPerSecond: 1, perPeerPerSecond: 100 })
  flows.present.add(CAROL.toString())
  for (let count = 0; count < 7; count++) flows.bring(`${count}`, { to: CAROL.toString() })
  expect([flows.metrics.forwarded, flows.metrics.flooded]).toEqual([5, 2])
})
