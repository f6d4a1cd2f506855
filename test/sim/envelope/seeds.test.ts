/** Swarms of messengers to which things happen at random. `TOM_SIM_SEED=envelope:7` runs one seed, `TOM_SIM_SEEDS=1..500` others than usual. */
import { expect, test } from 'vitest'
import { HUNDRED, Interaction, type Shape, shapeOf } from './support/deeds.ts'
import { seedsOf } from './support/seeds.ts'

/**
 * 16: a hostile node that had just seen a message had others keep it for a minute only, and so nobody had it when its sender died. 228: an application that had not read for a day was handed
 * what was over.
 */
const USUAL = [1, 16, 228]

const ours = seedsOf('envelope', USUAL)
if (ours.length === 0) test.skip('no envelope seeds here', () => {})
for (const seed of ours)
  test(`spec/envelope.md §4.6 locks 1 and 2, §6 BAK-1 to BAK-4: seed envelope:${seed}: nothing acknowledged is lost, nothing comes twice, nothing outlives its day`, () =>
    expectGoodEnd(`envelope:${seed}`, shapeOf(seed)))

async function expectGoodEnd(name: string, shape: Shape): Promise<void> {
  const interaction = new Interaction(name, shape)
  let error: unknown
  try {
    await interaction.run()
  } catch (caught) {
    error = caught
  }
  const { violations } = interaction.ledger
  if (process.env.TOM_SIM_SUMMARY !== undefined) console.log(`${name} ${interaction.summary}`)
  if (violations.length === 0 && error === undefined) return
  const again = `again: TOM_SIM_SEED=${name} npx vitest run --project gossip test/sim/envelope/seeds`
  const thrown = error instanceof Error ? [error.stack ?? error.message] : error === undefined ? [] : [String(error)]
  expect.fail(
    [...interaction.deeds, `${violations.length} things are wrong`, ...violations, ...thrown, again].join('\n'),
  )
}

test('the same seed is the same run', async () => {
  const shape = { ...shapeOf(1), nodes: 5, steps: 12, peaceMs: 5_000 }
  const [first, second] = [new Interaction('envelope:again', shape), new Interaction('envelope:again', shape)]
  await first.run()
  await second.run()
  expect(second.deeds).toEqual(first.deeds)
  expect(second.summary).toBe(first.summary)
})

// of its own kind: TOM_SIM_SEED=envelope-100:1
const hundreds = seedsOf('envelope-100', [1])
if (hundreds.length === 0) test.skip('no envelope-100 seeds here', () => {})
for (const seed of process.env.TOM_SIM_SEEDS === undefined ? hundreds : [])
  test(`spec/envelope.md §4.6, §6: seed envelope-100:${seed}: a hundred nodes under loss, churn, partitions, crashes and disks that fail`, () =>
    expectGoodEnd(`envelope-100:${seed}`, HUNDRED))
