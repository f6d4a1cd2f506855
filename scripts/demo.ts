/**
 * `npm run demo`: the mission on one machine, with nothing but the built `tom` command: a relay and three nodes, four processes on the loopback interface, without Internet.
 * It ends with code 0 only when everything happened. `-- --json` prints event lines only.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildCli } from './build.ts'
import { Mission } from './demo/mission.ts'
import { JsonNarrator, TextNarrator } from './demo/narrator.ts'
import { killAll } from './demo/programs.ts'

const LIMIT_MS = 30_000

const { values: flags } = parseArgs({ options: { json: { type: 'boolean' } } })
const narrator = flags.json === true ? new JsonNarrator() : new TextNarrator()
const folder = mkdtempSync(join(tmpdir(), 'tom-demo-'))

function end(code: number): never {
  killAll()
  rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}

const limit = setTimeout(() => {
  narrator.end(false, `it took longer than ${LIMIT_MS / 1000} s; run it again on a machine with less to do`)
  end(1)
}, LIMIT_MS)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end(130))

try {
  const cli = join(folder, 'tom.mjs')
  await buildCli(cli)
  const begin = performance.now()
  await new Mission(cli, folder, narrator).run()
  clearTimeout(limit)
  narrator.end(true, `everything happened, in ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  end(0)
} catch (error) {
  narrator.end(false, error instanceof Error ? error.message : String(error))
  end(1)
}
