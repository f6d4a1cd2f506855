import { test } from 'vitest'
import { MULTIPATH_REGRESSIONS, REGRESSIONS } from './regressions.ts'
import { scenarioOf } from './support/scenario.ts'
import { expectGoodEnd, expectGoodInteraction, replayCommand } from './support/suite.ts'

test.each(REGRESSIONS)('seed $seed: $broke', ({ seed }) => {
  expectGoodEnd(scenarioOf('small', seed), replayCommand('small', seed))
})

test.each(MULTIPATH_REGRESSIONS)('seed multipath:$seed: $broke', ({ seed }) => expectGoodInteraction(seed))
