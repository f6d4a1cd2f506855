import { test } from 'vitest'
import { MULTIPATH_REGRESSIONS, NAT_REGRESSIONS, REGRESSIONS } from './regressions.ts'
import { expectGoodTravels } from './support/nat/expect.ts'
import { scenarioOf } from './support/scenario.ts'
import { expectGoodEnd, expectGoodInteraction, replayCommand } from './support/suite.ts'

test.each(REGRESSIONS)('seed $seed: $broke', ({ seed }) => {
  expectGoodEnd(scenarioOf('small', seed), replayCommand('small', seed))
})

test.each(MULTIPATH_REGRESSIONS)('seed multipath:$seed: $broke', ({ seed }) => expectGoodInteraction(seed))

test.each(NAT_REGRESSIONS)('seed nat:$seed: $broke', ({ seed }) => expectGoodTravels(seed))
