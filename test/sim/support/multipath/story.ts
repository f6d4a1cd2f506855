/** A story: what happens between two nodes, told by a test, and a good end. */
import { expect } from 'vitest'
import type { Pair } from './pair.ts'
import { type MultipathOptions, MultipathSimulation } from './simulation.ts'

/** Connects over the first way, lets `happen` happen, closes, and expects that nothing was wrong and nothing is left. */
export function tell(options: MultipathOptions, happen: (sim: MultipathSimulation, pair: Pair) => void): void {
  const sim = new MultipathSimulation(options)
  happen(sim, sim.connect())
  expect(sim.finish(), options.name).toEqual([])
}

export const SEEDS = [1, 2, 3] as const
