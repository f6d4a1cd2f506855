import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import type { Connection } from '../../src/quic/connection/connection.ts'
import { ConnectionIdTable, keyOf } from '../../src/quic/connection-id-table.ts'
import { StatelessReset } from '../../src/quic/stateless-reset.ts'
import { SeededRandom } from './connection/pair.ts'

const make = (seed: number) => new StatelessReset(createNodeCrypto(), new SeededRandom(seed))
const id = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

describe('resets that we send', () => {
  test('RFC 9000 §10.3.2: the token of an id is always the same, and unlike those of other ids and engines', () => {
    const resets = make(1)
    expect(resets.token(id)).toEqual(resets.token(id.slice()))
    expect(resets.token(id).length).toBe(16)
    expect(resets.token(id)).not.toEqual(resets.token(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9)))
    expect(resets.token(id)).not.toEqual(make(2).token(id))
  })

  test('RFC 9000 §10.3: looks like a short packet and ends with the token', () => {
    const resets = make(1)
    const packet = resets.answer(id, 1_200, 0)!
    expect(packet[0]! & 0xc0).toBe(0x40)
    expect(packet.slice(-16)).toEqual(resets.token(id))
    expect(resets.answer(id, 1_200, 20)!.slice(0, -16)).not.toEqual(packet.slice(0, -16))
  })

  test('RFC 9000 §10.3.3: smaller than what caused it, and never below 21 bytes', () => {
    const resets = make(1)
    for (let length = 0, now = 0; length < 80; length++, now += 20) {
      const packet = resets.answer(id, length, now)
      if (length <= 21) expect(packet).toBeUndefined()
      else expect(packet!.length).toBeLessThan(length)
    }
  })
})

describe('connection ids', () => {
  const owner = { connection: {} as Connection }

  test('RFC 9000 §5.1: ids are found whole, anywhere in a datagram, until they are retired', () => {
    const table = new ConnectionIdTable(new SeededRandom(9))
    const one = table.issue(owner, 0, 3)
    const datagram = Uint8Array.of(0, 0, ...one, 0)
    expect(table.find(datagram, 2)).toMatchObject({ owner, pathId: 0, sequence: 3 })
    for (let index = 0; index < 8; index++) {
      const other = datagram.slice()
      other[2 + index] = other[2 + index]! ^ 1
      expect(table.find(other, 2)).toBeUndefined()
    }
    table.retire(one)
    expect(table.find(datagram, 2)).toBeUndefined()
    expect(table.size).toBe(0)
  })

  test('RFC 9000 §5.1: a thousand ids are all different and all found', () => {
    const table = new ConnectionIdTable(new SeededRandom(9))
    const ids = Array.from({ length: 1_000 }, (_, sequence) => table.issue(owner, 0, sequence))
    expect(new Set(ids.map((bytes) => keyOf(bytes))).size).toBe(1_000)
    ids.forEach((bytes, sequence) => {
      expect(table.find(bytes, 0)?.sequence).toBe(sequence)
    })
  })

  test('spec/disco-stun-nat.md §2.1: no id begins as a DISCO packet goes on', () => {
    const magic = [0x53, 0xf0, 0x9f, 0x92, 0xac]
    const drawn = [
      [...magic, 1, 2, 3],
      [...magic, 4, 5, 6],
      [0x53, 0xf0, 0x9f, 0x92, 0xad, 7, 8, 9],
    ]
    const table = new ConnectionIdTable({
      fill: (out) => {
        out.fill(1)
        out.set(drawn.flat())
      },
    })
    expect([...table.issue(owner, 0, 0)]).toEqual(drawn[2])
  })

  test('RFC 9000 §10.3.1: a reset is found by its last 16 bytes, in 21 bytes or more, while its token is watched', () => {
    const table = new ConnectionIdTable(new SeededRandom(9))
    const token = new Uint8Array(16).fill(5)
    table.watchToken(token, owner)
    const memory = Uint8Array.of(...new Uint8Array(10), 0x40, 1, 2, 3, 4, ...token, 9, 9)
    expect(table.findReset(memory, 10, 31)).toBe(owner.connection)
    expect(table.findReset(memory, 11, 31)).toBeUndefined()
    expect(table.findReset(memory, 10, 32)).toBeUndefined()
    // what lies before the datagram is not the datagram's
    expect(table.findReset(memory, 26, 31)).toBeUndefined()
    table.unwatchToken(token)
    expect(table.findReset(memory, 10, 31)).toBeUndefined()
  })
})
