/** Everything about hole punching on loopback: how soon it is direct, what the switch costs, what idle paths cost. NATs are the lab's. */
import { TOM } from '../contenders.ts'
import { progress } from '../measure.ts'
import { startOurs } from '../relay/servers.ts'
import type { Results } from '../rows.ts'
import { summarize } from '../statistics.ts'
import { type IdlePlan, measureIdlePaths } from './idle.ts'
import { HOLEPUNCH } from './names.ts'
import { runSwitching, type SwitchFigures, type Switching, switchFigures } from './switching.ts'
import { measureTimeToDirect } from './time-to-direct.ts'

export interface PunchPlan {
  readonly runs: number
  readonly switches: number
  readonly idle: IdlePlan
}

export function punchPlan(quick: boolean): PunchPlan {
  return quick
    ? { runs: 10, switches: 1, idle: { connections: 100, seconds: 10 } }
    : { runs: 50, switches: 5, idle: { connections: 1000, seconds: 60 } }
}

/** What the plot shows: the first of the switching runs; undefined when none succeeded. */
export async function measureHolepunch(
  plan: PunchPlan,
  withNative: boolean,
  results: Results,
): Promise<Switching | undefined> {
  const server = await startOurs()
  const relay = `http://${server.address}/`
  try {
    await measureTimeToDirect(relay, plan.runs, withNative, results)
    progress('.')
    const shown = await measureSwitching(relay, plan.switches, results)
    await measureIdlePaths(relay, plan.idle, withNative, results)
    progress('. holepunch\n')
    return shown
  } finally {
    await server.stop()
  }
}

async function measureSwitching(relay: string, runs: number, results: Results): Promise<Switching | undefined> {
  const figures: SwitchFigures[] = []
  let shown: Switching | undefined
  try {
    for (let run = 0; run < runs; run++) {
      const switching = await runSwitching(relay)
      figures.push(switchFigures(switching))
      shown ??= switching
      progress('.')
    }
  } catch (error) {
    results.absent(TOM, error, HOLEPUNCH)
  }
  if (figures.length === 0) return undefined
  const add = (value: string, of: (one: SwitchFigures) => number): void =>
    results.add(HOLEPUNCH, value, TOM, summarize(figures.map(of)))
  add('relay, Mbit/s', ({ relayMbit }) => relayMbit)
  add('worst window ÷ relay', ({ worst }) => worst)
  add('median window ÷ relay', ({ middle }) => middle)
  add('left after, ms', ({ leftAfterMs }) => leftAfterMs)
  add('stall, ms', ({ stallMs }) => stallMs)
  return shown
}
