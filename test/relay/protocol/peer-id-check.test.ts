import { afterEach, describe, expect, test, vi } from 'vitest'
import { EndpointId, SecretKey } from '../../../src/identity/index.ts'
import { PeerIdCheck } from '../../../src/relay/index.ts'
import { hex } from '../../crypto/hex.ts'
import { CLIENT_ID, NO_POINT, PEER_ID, reasonOf } from './support.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

/** Many ids: some must share a place in the memory of 128. */
const IDS = Array.from({ length: 200 }, (_, i) => SecretKey.fromBytes(new Uint8Array(32).fill(i)).id.toBytes())

describe('spec/relay.md §3.1: ids are points of the curve', () => {
  test('the id may stand anywhere in a message, and nothing else is looked at', () => {
    const checker = new PeerIdCheck()
    expect(() => checker.check(hex(`0202${PEER_ID}02`), 2)).not.toThrow()
    expect(reasonOf(() => checker.check(hex(`8a88${NO_POINT}02`), 2))).toBe(
      'an endpoint id that is no point of the curve',
    )
  })

  test('an id that was refused stays refused, also where it differs from a good one in its last byte', () => {
    const checker = new PeerIdCheck()
    for (let round = 0; round < 3; round++) {
      checker.check(hex(CLIENT_ID), 0)
      checker.check(hex(PEER_ID), 0)
      expect(reasonOf(() => checker.check(hex(NO_POINT), 0))).toContain('no point')
      expect(reasonOf(() => checker.check(hex(`${PEER_ID.slice(0, 62)}95`), 0))).toContain('no point')
    }
  })

  test('an id that stays too short in the message is no id', () => {
    expect(reasonOf(() => new PeerIdCheck().check(hex(PEER_ID.slice(2)), 0))).toContain('no point')
  })

  test('all zeros, a point of small order, are taken as iroh takes them', () => {
    expect(EndpointId.fromBytes(new Uint8Array(32)).toString()).toBe('00'.repeat(32))
    expect(() => new PeerIdCheck().check(new Uint8Array(32), 0)).not.toThrow()
  })

  test('the curve is asked once for an id, unless another took its place', () => {
    const asked = vi.spyOn(EndpointId, 'fromBytes')
    const checker = new PeerIdCheck()
    for (let round = 0; round < 100; round++) {
      checker.check(hex(CLIENT_ID), 0)
      checker.check(hex(PEER_ID), 0)
    }
    expect(asked).toHaveBeenCalledTimes(2)
    for (const id of [...IDS, ...IDS]) checker.check(id, 0)
    expect(asked.mock.calls.length).toBeGreaterThan(IDS.length)
    expect(asked.mock.calls.length).toBeLessThan(2 * IDS.length)
  })
})
