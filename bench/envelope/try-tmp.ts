import { Results } from '../rows.ts'
import { envelopePlan, envelopeStacks, measureEnvelopes } from './measure.ts'
import { renderEnvelopeBlock } from './table.ts'
const results = new Results()
const plan = envelopePlan(false)
const size = Number(process.argv[2])
const stacks = envelopeStacks(false)
const t = performance.now()
await measureEnvelopes({ ...plan, sealing: { rounds: 0, ms: 1 }, pairs: { ...plan.pairs, rounds: 0 }, wireSeeds: [], knownPeers: 100, swarms: plan.swarms.filter((s) => s.size === size).map((s) => ({ ...s, rounds: 1 })) }, stacks, results)
console.log(renderEnvelopeBlock(results, ''), Math.round(performance.now() - t))
process.exit(0)
