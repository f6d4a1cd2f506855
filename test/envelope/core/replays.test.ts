import { expect, test } from 'vitest'
import { Liar, swarm } from '../locks-support.ts'

test('W12: whoever repeats what another wrote does not silence him', () => {
  const [core, [alice, bob]] = swarm('alice', 'bob')
  alice.send(bob, 'first')
  core.run(1_000)
  const { frame } = core.frames.find(({ from, to }) => from === 'alice' && to === 'bob')!
  const mallory = new Liar('mallory').key
  for (let turn = 0; turn < 30; turn++) {
    for (let count = 0; count < 40; count++) bob.act((messenger) => messenger.receive(frame, mallory, core.now))
    core.run(100)
  }
  const id = alice.send(bob, 'second')
  core.run(1_000)
  expect(bob.texts).toEqual(['first', 'second'])
  expect(alice.statesOf(id).at(-1)).toBe('delivered')
})

test('W12: nor with one that still waits for its turn', () => {
  const [core, [alice, bob]] = swarm('alice', 'bob')
  for (let count = 0; count < 30; count++) alice.send(bob, `${count}`)
  core.run(50)
  const frames = core.frames.filter(({ from, to }) => from === 'alice' && to === 'bob').map(({ frame }) => frame)
  const mallory = new Liar('mallory').key
  for (let count = 0; count < 600; count++) bob.act((messenger) => messenger.receive(frames.at(-1)!, mallory, core.now))
  alice.send(bob, 'last')
  core.run(3_000)
  expect(bob.texts.length).toBe(31)
  expect(bob.messenger.metrics().refused).toEqual({})
})
