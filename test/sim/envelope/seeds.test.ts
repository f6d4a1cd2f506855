/** Swarms of messengers to which things happen at random. `TOM_SIM_SEED=envelope:7` runs one seed, `TOM_SIM_SEEDS=1..500` others than usual. */
import { expect, test } from 'vitest'
import { HUNDRED, Interaction, shapeOf } from './support/deeds.ts'

const USUAL = 6

function seeds(): number[] {
  const one = process.env.TOM_SIM_SEED
  if (one !== undefined) return one.startsWith('envelope:') ? [Number(one.slice(9))] : []
  const asked = process.env.TOM_SIM_SEEDS ?? `${USUAL}`
  const [from, to] = asked.includes('..') ? asked.split('..').map(Number) : [1, Number(asked)]
  return Array.from({ length: to! - from! + 1 }, (_, index) => from! + index)
}

const ours = seeds()
if (ours.length === 0) test.skip('no envelope seeds here', () => {})
for (const seed of ours)
  test(`spec/envelope.md §4.6, §6: seed envelope:${seed}`, async () => {
    await expectGoodEnd(new Interaction(`envelope:${seed}`, shapeOf(seed)), `${seed}`)
  })

async function expectGoodEnd(interaction: Interaction, seed: string): Promise<void> {
  let error: unknown
  try {
    await interaction.run()
  } catch (caught) {
    error = caught
  }
  const { violations } = interaction.ledger
  if (process.env.TOM_SIM_SUMMARY !== undefined) console.log(`envelope:${seed} ${interaction.summary}`)
  if (violations.length === 0 && error === undefined) return
  const again = `again: TOM_SIM_SEED=envelope:${seed} npx vitest run --project gossip test/sim/envelope/seeds`
  const thrown = error instanceof Error ? [error.stack ?? error.message] : error === undefined ? [] : [String(error)]
  expect.fail(
    [...interaction.deeds, `${violations.length} things are wrong`, ...violations, ...thrown, again].join('\n'),
  )
}

test.skipIf(process.env.TOM_SIM_SEED !== undefined)('a hundred nodes', async () => {
  await expectGoodEnd(new Interaction('envelope:hundred', HUNDRED), 'hundred')
})
