/**
 * `npm run bench`: tom-transport, native iroh and `@number0/iroh` side by side. Both ends in processes of their own, the stacks interleaved
 * in each round, medians over the rounds; one table and one JSON. Options: --rounds N, --only figure[,figure], --quick, --no-native,
 * --json FILE, --write (the README's table).
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { parseArgs } from 'node:util'
import { type Contender, javascript, native } from './contenders.ts'
import type { FigureName, FigureOptions } from './figures.ts'

interface Figure {
  readonly name: string
  readonly title: string
  readonly run: FigureName
  readonly options: FigureOptions
  readonly rounds: number
  /** Values by name, from one round. */
  readonly values: (result: Record<string, number>, cpuUs: { client: number; server: number }) => Record<string, number>
}

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'no-native': { type: 'boolean', default: false },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    'idle-seconds': { type: 'string', default: '60' },
  },
})
const quick = flags.quick
const rounds = quick ? 2 : Number(flags.rounds)
const megabytes = quick ? 16 : 64

/** Bytes in a full packet's datagram, for stacks that do not count datagrams. */
const FULL_PACKET = 1_400

function bulkValues(result: Record<string, number>, cpu: { client: number; server: number }): Record<string, number> {
  const packets = result.datagrams ?? result.bytes! / FULL_PACKET
  return {
    'Mbit/s': (result.bytes! * 8) / result.ms! / 1000,
    'CPU µs/packet, sender': cpu.client / packets,
    'CPU µs/packet, receiver': cpu.server / packets,
  }
}

const FIGURES: readonly Figure[] = [
  {
    name: 'bulk1',
    title: 'bulk, one stream',
    run: 'bulk',
    options: { bytes: megabytes << 20, streams: 1 },
    rounds,
    values: bulkValues,
  },
  {
    name: 'bulk16',
    title: 'bulk, 16 streams',
    run: 'bulk',
    options: { bytes: megabytes << 20, streams: 16 },
    rounds,
    values: bulkValues,
  },
  {
    name: 'rtt',
    title: 'round trip, 64 bytes',
    run: 'roundTrips',
    options: { count: quick ? 500 : 2000 },
    rounds,
    values: (result) => ({ 'p50 µs': result.p50! * 1000, 'p99 µs': result.p99! * 1000 }),
  },
  {
    name: 'handshake',
    title: 'handshake, warm',
    run: 'handshakes',
    options: { count: quick ? 40 : 100 },
    rounds,
    values: (result) => ({ 'median ms': result.median! }),
  },
  {
    name: 'streams',
    title: 'fresh streams, 32 at once',
    run: 'freshStreams',
    options: { count: quick ? 1000 : 4000, streams: 32 },
    rounds,
    values: (result) => ({ 'a second': result.count! / (result.ms! / 1000) }),
  },
]

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.floor(sorted.length / 2)]!
}

interface Row {
  figure: string
  value: string
  stack: string
  median: number
  min: number
  max: number
  samples: number[]
}

async function measure(contenders: readonly Contender[], figure: Figure): Promise<Row[]> {
  const samples = new Map<string, number[]>()
  for (let round = -1; round < figure.rounds; round++) {
    for (const contender of contenders) {
      const before = await contender.usage()
      const result = await contender.run(figure.run, figure.options)
      const after = await contender.usage()
      // the first round warms the compilers up
      if (round === -1) continue
      const cpu = {
        client: after.client.cpuUs - before.client.cpuUs,
        server: after.server.cpuUs - before.server.cpuUs,
      }
      for (const [value, number] of Object.entries(figure.values(result, cpu))) {
        const key = `${value}\n${contender.name}`
        samples.set(key, [...(samples.get(key) ?? []), number])
      }
      process.stderr.write('.')
    }
  }
  process.stderr.write(` ${figure.title}\n`)
  return [...samples].map(([key, numbers]) => {
    const [value, stack] = key.split('\n') as [string, string]
    return {
      figure: figure.title,
      value,
      stack,
      median: median(numbers),
      min: Math.min(...numbers),
      max: Math.max(...numbers),
      samples: numbers,
    }
  })
}

/** (RSS + external) at `seconds` ÷ connections, per side, as the issue defines it; and the growth over the empty process. */
async function memory(start: () => Promise<Contender>, seconds: number): Promise<Row[]> {
  const contender = await start()
  const count = 1000
  try {
    const before = await contender.usage(true)
    await contender.run('idle', { count })
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    const after = await contender.usage(true)
    const rows: Row[] = []
    for (const side of ['client', 'server'] as const) {
      const total = (after[side].rss + after[side].external) / count / 1000
      const growth = (after[side].rss + after[side].external - before[side].rss - before[side].external) / count / 1000
      for (const [value, number] of [
        [`kB, ${side}`, total],
        [`kB grown, ${side}`, growth],
      ] as const)
        rows.push({
          figure: `idle connection, ${count} for ${seconds} s`,
          value,
          stack: contender.name,
          median: number,
          min: number,
          max: number,
          samples: [number],
        })
    }
    process.stderr.write(`. idle memory, ${contender.name}\n`)
    return rows
  } finally {
    await contender.stop()
  }
}

function format(number: number): string {
  if (number >= 1000) return Math.round(number).toLocaleString('en-US')
  return number >= 100 ? number.toFixed(0) : number >= 10 ? number.toFixed(1) : number.toFixed(2)
}

function table(rows: readonly Row[], stacks: readonly string[]): string {
  const lines = [
    `| figure | ${stacks.join(' | ')} | tom ÷ @number0/iroh |`,
    `|---|${stacks.map(() => '---:|').join('')}---:|`,
  ]
  const seen = new Set<string>()
  for (const { figure, value } of rows) {
    const label = `${figure}, ${value}`
    if (seen.has(label)) continue
    seen.add(label)
    const of = (stack: string) =>
      rows.find((row) => row.figure === figure && row.value === value && row.stack === stack)
    const tom = of('tom-transport')
    const binding = of('@number0/iroh')
    const ratio = tom !== undefined && binding !== undefined ? (tom.median / binding.median).toFixed(2) : ''
    lines.push(
      `| ${label} | ${stacks.map((stack) => (of(stack) ? format(of(stack)!.median) : '')).join(' | ')} | ${ratio} |`,
    )
  }
  return lines.join('\n')
}

const wanted = flags.only?.split(',')
const isWanted = (name: string) => wanted === undefined || wanted.includes(name)
const tom = () => javascript('tom-transport', 'tom')
const binding = () => javascript('@number0/iroh', 'number0')
const nativeOff = () => native('native iroh, no offload', false)
const nativeOn = () => native('native iroh', true)
const starters = flags['no-native'] ? [tom, binding] : [nativeOn, nativeOff, tom, binding]

const rows: Row[] = []
const contenders: Contender[] = []
try {
  for (const start of starters) contenders.push(await start())
  for (const figure of FIGURES) if (isWanted(figure.name)) rows.push(...(await measure(contenders, figure)))
} finally {
  for (const contender of contenders) await contender.stop()
}
const stacks = contenders.map((contender) => contender.name)
if (isWanted('memory') && !quick)
  for (const start of starters) rows.push(...(await memory(start, Number(flags['idle-seconds']))))

const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown CPU'}, Linux ${release()}, Node ${process.version}`
const printed = table(rows, stacks)
const date = new Date().toISOString().slice(0, 10)
process.stdout.write(`\n${printed}\n\n${machine}; commit ${commit}; ${date}\n`)
const json = { date, commit, machine, rounds, megabytes, rows }
if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(json, null, 2)}\n`)
else process.stdout.write(`${JSON.stringify({ ...json, rows: rows.map(({ samples: _, ...row }) => row) })}\n`)
if (flags.write) {
  const readme = readFileSync('README.md', 'utf8')
  const note = `Medians of ${rounds} interleaved rounds, both ends in processes of their own, loopback; ${machine}; commit ${commit}, ${date}.`
  const [start, end] = ['<!-- bench:start -->', '<!-- bench:end -->']
  const from = readme.indexOf(start)
  const to = readme.indexOf(end)
  if (from === -1 || to === -1) throw new Error('README.md has no bench markers')
  writeFileSync('README.md', `${readme.slice(0, from + start.length)}\n${printed}\n\n${note}\n${readme.slice(to)}`)
  writeFileSync('bench/results.json', `${JSON.stringify(json, null, 2)}\n`)
}
process.exit(0)
