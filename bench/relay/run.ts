/**
 * `npx tsx bench/relay/run.ts`: the relay alone, table and JSON. Options: --quick (under a minute), --rounds N, --no-native, --json FILE. `npm run bench -- --only
 * relay` is the same within the whole.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { describeOrigin, origin } from '../machine.ts'
import { Results } from '../rows.ts'
import { measureRelay, relayPlan } from './measure.ts'
import { missedRelayAims, renderRelayTable } from './table.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'no-native': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})
const rounds = Number(flags.rounds ?? (flags.quick ? 2 : 5))
const started = performance.now()
const from = origin()
const results = new Results()
await measureRelay(relayPlan(flags.quick, rounds), !flags['no-native'], results)
process.stdout.write(`\n${renderRelayTable(results) ?? 'nothing was measured'}\n\n${describeOrigin(from)}\n\n`)
for (const { stack, reason } of results.absences) process.stdout.write(`absent: ${stack}: ${reason}\n`)
for (const line of missedRelayAims(results)) process.stdout.write(`missed: ${line}\n`)
process.stdout.write(`${Math.round((performance.now() - started) / 1000)} s\n`)
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify({ ...from, rounds, rows: results.rows })}\n`)
process.exit(results.absences.length > 0 ? 1 : 0)
