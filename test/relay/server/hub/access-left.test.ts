import { expect, test } from 'vitest'
import type { AccessDecision } from '../../../../src/relay/server/hub/index.ts'
import { idOf, Lab, leftovers } from './support.ts'

function watched(decide: () => AccessDecision = () => ({ allowed: true })) {
  const left: { id: Uint8Array; remoteAddress: string }[] = []
  const lab = new Lab({
    access: { allow: decide, left: ({ id, remoteAddress }) => left.push({ id: id.toBytes(), remoteAddress }) },
  })
  return { lab, left }
}

test('spec/relay.md §2.5: the access rules hear once of the end of each connection they let in', () => {
  const { lab, left } = watched()
  const [first, second, third] = [lab.connect(1), lab.connect(1), lab.connect(2)]
  expect(left).toEqual([])
  first.link.end()
  third.link.feed(new Uint8Array([0x3f]))
  second.link.end()
  second.link.end()
  expect(left).toEqual([1, 2, 1].map((number) => ({ id: idOf(number), remoteAddress: '192.0.2.1' })))
  expect(lab.counters.disconnects).toBe(3)
})

test('spec/relay.md §2.5: whoever was not let in does not leave', () => {
  const { lab, left } = watched(() => ({ allowed: false }))
  expect(lab.tryConnect(1)).toBeUndefined()
  lab.advance(20_000)
  expect(left).toEqual([])
  expect(leftovers(lab)).toEqual({})
})

test('access rules that throw then are logged, and nothing else happens', () => {
  const lab = new Lab({
    access: {
      allow: () => ({ allowed: true }),
      left: () => {
        throw new Error('a defect')
      },
    },
  })
  const client = lab.connect(1)
  client.link.end()
  expect(lab.log.filter(({ level }) => level === 'error')).toMatchObject([{ event: 'access-failed' }])
  expect(lab.hub.clientCount).toBe(0)
})
