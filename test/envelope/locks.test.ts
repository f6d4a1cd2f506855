/**
 * The locked decisions 1, 2, 4, 5 and 7 of ToM (spec/envelope.md §4.6), one rule a test, over whole messengers where that is possible. What they mean for one machine alone is tested
 * beside it; the others are `locks-outside.test.ts`'s.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Journal } from '../../src/envelope/backup/journal.ts'
import { Mailbox } from '../../src/envelope/backup/mailbox.ts'
import { PeerTable } from '../../src/envelope/peers/peer-table.ts'
import { SenderBudgets } from '../../src/envelope/routing/sender-budget.ts'
import { encodeAck, encodeBackupReplica, encodeIdList, encodeReadReceipt } from '../../src/envelope/wire/body-codec.ts'
import { CLOCK_SKEW_MS, LIFETIME_MS } from '../../src/envelope/wire/envelope.ts'
import type { MessageType } from '../../src/envelope/wire/message-type.ts'
import { FACTOR } from '../fuzz/support/budget.ts'
import { FaultyFolder } from '../sim/support/faulty-folder.ts'
import { SimRandom } from '../sim/support/random.ts'
import { type CoreNode, WALL } from './core/support/swarm.ts'
import { copiesAt, Liar, swarm } from './locks-support.ts'

const HOUR_MS = 3_600_000
const MINUTE_MS = 60_000

describe('lock 1: the final recipient’s ack, and nothing else, means delivered', () => {
  /** Alice writes to Bob over Carol; Bob has it, and his application does not take it. */
  const untaken = () => {
    const [core, [alice, carol, eve]] = swarm('alice', 'carol', 'eve')
    const bob = core.node('bob', { reads: false })
    core.run(2_000)
    const id = alice.send(bob, 'hello', { via: [carol.key] })
    core.run(1_000)
    return { core, alice, bob, carol, eve, id }
  }

  test('L1a: the transport took it, a hop passed it on, it reached his node, all deadlines passed: not delivered', () => {
    const { core, alice, bob, id } = untaken()
    expect(bob.messenger.metrics().waiting).toBe(1)
    core.run(2 * MINUTE_MS)
    expect(alice.statesOf(id)).toContain('relayed')
    expect(alice.statesOf(id).at(-1)).toBe('failed')
    expect(alice.statesOf(id)).not.toContain('delivered')
    expect(alice.messenger.metrics()).toMatchObject({ delivered: 0, stored: 1 })
  })

  test('L1b: his ack always does it, also after failed', () => {
    const { core, alice, bob, id } = untaken()
    core.run(2 * MINUTE_MS)
    bob.act(() => bob.read())
    core.run(1_000)
    expect(alice.statesOf(id).slice(-2)).toEqual(['failed', 'delivered'])
  })

  test('L1c: an ack of any other key changes nothing', () => {
    const { core, alice, bob, carol, eve, id } = untaken()
    const liar = new Liar('mallory')
    const before = alice.statesOf(id)
    const { refused } = alice.messenger.metrics()
    const says: readonly (readonly [MessageType, Uint8Array])[] = [
      ['Ack', encodeAck({ originalId: id, kind: 'RecipientReceived' })],
      ['Ack', encodeAck({ originalId: id, kind: 'RelayForwarded' })],
      ['ReadReceipt', encodeReadReceipt({ originalId: id, readAt: core.wall })],
      ['BackupConfirmDelivery', encodeIdList([id])],
    ]
    let lies = 0
    for (const [type, payload] of says) {
      const frames = [liar.seal(alice.key, type, payload, core.wall)]
      for (const name of [bob, carol, eve, alice]) {
        frames.push(liar.forge(name.key, alice.key, type, payload, core.wall))
        frames.push(liar.unsigned(name.key, alice.key, type, payload, core.wall))
      }
      // whoever brings it, and by gossip too
      for (const frame of frames) {
        for (const link of [bob.key, carol.key, liar.key])
          alice.act((messenger) => messenger.receive(frame, link, core.now))
        alice.act((messenger) => messenger.gossip(frame, carol.key, core.now))
        lies++
      }
    }
    core.run(1_000)
    expect(lies).toBe(36)
    expect(alice.statesOf(id)).toEqual(before)
    expect(alice.messenger.metrics()).toMatchObject({ delivered: 0, stored: 1 })
    const after = alice.messenger.metrics().refused
    expect(after.BAD_SIGNATURE! - (refused.BAD_SIGNATURE ?? 0)).toBeGreaterThanOrEqual(48)
    expect(after.UNSIGNED! - (refused.UNSIGNED ?? 0)).toBeGreaterThanOrEqual(48)
    // and the word of the one who may say it still counts
    bob.act(() => bob.read())
    core.run(1_000)
    expect(alice.statesOf(id).at(-1)).toBe('delivered')
  })

  test('L1d: after the ack every copy is gone within a tick, at its author, at all holders, on their disks', () => {
    const [core, [alice, bob, carol, dave]] = swarm('alice', 'bob', 'carol', 'dave')
    bob.crash()
    core.run(1_000)
    const id = alice.send(bob, 'for later')
    core.run(30_000)
    expect([alice, carol, dave].map(copiesAt)).toEqual([2, 2, 2])
    bob.restart()
    core.runUntil(() => alice.statesOf(id).at(-1) === 'delivered', 60_000)
    core.run(2_000)
    expect([alice, bob, carol, dave].map(copiesAt)).toEqual([0, 0, 0, 0])
    expect(bob.texts).toEqual(['for later'])
  })
})

describe('lock 2: nothing outlives 24 h', () => {
  test('L2a: a day and a cleanup later everything is empty, and nothing comes back from the disk', () => {
    const [core, [alice, bob, carol, dave]] = swarm('alice', 'bob', 'carol', 'dave')
    const early = alice.send(carol, 'read at once')
    core.run(1_000)
    expect(alice.statesOf(early).at(-1)).toBe('delivered')
    bob.crash()
    core.run(1_000)
    const id = alice.send(bob, 'too late')
    core.run(30_000)
    expect([alice, carol, dave].map(copiesAt)).toEqual([2, 2, 2])
    core.now += LIFETIME_MS
    core.run(5 * MINUTE_MS)
    expect([alice, carol, dave].map(copiesAt)).toEqual([0, 0, 0])
    expect(alice.messenger.metrics().pending).toBe(0)
    expect(alice.statesOf(id).at(-1)).toBe('failed')
    for (const node of [alice, carol, dave]) {
      node.crash()
      node.restart()
    }
    bob.restart()
    core.run(30_000)
    expect(bob.taken).toEqual([])
    expect([alice, carol, dave].map(copiesAt)).toEqual([0, 0, 0])
  })

  test('L2a: a journal that nobody opened for a day gives nothing back', async () => {
    const folder = new FaultyFolder()
    const options = { onError: (error: unknown) => expect.fail(String(error)) }
    const { journal } = await Journal.open(folder, { ...options, wall: WALL })
    const message = {
      id: 'm',
      from: 'a'.repeat(64),
      to: 'b'.repeat(64),
      wire: Uint8Array.of(1),
      expiresAt: WALL + LIFETIME_MS,
      holders: [],
    }
    await journal.append({ kind: 'keep', message })
    await journal.append({ kind: 'delivered', id: 'd', from: message.to, timestamp: WALL })
    await journal.close()
    const openAt = async (wall: number) => {
      const opened = await Journal.open(folder, { ...options, wall })
      await opened.journal.close()
      return [opened.restored.messages.length, opened.restored.delivered.length]
    }
    expect(await openAt(WALL + LIFETIME_MS - 1_000)).toEqual([1, 1])
    // what was delivered is remembered for as long as it would be accepted
    expect(await openAt(WALL + LIFETIME_MS)).toEqual([0, 1])
    expect(await openAt(WALL + LIFETIME_MS + 2 * CLOCK_SKEW_MS)).toEqual([0, 0])
  })

  test('L2b: no argument and no repetition keeps a message beyond its day', () => {
    const time = fc.integer({ min: -30 * HOUR_MS, max: 1_000 * HOUR_MS })
    const put = fc.record({
      id: fc.constantFrom('a', 'b', 'c'),
      madeAt: time,
      expiresAt: time,
      pauseMs: fc.nat(6 * HOUR_MS),
    })
    fc.assert(
      fc.property(fc.array(put, { minLength: 1, maxLength: 40 }), (puts) => {
        const mailbox = new Mailbox('0'.repeat(64))
        const madeAt = new Map<string, number>()
        let wall = WALL
        for (const { id, madeAt: offset, expiresAt, pauseMs } of puts) {
          wall += pauseMs
          mailbox.expire(wall)
          // an envelope has one timestamp, for it is signed
          const made = madeAt.get(id) ?? wall + offset
          madeAt.set(id, made)
          const message = {
            id,
            from: 'a'.repeat(64),
            to: 'b'.repeat(64),
            wire: Uint8Array.of(1),
            expiresAt: wall + expiresAt,
            holders: [],
          }
          mailbox.put(message, made, wall)
          for (const kept of mailbox.forRecipient(message.to)) {
            expect(kept.expiresAt).toBeLessThanOrEqual(madeAt.get(kept.id)! + LIFETIME_MS)
            expect(kept.expiresAt).toBeGreaterThan(wall)
          }
        }
        mailbox.expire(Math.max(wall, ...madeAt.values()) + LIFETIME_MS)
        expect(mailbox.size).toBe(0)
      }),
      { numRuns: 200 * FACTOR },
    )
  })

  test('L2b: a holder is asked again and again to keep a message for a month: it goes when its day is over', () => {
    const [core, [carol]] = swarm('carol')
    const liar = new Liar('alice')
    const to = new Liar('bob').key
    const made = core.wall
    const wire = liar.seal(to, 'Chat', Uint8Array.of(1), made)
    const id = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(new TextDecoder('latin1').decode(wire))![0]
    for (let hour = 0; hour < 27; hour++) {
      const replica = { id, wire, to, from: liar.key, expiresAt: made + 720 * HOUR_MS, viability: 100, holders: [] }
      const frame = liar.seal(carol.key, 'BackupReplicate', encodeBackupReplica(replica), core.wall)
      carol.act((messenger) => messenger.receive(frame, liar.key, core.now))
      core.run(1_000)
      expect(copiesAt(carol)).toBe(hour < 24 ? 2 : 0)
      core.now += HOUR_MS - 1_000
      core.run(0)
    }
  })

  test('L2c: a message older than 24 h is dropped, and not acknowledged', () => {
    const [core, [bob]] = swarm('bob')
    const liar = new Liar('alice')
    const bring = (ageMs: number) => {
      const frame = liar.seal(bob.key, 'Chat', Uint8Array.of(1), core.wall - ageMs)
      bob.act((messenger) => messenger.receive(frame, liar.key, core.now))
      core.run(100)
      return [
        bob.taken.length,
        bob.messenger.metrics().acknowledgementsSent,
        bob.messenger.metrics().refused.EXPIRED ?? 0,
      ]
    }
    expect(bring(LIFETIME_MS + 1)).toEqual([0, 0, 1])
    expect(bring(LIFETIME_MS)).toEqual([1, 1, 1])
  })
})

describe('lock 4: reputation decays; nobody is banned for good', () => {
  const SELF = '0'.repeat(64)
  const HOP = '1'.repeat(64)
  const table = () => new PeerTable({ self: SELF, random: new SimRandom('lock 4') })

  test('L4a: a score once earned only ever becomes smaller with time, smoothly, and never nothing', () => {
    const peers = table()
    for (let count = 0; count < 5; count++) peers.forwardedBy(HOP, 1_000, 0)
    const scores = Array.from({ length: 365 }, (_, day) => peers.score(HOP, day * 24 * HOUR_MS))
    for (let day = 1; day < 365; day++) {
      expect(scores[day]).toBeLessThan(scores[day - 1]!)
      expect(scores[day]).toBeGreaterThan(0)
    }
    // 5 % an hour
    expect(peers.score(HOP, HOUR_MS) / peers.score(HOP, 0)).toBeCloseTo(Math.exp(-0.05))
    const step = peers.score(HOP, 10 * HOUR_MS) - peers.score(HOP, 10 * HOUR_MS + 1_000)
    expect(step).toBeGreaterThan(0)
    expect(step).toBeLessThan(0.001)
  })

  test('L4b: who has the worst history is chosen again after enough good forwards', () => {
    const peers = table()
    const others = Array.from({ length: 5 }, (_, index) => String(index + 2).repeat(64))
    for (const peer of [HOP, ...others]) peers.connected(peer, 0)
    const share = (now: number) => {
      let count = 0
      for (let turn = 0; turn < 600; turn++) if (peers.chooseHop([], now) === HOP) count++
      return count / 600
    }
    for (const peer of others) for (let count = 0; count < 20; count++) peers.forwardedBy(peer, 1_000, 0)
    for (let count = 0; count < 200; count++) peers.failedVia(HOP, 0)
    const worst = share(0)
    for (let count = 0; count < 600; count++) peers.forwardedBy(HOP, 1_000, 1_000)
    const better = share(1_000)
    expect(worst).toBeLessThan(0.1)
    expect(better).toBeGreaterThan(0.1)
    expect(better).toBeGreaterThan(worst)
  })

  test('L4c: going offline, or being forgotten, does not erase what was measured', () => {
    const peers = table()
    peers.connected(HOP, 0)
    for (let count = 0; count < 5; count++) peers.forwardedBy(HOP, 1_000, 0)
    peers.disconnected(HOP, 0)
    let now = 0
    const seen: string[] = []
    while (peers.get(HOP) !== undefined && now < HOUR_MS) {
      now = Math.max(now + 1, peers.deadline())
      for (const { liveness } of peers.tick(now)) seen.push(liveness)
    }
    expect(seen).toEqual(expect.arrayContaining(['offline', 'forgotten']))
    expect(peers.score(HOP, HOUR_MS)).toBeGreaterThan(5)
  })
})

describe('lock 5: abuse meets growing friction, never a block', () => {
  test('L5a, L5b: from 10 to 50 messages a second, more for a better score', () => {
    const budgets = new SenderBudgets()
    let before = 0
    for (const score of [Number.NEGATIVE_INFINITY, -1, 0, 0.1, 1, 5, 10, 50, 1_000, 1e300, Number.POSITIVE_INFINITY]) {
      const rate = budgets.rateFor(score)
      expect(rate).toBeGreaterThanOrEqual(Math.max(10, before))
      expect(rate).toBeLessThanOrEqual(50)
      before = rate
    }
  })

  test('L5c: when a flood stops, one passes within 100 ms; and nobody else noticed it', () => {
    const [core, [bob, alice]] = swarm('bob', 'alice')
    const liar = new Liar('eve')
    const flood = (count: number) => {
      for (let index = 0; index < count; index++) {
        const frame = liar.seal(bob.key, 'Chat', Uint8Array.of(7), core.wall)
        bob.act((messenger) => messenger.receive(frame, liar.key, core.now))
      }
    }
    flood(600)
    alice.send(bob, 'me too')
    core.run(50)
    expect(bob.texts).toContain('me too')
    const { refused } = bob.messenger.metrics()
    expect(refused.SENDER_FLOOD).toBeGreaterThan(0)
    // what was held back comes, ten a second; then there is room at once
    core.run(60_000)
    const taken = bob.taken.length
    expect(taken).toBeGreaterThan(200)
    flood(40)
    core.run(1)
    expect(bob.taken.length).toBe(taken + 20)
    core.run(150)
    expect(bob.taken.length).toBeGreaterThan(taken + 20)
  })

  test('L5d: sending through others raises their score, never one’s own', () => {
    const [core, [eve, carol, bob]] = swarm('eve', 'carol', 'bob')
    for (let index = 0; index < 40; index++) {
      eve.send(bob, `${index}`, { via: [carol.key] })
      core.run(200)
    }
    core.run(2 * MINUTE_MS)
    expect(bob.texts.length).toBe(40)
    expect(carol.messenger.metrics().forwarded).toBeGreaterThanOrEqual(40)
    // the role follows the score, at the node itself and in the eyes of the others
    const roleOf = (of: CoreNode, seenBy: CoreNode) => seenBy.messenger.peer(of.key)!.role
    expect([roleOf(eve, carol), roleOf(eve, bob), roleOf(carol, eve), roleOf(carol, bob)]).toEqual([
      'Peer',
      'Peer',
      'Relay',
      'Relay',
    ])
  })
})

describe('lock 7: a layer for any application, not a product', () => {
  test('L7a: any bytes are delivered unchanged', () => {
    const [core, [alice, bob]] = swarm('alice', 'bob')
    const check = (bytes: Uint8Array, isClear: boolean) => {
      core.now += 1_000
      const before = Uint8Array.from(bytes)
      alice.act((messenger) => messenger.send(bob.key, bytes, { isClear }, core.now))
      core.runUntil(() => bob.taken.length > 0, 5_000)
      const [taken] = bob.taken.splice(0)
      expect(Buffer.compare(taken!.bytes, before)).toBe(0)
      expect(taken!.isEncrypted).toBe(!isClear)
    }
    const samples = [
      new Uint8Array(),
      Uint8Array.from({ length: 256 }, (_, index) => index),
      new Uint8Array(100_000).fill(0xff),
      new TextEncoder().encode('{"type":"Ack","payload":[]}'),
      encodeAck({ originalId: 'x', kind: 'RecipientReceived' }),
      Uint8Array.of(0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80),
    ]
    for (const sample of samples) for (const isClear of [false, true]) check(sample, isClear)
    fc.assert(fc.property(fc.uint8Array({ maxLength: 3_000, size: 'max' }), fc.boolean(), check), {
      numRuns: 30 * FACTOR,
    })
  })
})
