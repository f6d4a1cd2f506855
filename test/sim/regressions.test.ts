import { test } from 'vitest'
import { REGRESSIONS } from './regressions.ts'
import { scenarioOf } from './support/scenario.ts'
import { expectGoodEnd, replayCommand } from './support/suite.ts'

test.each(REGRESSIONS)('seed $seed: $broke', ({ seed }) => {
  expectGoodEnd(scenarioOf('small', seed), replayCommand('small', seed))
})
