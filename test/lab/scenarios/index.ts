/** All scenarios of the lab, in the order of their tables. */
import type { Scenario } from '../result.ts'
import { changeScenarios, switchScenarios } from './changes.ts'
import { calmScenarios, degradedScenarios } from './degraded.ts'
import { limitScenarios } from './limits.ts'
import { natScenarios } from './nat.ts'
import { wallScenarios } from './walls.ts'

export const SCENARIOS: readonly Scenario[] = [
  ...natScenarios,
  ...wallScenarios,
  ...degradedScenarios,
  ...calmScenarios,
  ...changeScenarios,
  ...switchScenarios,
  ...limitScenarios,
]
