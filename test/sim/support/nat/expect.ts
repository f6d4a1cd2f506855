/** Lets a seed of accidents behind NATs run, and fails with all that was done and what was wrong. */
import { expect } from 'vitest'
import { replayCommand } from '../suite.ts'
import { interactOverNats } from './interaction.ts'

export async function expectGoodTravels(seed: number): Promise<void> {
  const { deeds, violations } = await interactOverNats(seed)
  if (violations.length > 0) expect.fail([...deeds, ...violations, `again: ${replayCommand('nat', seed)}`].join('\n'))
}
