/** Random operations on a hub, and what must hold after each of them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { EndpointId } from '../../../../src/identity/index.ts'
import { bytes, type Client, FakeLink, idOf, Lab, leftovers, PING } from './support.ts'

const IDS = 3

type Step =
  | { readonly kind: 'connect'; readonly id: number; readonly isOld: boolean }
  | { readonly kind: 'send'; readonly from: number; readonly to: number; readonly length: number }
  | { readonly kind: 'disconnect'; readonly id: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'leave' | 'stall' | 'take' | 'unstall' | 'ping' | 'break'; readonly client: number }

const client = fc.nat(19)
const id = fc.nat(IDS - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('connect' as const), id, isOld: fc.boolean() }) },
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      from: client,
      // one id more than there are
      to: fc.nat(IDS),
      length: fc.oneof(
        { weight: 20, arbitrary: fc.constantFrom(4, 4, 100, 400, 900) },
        { weight: 1, arbitrary: fc.constantFrom(0, 65_503) },
      ),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constantFrom('leave', 'stall', 'stall', 'stall', 'take', 'unstall', 'ping', 'break'),
      client,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('disconnect' as const), id }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(1, 500, 1_900, 15_500, 21_000) }),
  },
)

class Model {
  readonly lab = new Lab({
    limits: {
      linkBytes: 300,
      queueDatagrams: 3,
      queueBytes: 1_500,
      queueMessages: 1,
      maxInactivePerEndpoint: 2,
      maxDestinations: 4,
      turnBytes: Number.MAX_SAFE_INTEGER,
    },
  })
  readonly clients: Client[] = []
  /** Who is to get datagram number n, and who sent it. */
  readonly #sent: { readonly receiver: Client | undefined; readonly sender: Client }[] = []
  readonly #seen = new Set<number>()
  readonly #last = new Map<string, number>()

  run(step: Step): void {
    const { lab } = this
    switch (step.kind) {
      case 'connect': {
        const link = new FakeLink(step.isOld ? 'iroh-relay-v1' : 'iroh-relay-v2')
        link.lowMark = 100
        const client = lab.tryConnect(step.id, step.isOld ? 'iroh-relay-v1' : 'iroh-relay-v2', link)
        if (client !== undefined) this.clients.push(client)
        break
      }
      case 'send':
        this.#send(step.from, step.to, step.length)
        break
      case 'disconnect':
        lab.hub.disconnect(EndpointId.fromVerifiedKey(idOf(step.id)))
        expect(this.#activeOf(idOf(step.id))).toBeUndefined()
        break
      case 'advance':
        lab.advance(step.ms)
        break
      default:
        this.#do(step.kind, this.#alive(step.client))
    }
    this.#check()
  }

  finish(): void {
    const { lab } = this
    for (const { link } of this.clients) link.unstall()
    this.#check()
    expect(lab.hub.backlog).toEqual({ clients: 0, datagrams: 0, bytes: 0, messages: 0 })
    for (const { link } of this.clients) link.end()
    this.#check()
    expect(leftovers(lab)).toEqual({})
  }

  #do(kind: string, client: Client | undefined): void {
    if (client === undefined) return
    const { link } = client
    if (kind === 'leave') link.end(1000)
    else if (kind === 'stall') link.isStalled = true
    else if (kind === 'take') link.take(500)
    else if (kind === 'unstall') link.unstall()
    else if (kind === 'ping') link.feed(PING(1))
    else link.feed(bytes(14))
  }

  #send(from: number, to: number, length: number): void {
    const sender = this.#alive(from)
    if (sender === undefined) return
    const contents = new Uint8Array(length)
    if (length >= 4) new DataView(contents.buffer).setUint32(0, this.#sent.length)
    this.#sent.push({ receiver: this.#activeOf(idOf(to)), sender })
    sender.send(idOf(to), contents)
  }

  #alive(number: number): Client | undefined {
    const alive = this.clients.filter(isAlive)
    return alive[number % Math.max(1, alive.length)]
  }

  /** The newest that is alive. */
  #activeOf(id: Uint8Array): Client | undefined {
    return this.clients.findLast((client) => isAlive(client) && client.id.every((byte, i) => byte === id[i]))
  }

  #check(): void {
    const { hub, counters } = this.lab
    for (const [index, client] of this.clients.entries()) {
      for (const frame of client.takeFrames()) if (frame[0] === 6) this.#checkDatagram(client, index, frame)
    }
    const { backlog } = hub
    expect(counters.send_packets_recv).toBe(this.#sent.length)
    expect(
      counters.send_packets_sent +
        counters.send_packets_dropped +
        counters.tom_unforwardable_frames +
        counters.tom_queue_full_frames +
        counters.tom_queue_lost_frames +
        backlog.datagrams,
    ).toBe(counters.send_packets_recv)
    expect(this.#seen.size).toBeLessThanOrEqual(counters.send_packets_sent)
    const alive = this.clients.filter(isAlive)
    expect(hub.connectionCount).toBe(alive.length)
    expect(hub.linkCount).toBe(alive.length)
    expect(counters.accepts - counters.disconnects).toBe(alive.length)
    expect([counters.tom_connections, counters.tom_links, counters.tom_handshakes]).toEqual([
      alive.length,
      alive.length,
      0,
    ])
    const ids = new Set(alive.map((client) => client.id.join()))
    expect([hub.clientCount, counters.tom_endpoints]).toEqual([ids.size, ids.size])
    expect(counters.clients_inactive_added - counters.clients_inactive_removed).toBe(alive.length - ids.size)
    expect(backlog.datagrams).toBeLessThanOrEqual(3 * alive.length)
    expect(backlog.bytes).toBeLessThanOrEqual(1_500 * alive.length)
    expect(backlog.messages).toBeLessThanOrEqual(alive.length)
  }

  #checkDatagram(receiver: Client, index: number, frame: Uint8Array): void {
    const number = new DataView(frame.buffer).getUint32(34)
    const { receiver: wanted, sender } = this.#sent[number]!
    expect(wanted).toBe(receiver)
    expect(frame.subarray(1, 33)).toEqual(sender.id)
    expect(this.#seen.has(number)).toBe(false)
    this.#seen.add(number)
    const pair = `${this.clients.indexOf(sender)} ${index}`
    expect(number).toBeGreaterThan(this.#last.get(pair) ?? -1)
    this.#last.set(pair, number)
  }
}

const isAlive = ({ link }: Client) => !link.isEnded && link.closedWith === undefined

test('whatever clients do: each datagram arrives once at most, in order, at the active connection; all is counted; nothing stays', () => {
  const counted: Record<string, number> = {}
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 200, size: 'max' }), (steps) => {
      const model = new Model()
      for (const one of steps) model.run(one)
      model.finish()
      for (const [name, value] of Object.entries(model.lab.counters)) counted[name] = (counted[name] ?? 0) + value
    }),
    { numRuns: 50 },
  )
  // that the steps do reach what they are meant to reach
  for (const name of [
    'send_packets_sent',
    'send_packets_dropped',
    'tom_unforwardable_frames',
    'tom_queue_full_frames',
    'tom_queue_full_messages',
    'tom_queue_lost_frames',
    'tom_write_timeouts',
    'tom_ping_timeouts',
    'tom_endpoint_gone',
    'tom_duplicates_denied',
    'clients_inactive_removed',
  ]) {
    expect(`${name}: ${(counted[name] ?? 0) > 0}`).toBe(`${name}: true`)
  }
})
