/** Runs figures in rounds, the contenders one after the other in each, so that a noisy minute hits all alike; and memory, which has no rounds. */
import type { Contender, ContenderSpec } from './contenders.ts'
import type { Figure } from './figure-list.ts'
import type { ProtectResult } from './micro/protect.ts'
import { runBundle } from './processes.ts'
import type { Results } from './rows.ts'
import { median, summarize } from './statistics.ts'

export function progress(text: string): void {
  process.stderr.write(text)
}

/** Starts all; those that cannot are absent, with the reason. */
export async function startAll(specs: readonly ContenderSpec[], results: Results): Promise<Contender[]> {
  const contenders: Contender[] = []
  for (const spec of specs) {
    try {
      contenders.push(await spec.start())
    } catch (error) {
      results.absent(spec.stack, error)
    }
  }
  return contenders
}

/** One warm-up round, then `rounds` that count. A contender that fails is out of this figure. */
export async function measureRounds(
  contenders: readonly Contender[],
  figure: Figure,
  rounds: number,
  results: Results,
): Promise<void> {
  let taking = contenders.filter(({ spec }) => spec.figures.includes(figure.name))
  const samples = new Map<string, Map<string, number[]>>()
  for (let round = -1; round < rounds; round++) {
    for (const contender of taking) {
      const { stack, share = 1, connections } = contender.spec
      const { bytes } = figure.options
      try {
        const before = await contender.usage()
        const result = await contender.run(figure.run, {
          ...figure.options,
          ...(bytes === undefined ? {} : { bytes: Math.floor(bytes * share) }),
          ...(figure.run === 'handshakes' && connections ? { count: connections.handshakes, warmUp: 0 } : {}),
        })
        const after = await contender.usage()
        if (round === -1) continue
        const cpu = {
          client: after.client.cpuUs - before.client.cpuUs,
          server: after.server.cpuUs - before.server.cpuUs,
        }
        for (const [value, number] of Object.entries(figure.values(result, cpu))) {
          const ofValue = samples.get(value) ?? new Map<string, number[]>()
          samples.set(value, ofValue)
          ofValue.set(stack, [...(ofValue.get(stack) ?? []), number])
        }
      } catch (error) {
        results.absent(stack, error, figure.name)
        taking = taking.filter((other) => other !== contender)
      }
    }
    progress('.')
  }
  for (const [value, ofValue] of samples)
    for (const [stack, numbers] of ofValue) results.add(figure.name, value, stack, summarize(numbers))
  progress(` ${figure.name}\n`)
}

/** One full packet protected and unprotected, in a process of its own. The stacks of these rows are AEADs. */
export async function measureProtection(results: Results): Promise<void> {
  for (const { subject, step, samples } of await runBundle<ProtectResult[]>('micro/protect.ts', [], []))
    results.add('protect', `${step} µs`, subject, summarize(samples.map((nanoseconds) => nanoseconds / 1000)))
  progress('. protect\n')
}

/** Handshakes before the memory is read for the first time: code that was never run is not memory of a connection. */
const WARM_UP = 20

interface Reading {
  readonly contender: Contender
  readonly count: number
  readonly before: Awaited<ReturnType<Contender['usage']>>
}

/**
 * What idle connections occupy after `seconds`, by the growth of each process divided by their number; fresh processes, all stacks at the same
 * time, since nothing happens but waiting.
 */
export async function measureIdle(
  specs: readonly ContenderSpec[],
  connections: number,
  seconds: number,
  results: Results,
): Promise<void> {
  const contenders = await startAll(
    specs.filter(({ figures }) => figures.includes('idle')),
    results,
  )
  try {
    const readings: Reading[] = []
    const open = async (contender: Contender): Promise<void> => {
      const { stack, connections: few } = contender.spec
      const count = Math.round(connections * (few?.idleShare ?? 1))
      try {
        await contender.run('handshakes', { count: few === undefined ? WARM_UP : 1, warmUp: 0 })
        const before = await contender.usage(true)
        await contender.run('idle', { count })
        readings.push({ contender, count, before })
      } catch (error) {
        results.absent(stack, error, 'idle')
      }
      progress('.')
    }
    for (const contender of contenders) await open(contender)
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    for (const { contender, count, before } of readings) {
      const { stack } = contender.spec
      const after = await contender.usage(true)
      for (const side of ['client', 'server'] as const) {
        const kilobytes = (of: 'rss' | 'heap' | 'buffers'): number =>
          (after[side][of] - before[side][of]) / count / 1000
        results.add('idle', `kB, ${side}`, stack, summarize([kilobytes('rss')]))
        if (after[side].heap > 0)
          results.add('idle', `JS kB, ${side}`, stack, summarize([kilobytes('heap') + kilobytes('buffers')]))
      }
    }
    progress(' idle\n')
  } finally {
    for (const contender of contenders) await contender.stop()
  }
}

const BULK_WARM_UPS = 6

/**
 * Bulk alone, then while `count` idle connections are held, then after they are gone: it must not matter. Fresh processes, and no
 * forced collection, after which V8 would collect far more often than it does by itself.
 */
export async function measureHeld(spec: ContenderSpec, count: number, runs: number, results: Results): Promise<void> {
  const contender = await spec.start()
  const rates: Record<'held' | 'free', number[]> = { held: [], free: [] }
  const cpu: Record<'held' | 'free', number[]> = { held: [], free: [] }
  const measure = async (state: 'held' | 'free', warmUps: number): Promise<void> => {
    for (let run = -warmUps; run < runs; run++) {
      const before = await contender.usage()
      const { bytes, ms, datagrams } = await contender.run('bulk', { bytes: 32 << 20 })
      const after = await contender.usage()
      if (run < 0) continue
      rates[state].push((bytes! * 8) / ms! / 1000)
      const used = after.client.cpuUs - before.client.cpuUs + after.server.cpuUs - before.server.cpuUs
      cpu[state].push(used / datagrams!)
    }
    progress('.')
  }
  try {
    await measure('free', BULK_WARM_UPS)
    await contender.run('idle', { count })
    await measure('held', 1)
    await contender.run('release', {})
    // closed connections drain for three probe timeouts
    await new Promise((resolve) => setTimeout(resolve, 2000))
    await measure('free', 1)
    for (const state of ['held', 'free'] as const) {
      results.add('held', `Mbit/s, ${state}`, spec.stack, summarize(rates[state]))
      results.add('held', `CPU µs, both sides, ${state}`, spec.stack, summarize(cpu[state]))
    }
    results.add('held', 'rate, held ÷ free', spec.stack, summarize([median(rates.held) / median(rates.free)]))
    results.add('held', 'CPU, held ÷ free', spec.stack, summarize([median(cpu.held) / median(cpu.free)]))
  } catch (error) {
    results.absent(spec.stack, error, 'held')
  } finally {
    await contender.stop()
  }
  progress(' held\n')
}

/** `count` connections one after the other: the last must be as fast as the first. In fresh processes. */
export async function measureSequence(spec: ContenderSpec, count: number, results: Results): Promise<void> {
  const contender = await spec.start()
  try {
    // the first connections pay for the compiler
    for (let run = 0; run < BULK_WARM_UPS; run++) await contender.run('bulk', { bytes: 32 << 20 })
    await contender.run('sequence', { count: Math.ceil(count / 5), bytes: 256 * 1024 })
    const { first, last } = await contender.run('sequence', { count, bytes: 256 * 1024 })
    results.add('sequence', 'Mbit/s, first tenth', spec.stack, summarize([first!]))
    results.add('sequence', 'Mbit/s, last tenth', spec.stack, summarize([last!]))
    results.add('sequence', 'last ÷ first', spec.stack, summarize([last! / first!]))
  } catch (error) {
    results.absent(spec.stack, error, 'sequence')
  } finally {
    await contender.stop()
  }
  progress('. sequence\n')
}
