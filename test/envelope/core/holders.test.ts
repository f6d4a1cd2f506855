import { expect, test } from 'vitest'
import { encodeBackupReplica } from '../../../src/envelope/wire/body-codec.ts'
import { LIFETIME_MS } from '../../../src/envelope/wire/envelope.ts'
import { decodeEnvelope } from '../../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { Liar, swarm } from '../locks-support.ts'

test('BAK-2: whoever asks first with a short expiry does not shorten what others ask to be kept', () => {
  const [core, [alice, bob, carol]] = swarm('alice', 'bob', 'carol')
  alice.send(bob, 'seen by the liar')
  core.run(1_000)
  const { frame } = core.frames.find(({ from, to }) => from === 'alice' && to === 'bob')!
  const { id, from, to } = decodeEnvelope(frame, new KnownKeys())
  const liar = new Liar('liar')
  const expiresAt = core.wall + 1_000
  const payload = encodeBackupReplica({ id, wire: frame, to, from, expiresAt, viability: 100, holders: [] })
  carol.act((messenger) =>
    messenger.receive(liar.seal(carol.key, 'BackupReplicate', payload, core.wall), liar.key, core.now),
  )
  core.run(100)
  const kept = carol.disk.find((record) => record.kind === 'keep')
  expect(kept?.kind === 'keep' ? kept.message.expiresAt : 0).toBeGreaterThan(core.wall + LIFETIME_MS - 60_000)
})

test('BAK-1: a holder that was asked and does not say that it keeps the message is replaced', () => {
  const [core, [alice, bob, ...others]] = swarm('alice', 'bob', 'carol', 'dave', 'erin', 'frank')
  bob.crash()
  const transmit = alice.transmit.bind(alice)
  let swallowed = 0
  alice.transmit = (peer, frame, ticket) => {
    const isReplica = decodeEnvelope(frame, new KnownKeys()).type === 'BackupReplicate'
    if (!isReplica || swallowed === 2) {
      transmit(peer, frame, ticket)
      return
    }
    // the transport takes it, and it never arrives
    swallowed++
    core.after(5, () => alice.act((messenger) => messenger.transmitted(ticket, true, core.now)))
  }
  alice.send(bob, 'kept by nobody')
  core.run(130_000)
  expect(swallowed).toBe(2)
  expect(others.filter(({ disk }) => disk.some(({ kind }) => kind === 'keep')).length).toBeGreaterThanOrEqual(2)
  alice.crash()
  bob.restart()
  core.run(10_000)
  expect(bob.texts).toEqual(['kept by nobody'])
})

test('a node that was to keep a message and cannot be reached is told to be stale, as any other', () => {
  const [core, [alice, bob, carol]] = swarm('alice', 'bob', 'carol')
  bob.crash()
  const transmit = alice.transmit.bind(alice)
  // its announcements still come
  alice.transmit = (peer, frame, ticket) => {
    if (peer !== carol.key) transmit(peer, frame, ticket)
    else core.after(5, () => alice.act((messenger) => messenger.transmitted(ticket, false, core.now)))
  }
  alice.events.length = 0
  alice.send(bob, 'for carol to keep')
  core.runUntil(() => alice.messenger.peer(carol.key)!.liveness !== 'online', 8_000)
  expect(alice.messenger.peer(carol.key)!.liveness).not.toBe('online')
  const told = alice.events.filter((event) => event.kind === 'peer' && event.peer === carol.key)
  expect(told[0]).toMatchObject({ liveness: 'stale', before: 'online', name: 'carol' })
})

test('BAK-1: where there is nobody else, a holder that did not answer is asked again, but not for ever', () => {
  const [core, [alice, bob, carol]] = swarm('alice', 'bob', 'carol')
  bob.crash()
  const transmit = alice.transmit.bind(alice)
  let asked = 0
  let swallows = true
  alice.transmit = (peer, frame, ticket) => {
    const isReplica = decodeEnvelope(frame, new KnownKeys()).type === 'BackupReplicate'
    if (isReplica) asked++
    if (!isReplica || !swallows) transmit(peer, frame, ticket)
    else core.after(5, () => alice.act((messenger) => messenger.transmitted(ticket, true, core.now)))
  }
  alice.send(bob, 'kept at the second attempt')
  core.run(20_000)
  expect(asked).toBe(1)
  swallows = false
  core.run(110_000)
  expect(asked).toBe(2)
  expect(carol.disk.some(({ kind }) => kind === 'keep')).toBe(true)
  swallows = true
  asked = 0
  alice.send(bob, 'kept by nobody')
  core.run(1_200_000)
  expect(asked).toBe(8)
})

test('BAK-3: a hop that also keeps the message is told that it need not any more', () => {
  const [core, [alice, bob, carol]] = swarm('alice', 'bob', 'carol')
  bob.crash()
  core.run(60_000)
  alice.send(bob, 'by the way of whoever keeps it', { via: [carol.key] })
  core.run(60_000)
  expect(carol.messenger.metrics().stored).toBe(1)
  alice.crash()
  bob.restart()
  core.run(150_000)
  expect(bob.texts).toEqual(['by the way of whoever keeps it'])
  expect(carol.messenger.metrics().stored).toBe(0)
})

test('BAK-1: a replica whose record is not on the disk yet is not acknowledged, however often it is asked for', () => {
  const [core, [alice, bob, carol]] = swarm('alice', 'bob', 'carol')
  bob.crash()
  core.run(200)
  alice.send(bob, 'one')
  core.run(30_000)
  const isReplica = (frame: Uint8Array): boolean => decodeEnvelope(frame, new KnownKeys()).type === 'BackupReplicate'
  const replica = core.frames.find(({ to, frame }) => to === 'carol' && isReplica(frame))!.frame
  const { payload } = decodeEnvelope(replica, new KnownKeys())
  carol.crash()
  carol.disk.length = 0
  carol.restart()
  core.run(1_000)
  const liar = new Liar('asks too')
  // the disk never answers
  carol.persist = () => {}
  carol.act((messenger) => messenger.receive(replica, alice.key, core.now))
  let isThanked = false
  const transmit = carol.transmit.bind(carol)
  carol.transmit = (peer, frame, ticket) => {
    if (decodeEnvelope(frame, new KnownKeys()).type === 'BackupReplicateAck') isThanked = true
    transmit(peer, frame, ticket)
  }
  carol.act((messenger) =>
    messenger.receive(liar.seal(carol.key, 'BackupReplicate', payload, core.wall), liar.key, core.now),
  )
  core.run(1_000)
  expect(isThanked).toBe(false)
})
