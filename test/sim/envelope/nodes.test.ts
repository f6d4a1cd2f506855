/** Whole nodes to which things happen at random. `TOM_SIM_SEED=envelope-nodes:7` runs one seed, `TOM_SIM_SEEDS=1..500` others than usual. */
import { expect, test } from 'vitest'
import { NodeInteraction } from './support/node-deeds.ts'
import { seedsOf } from './support/seeds.ts'

const ours = seedsOf('envelope-nodes', [1])
if (ours.length === 0) test.skip('no envelope-nodes seeds here', () => {})
for (const seed of ours)
  test(`spec/envelope.md §4.6, §6: seed envelope-nodes:${seed}: what was sent arrives, once, whoever dies`, async () => {
    const interaction = new NodeInteraction(seed)
    const violations = await interaction.run()
    if (violations.length === 0) return
    const again = `again: TOM_SIM_SEED=envelope-nodes:${seed} npx vitest run --project gossip test/sim/envelope/nodes`
    expect.fail([...interaction.deeds, `${violations.length} things are wrong`, ...violations, again].join('\n'))
  })
