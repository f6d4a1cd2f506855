/**
 * `npm run bench:profile`: where the CPU time of a bulk transfer goes, at both ends, and who allocates; the top ten lines of each, by self time.
 * `--write` puts them into docs/performance.md; `--mtu N` profiles other datagrams than 1,452 bytes.
 */
import { parseArgs } from 'node:util'
import { TOM } from './contenders.ts'
import { describeOrigin, origin } from './machine.ts'
import { writeBlock } from './markers.ts'
import { runBundle, Worker } from './processes.ts'
import type { ProfileLine } from './profiler.ts'

const { values: flags } = parseArgs({
  options: { write: { type: 'boolean', default: false }, mtu: { type: 'string', default: '1452' } },
})
const LINES = 10
const WARM_UPS = 3
const RUNS = 8
const BYTES = 32 << 20

const options = { maxMtu: Number(flags.mtu) }
const server = await Worker.start('tom', 'server', options)
const client = await Worker.start('tom', 'client', options)
const transfer = () => client.ask({ cmd: 'run', figure: 'bulk', address: server.address, options: { bytes: BYTES } })
let tables: [string, ProfileLine[]][]
try {
  for (let run = 0; run < WARM_UPS; run++) await transfer()
  const both = [client, server]
  await Promise.all(both.map((worker) => worker.ask({ cmd: 'profile', isOn: true })))
  for (let run = 0; run < RUNS; run++) await transfer()
  const [sending, receiving] = await Promise.all(both.map((worker) => worker.ask({ cmd: 'profile', isOn: false })))
  tables = [
    ['CPU, sender', sending!.lines as ProfileLine[]],
    ['CPU, receiver', receiving!.lines as ProfileLine[]],
    ['bytes allocated in the heap, both ends (virtual time)', await allocations()],
  ]
} finally {
  await Promise.all([client.stop(), server.stop()])
}

function allocations(): Promise<ProfileLine[]> {
  return runBundle('counts/transfer.ts', ['allocations'], ['--single-threaded', '--max-semi-space-size=256'])
}

function table([title, lines]: [string, ProfileLine[]]): string {
  const body = lines.slice(0, LINES).map(({ name, share }) => `| ${(share * 100).toFixed(1)} % | \`${name}\` |`)
  return [`| self | ${title} |`, '|---:|---|', ...body].join('\n')
}

const note = `${TOM}, one stream, datagrams up to ${options.maxMtu} bytes, ${(RUNS * BYTES) >> 20} MiB. \`(program)\` is the system and native code without a frame of its own. ${describeOrigin(origin())}.`
const printed = [...tables.map(table), note].join('\n\n')
process.stdout.write(`${printed}\n`)
if (flags.write) writeBlock('docs/performance.md', 'profile', printed)
process.exit(0)
