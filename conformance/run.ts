/**
 * `npm run conformance`: builds the native reference program and runs the interop suite against it and against the npm package. With
 * `-- --write` the results become INTEROP.md. Exit code 0 only when every test passed.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildLog, buildNative } from './peer.ts'
import { commitOf, renderReport, type TestReport } from './report.ts'
import { crateVersion, nativePeerName, npmPeerName } from './versions.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SUITE_LIMIT_MS = 600_000

/** Runs vitest; returns its exit code, with its report in `file`. */
function runSuite(binary: string, file: string): Promise<number | null> {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'conformance/vitest.config.ts']
  const reporters = ['--reporter=verbose', '--reporter=json', `--outputFile.json=${file}`]
  const child = spawn(process.execPath, [...args, ...reporters], {
    cwd: ROOT,
    env: { ...process.env, TOM_NATIVE: binary },
    stdio: 'inherit',
    timeout: SUITE_LIMIT_MS,
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
}

function writeReport(report: TestReport): void {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
  const crates = ['iroh', 'noq', 'rustls'].map((name) => `${name} ${crateVersion(name)}`).join(', ')
  const text = renderReport(report, {
    version,
    commit: commitOf(ROOT),
    date: new Date().toISOString().slice(0, 10),
    runtime: `Node ${process.version} on ${platform()} ${arch()}, ${cpus().length} cores`,
    peers: [
      {
        name: npmPeerName(),
        about: 'the published Node binding, which contains iroh 1.0.2; in a Node process of its own',
      },
      { name: nativePeerName(), about: `\`conformance/native\`, built here from locked crates: ${crates}` },
    ],
  })
  writeFileSync(join(ROOT, 'INTEROP.md'), text)
  console.log('INTEROP.md is written')
}

async function main(): Promise<number> {
  const flags = process.argv.slice(2)
  const unknown = flags.find((flag) => flag !== '--write')
  if (unknown !== undefined) {
    console.error(`conformance: unknown argument ${unknown}; the only one is --write`)
    return 2
  }
  const begin = performance.now()
  console.log(`building the native program (log: ${buildLog()})`)
  const binary = await buildNative()
  console.log(`built in ${((performance.now() - begin) / 1000).toFixed(0)} s`)
  const folder = mkdtempSync(join(tmpdir(), 'tom-conformance-'))
  try {
    const file = join(folder, 'report.json')
    const code = await runSuite(binary, file)
    if (code === null) console.error(`conformance: the suite took longer than ${SUITE_LIMIT_MS / 1000} s`)
    if (flags.includes('--write')) writeReport(JSON.parse(readFileSync(file, 'utf8')) as TestReport)
    return code ?? 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(`conformance: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  },
)
