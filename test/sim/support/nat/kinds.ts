/** NATs and lines by the names they have in the project: those of the laboratory's matrix and the ladder of degraded links. */
import { type LineShape, line, type WayShape } from './access-link.ts'
import type { NatBehaviour } from './nat-table.ts'

/** spec/disco-stun-nat.md §8.2, by what they do. */
export const FULL_CONE: NatBehaviour = { mapping: 'EIM', filtering: 'EIF', ports: 'preserved' }
export const RESTRICTED: NatBehaviour = { mapping: 'EIM', filtering: 'ADF', ports: 'preserved' }
export const MASQUERADE: NatBehaviour = { mapping: 'EIM', filtering: 'APDF', ports: 'preserved' }
export const BY_ADDRESS: NatBehaviour = { mapping: 'ADM', filtering: 'APDF' }
export const SYMMETRIC: NatBehaviour = { mapping: 'APDM', filtering: 'APDF' }

/** The matrix's four; `none`: a public address. */
export const KINDS = { none: undefined, open: FULL_CONE, moderate: MASQUERADE, strict: SYMMETRIC } as const
export type Kind = keyof typeof KINDS
export const KIND_NAMES = Object.keys(KINDS) as Kind[]

/** spec/endpoint.md §3.6, for boxes in a row on each side: without luck a side with a hard mapping needs another that lets an unknown port in. */
export function isDirectPossible(left: readonly NatBehaviour[], right: readonly NatBehaviour[]): boolean {
  const isHard = (boxes: readonly NatBehaviour[]): boolean => boxes.some(({ mapping }) => mapping !== 'EIM')
  const letsIn = (boxes: readonly NatBehaviour[]): boolean => boxes.every(({ filtering }) => filtering !== 'APDF')
  if (isHard(left)) return !isHard(right) && letsIn(right)
  return !isHard(right) || letsIn(left)
}

/** The boxes of a kind. */
export function boxesOf(kind: Kind): NatBehaviour[] {
  const behaviour = KINDS[kind]
  return behaviour === undefined ? [] : [behaviour]
}

const MBIT = 125

function grade(mbit: number, roundTripMs: number, jitterMs: number, loss: number, burst: number): WayShape {
  return { rate: mbit * MBIT, delayMs: roundTripMs / 2, jitterMs, loss, burst }
}

/** Degraded links, one side: from good Wi-Fi to a satellite. */
export const LADDER: readonly LineShape[] = [
  line(grade(100, 16, 2, 0.001, 1)),
  line(grade(25, 40, 12, 0.01, 6)),
  line(grade(8, 90, 15, 0.02, 8)),
  line(grade(3, 200, 30, 0.03, 10)),
  line(grade(1.5, 300, 40, 0.05, 12)),
  line(grade(0.8, 450, 60, 0.08, 20)),
  line(grade(25, 600, 40, 0.015, 6)),
]
