/** Messages to nodes of the Rust stack, which refuse what comes too fast: `core/pace.ts`. */
import { expect, test } from 'vitest'
import { encodePeerAnnounce } from '../../../src/envelope/wire/body-codec.ts'
import { decodeEnvelope } from '../../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { type CoreNode, CoreSwarm } from './support/swarm.ts'

const keys = new KnownKeys()

/** Alice, and a node that signs no announcement until it `speaks`; she has heard its unsigned one. */
function strangers(reads = true): [CoreSwarm, CoreNode, CoreNode, speaks: () => void] {
  const core = new CoreSwarm('pace')
  const alice = core.node('alice')
  const rust = core.node('rust', { reads })
  const { broadcast, tellNeighbors } = rust
  rust.broadcast = () => {}
  rust.tellNeighbors = () => {}
  core.run(100)
  hint(core, alice, rust)
  const speaks = (): void => {
    Object.assign(rust, { broadcast, tellNeighbors })
    rust.act((messenger) => messenger.addrChanged(core.now))
  }
  return [core, alice, rust, speaks]
}

function hint(core: CoreSwarm, alice: CoreNode, rust: CoreNode): void {
  const announce = { peer: rust.key, name: 'rust', roles: ['Peer' as const], timestamp: core.wall }
  alice.act((messenger) => messenger.gossip(encodePeerAnnounce(announce), rust.key, core.now))
}

/** Ids of the messages that went from Alice. */
function chats(core: CoreSwarm): string[] {
  return core.frames
    .filter(({ from }) => from === 'alice')
    .map(({ frame }) => decodeEnvelope(frame, keys))
    .filter(({ type }) => type === 'Chat')
    .map(({ id }) => id)
}

test('spec/envelope.md §5.2: of 60 messages 18 go at once and nine each second, in their order, none twice', () => {
  const [core, alice, rust] = strangers()
  const sent = Array.from({ length: 60 }, (_, index) => alice.send(rust, `${index}`))
  core.run(50)
  expect(chats(core)).toEqual(sent.slice(0, 18))
  for (let second = 1; second <= 4; second++) {
    core.run(1_000)
    expect(chats(core).length).toBeGreaterThanOrEqual(18 + 9 * second - 1)
    expect(chats(core).length).toBeLessThanOrEqual(18 + 9 * second + 1)
  }
  core.run(2_000)
  expect(chats(core)).toEqual(sent)
  expect(rust.texts).toEqual(sent.map((_, index) => `${index}`))
  expect(sent.every((id) => alice.statesOf(id).at(-1) === 'delivered')).toBe(true)
})

test('those that wait longer than a retransmission takes are not sent twice for it', () => {
  const [core, alice, rust] = strangers()
  let unanswered = 0
  // a connection over which nothing is answered would be given up
  alice.unanswered = () => unanswered++
  const sent = Array.from({ length: 700 }, (_, index) => alice.send(rust, `${index}`))
  for (let second = 0; second < 80; second++) {
    core.run(1_000)
    hint(core, alice, rust)
  }
  expect(chats(core)).toEqual(sent)
  expect(alice.messenger.metrics()).toMatchObject({ delivered: 700, failed: 0 })
  expect(unanswered).toBe(0)
})

test('nodes of ours take what comes, and keep order at their end', () => {
  const core = new CoreSwarm('pace')
  const [alice, bob] = [core.node('alice'), core.node('bob')]
  core.run(2_000)
  // beside its signed one
  expect(alice.messenger.peer(bob.key)).toMatchObject({ isOurs: true })
  const sent = Array.from({ length: 60 }, (_, index) => alice.send(bob, `${index}`))
  core.run(50)
  expect(chats(core)).toEqual(sent)
})

test('once it signs what it says it is one of ours, and the others follow', () => {
  const [core, alice, rust, speaks] = strangers()
  const sent = Array.from({ length: 60 }, (_, index) => alice.send(rust, `${index}`))
  core.run(500)
  expect(chats(core).length).toBeLessThan(30)
  speaks()
  core.run(1_600)
  expect(chats(core)).toEqual(sent)
})

test('the round of one that went earlier than its turn counts from then', () => {
  const [core, alice, rust, speaks] = strangers(false)
  const sent = Array.from({ length: 60 }, (_, index) => alice.send(rust, `${index}`))
  core.run(500)
  speaks()
  core.run(1_600)
  expect(chats(core)).toHaveLength(60)
  // nobody reads, so nothing is acknowledged, and each goes once more after 30 s
  core.run(32_000)
  expect(chats(core).toSorted()).toEqual([...sent, ...sent].toSorted())
})

test('a machine that slept meanwhile sends none twice for it', () => {
  const [core, alice, rust] = strangers()
  let unanswered = 0
  alice.unanswered = () => unanswered++
  const sent = Array.from({ length: 40 }, (_, index) => alice.send(rust, `${index}`))
  core.run(100)
  core.now += 60_000
  core.run(4_000)
  expect(chats(core)).toEqual(sent)
  expect(unanswered).toBe(0)
})

test('what is acknowledged while it waits is not sent', () => {
  const [core, alice, rust] = strangers()
  const sent = Array.from({ length: 40 }, (_, index) => alice.send(rust, `${index}`))
  core.run(50)
  const last = sent.at(-1)!
  // as if a holder had brought it
  const { wire } = alice.disk.flatMap((record) =>
    record.kind === 'keep' && record.message.id === last ? [record.message] : [],
  )[0]!
  rust.act((messenger) => messenger.receive(wire, alice.key, core.now))
  core.run(5_000)
  expect(chats(core)).toEqual(sent.slice(0, -1))
  expect(rust.texts.sort()).toEqual(sent.map((_, index) => `${index}`).sort())
  expect(alice.messenger.peer(rust.key)!.liveness).toBe('online')
})

test('what is acknowledged while the courier waits with it does not end his round', () => {
  const [core, alice, rust] = strangers()
  rust.crash()
  const sent = Array.from({ length: 40 }, (_, index) => alice.send(rust, `${index}`))
  core.run(30_000)
  rust.restart()
  hint(core, alice, rust)
  core.run(1_000)
  core.frames.length = 0
  const wireOf = new Map(
    alice.disk.flatMap((record) => (record.kind === 'keep' ? [[record.message.id, record.message.wire] as const] : [])),
  )
  const missing = sent.filter((id) => alice.statesOf(id).at(-1) !== 'delivered')
  expect(missing.length).toBeGreaterThan(12)
  // somebody else brings him the next
  for (const id of missing.slice(0, 8)) rust.act((messenger) => messenger.receive(wireOf.get(id)!, alice.key, core.now))
  core.run(6_000)
  expect(rust.texts.map(Number).sort((a, b) => a - b)).toEqual(sent.map((_, index) => index))
})

test('what waits for its turn when its recipient goes comes when it is back', () => {
  const [core, alice, rust] = strangers()
  const sent = Array.from({ length: 40 }, (_, index) => alice.send(rust, `${index}`))
  core.run(500)
  rust.crash()
  core.run(30_000)
  rust.restart()
  for (let second = 0; second < 60; second++) {
    core.run(1_000)
    hint(core, alice, rust)
  }
  expect(rust.texts.map(Number).sort((a, b) => a - b)).toEqual(sent.map((_, index) => index))
  expect(alice.messenger.metrics()).toMatchObject({ delivered: 40 })
})
