/** Swarms to which things happen at random. `TOM_SIM_SEED=gossip-net:7` runs one seed, `TOM_SIM_SEEDS=1..500` others than usual. */
import { expect, test } from 'vitest'
import { Interaction } from './support/interaction.ts'

const USUAL = 6

function seeds(): number[] {
  const one = process.env.TOM_SIM_SEED
  if (one !== undefined) return one.startsWith('gossip-net:') ? [Number(one.slice(11))] : []
  const asked = process.env.TOM_SIM_SEEDS ?? `${USUAL}`
  const [from, to] = asked.includes('..') ? asked.split('..').map(Number) : [1, Number(asked)]
  return Array.from({ length: to! - from! + 1 }, (_, index) => from! + index)
}

const ours = seeds()
if (ours.length === 0) test.skip('no gossip-net seeds here', () => {})
for (const seed of ours)
  test(`spec/gossip.md §3.8, §5, §6, §11: seed gossip-net:${seed}: whatever happened, the swarm is whole in the end and leaves nothing behind`, async () => {
    const interaction = new Interaction(seed)
    await interaction.run()
    const violations = [...(await interaction.violations()), ...(await interaction.end())]
    if (violations.length === 0) return
    const again = `again: TOM_SIM_SEED=gossip-net:${seed} npx vitest run --project gossip test/sim/gossip-net/seeds`
    expect.fail([...interaction.deeds, `${violations.length} things are wrong`, ...violations, again].join('\n'))
  })
