/** Random NATs, lines and accidents, from a seed; whatever happens, nothing that was sent is lost. */
import { test } from 'vitest'
import { expectGoodTravels } from './support/nat/expect.ts'
import { seedsOf } from './support/suite.ts'

const seeds = seedsOf('nat')
if (seeds.length === 0) test.skip('no nat seeds here', () => {})
test.each(seeds)('TOM_SIM_SEED=nat:%d', (seed) => expectGoodTravels(seed))
