/**
 * What a stream id says: who opened the stream, and which way data flows. It owns no state; limits and existence are
 * the business of `streams.ts`. RFC 9000 §2.1.
 */
import type { Role } from '../level.ts'

/** Index into per-kind arrays: bidirectional streams first. */
export const StreamKind = { Bidirectional: 0, Unidirectional: 1 } as const
export type StreamKind = (typeof StreamKind)[keyof typeof StreamKind]

/** The id of the `index`-th stream (from 0) of a kind. */
export function makeStreamId(opener: Role, kind: StreamKind, index: number): number {
  return index * 4 + kind * 2 + (opener === 'server' ? 1 : 0)
}

/** The side that opened the stream. */
export function openerOf(id: number): Role {
  return (id & 1) === 0 ? 'client' : 'server'
}

export function kindOf(id: number): StreamKind {
  return (id & 2) === 0 ? StreamKind.Bidirectional : StreamKind.Unidirectional
}

export function isBidirectional(id: number): boolean {
  return (id & 2) === 0
}

/** How many streams of the same opener and kind come before it. */
export function streamIndex(id: number): number {
  return Math.floor(id / 4)
}
