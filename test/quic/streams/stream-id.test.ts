import { expect, test } from 'vitest'
import {
  isBidirectional,
  kindOf,
  makeStreamId,
  openerOf,
  StreamKind,
  streamIndex,
} from '../../../src/quic/streams/stream-id.ts'

test('RFC 9000 §2.1: the two low bits say opener and direction', () => {
  const rows = [0, 1, 2, 3, 4, 7, 4001].map((id) => [id, openerOf(id), isBidirectional(id), streamIndex(id)])
  expect(rows).toEqual([
    [0, 'client', true, 0],
    [1, 'server', true, 0],
    [2, 'client', false, 0],
    [3, 'server', false, 0],
    [4, 'client', true, 1],
    [7, 'server', false, 1],
    [4001, 'server', true, 1000],
  ])
})

test('RFC 9000 §2.1: ids are made as they are read, above 2^32 too', () => {
  for (const index of [0, 1, 77, 2 ** 31, 2 ** 40]) {
    for (const opener of ['client', 'server'] as const) {
      for (const kind of [StreamKind.Bidirectional, StreamKind.Unidirectional]) {
        const id = makeStreamId(opener, kind, index)
        expect([openerOf(id), kindOf(id), streamIndex(id)]).toEqual([opener, kind, index])
      }
    }
  }
})
