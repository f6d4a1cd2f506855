import { expect, test } from 'vitest'
import { decodeReadReceipt } from '../../../src/envelope/wire/body-codec.ts'
import { decodeEnvelope } from '../../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../../src/envelope/wire/known-keys.ts'
import { swarm } from '../locks-support.ts'

const typeOf = (frame: Uint8Array): string => decodeEnvelope(frame, new KnownKeys()).type

test('lock 1: neither an ack nor a read receipt, nor the ack of a copy, goes out before it is on the disk that the application has had the message', () => {
  const [core, [alice, bob]] = swarm('alice', 'bob')
  bob.reads = false
  const id = alice.send(bob, 'on a slow disk')
  core.run(1_000)
  const written: ((isDurable: boolean) => void)[] = []
  bob.persist = (_, done) => {
    written.push(done)
  }
  bob.read()
  bob.act((messenger) => messenger.markRead(id, alice.key, core.now))
  const readAt = core.wall
  core.run(10_000)
  const copy = core.frames.find(({ from, frame }) => from === 'alice' && typeOf(frame) === 'Chat')!.frame
  bob.act((messenger) => messenger.receive(copy, alice.key, core.now))
  core.run(10_000)
  expect(alice.statesOf(id)).toEqual(['sent'])
  expect(bob.texts).toEqual(['on a slow disk'])
  bob.act(() => written[0]!(true))
  core.run(1_000)
  expect(alice.statesOf(id)).toEqual(['sent', 'delivered', 'read'])
  const receipt = core.frames.findLast(({ from, frame }) => from === 'bob' && typeOf(frame) === 'ReadReceipt')!
  expect(decodeReadReceipt(decodeEnvelope(receipt.frame, new KnownKeys()).payload).readAt).toBe(readAt)
})
