/**
 * `npm run conformance`: builds the reference programs, runs the interop suite against native iroh and the npm package, the relay suite against the real iroh-relay,
 * the gossip suite against iroh-gossip, the envelope suite against the libraries of the ToM stack, and the test cases of quic-interop-runner against aioquic and quic-go. With `-- --write` the results become INTEROP.md. Exit code 0 only when every test passed.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { aioquicName, buildAioquic, buildQuicGo, quicGoName } from './oracles/build.ts'
import { NOT_RUN } from './oracles/cases.ts'
import type { Program } from './oracles/program.ts'
import { buildLog, buildNative } from './peer.ts'
import { buildRelayServer, relayBuildLog, relayServerName } from './relay-server.ts'
import { commitOf, renderReport, type TestReport } from './report.ts'
import {
  crateVersion,
  envelopeLibraries,
  envelopePeerName,
  gossipPeerName,
  nativePeerName,
  npmPeerName,
} from './versions.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const SUITE_LIMIT_MS = 1_000_000

interface Programs {
  readonly native: string
  readonly relay: string
  readonly oracles: readonly Program[]
}

/** Runs vitest; returns its exit code, with its report in `file`. */
function runSuite({ native, relay, oracles }: Programs, file: string): Promise<number | null> {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'conformance/vitest.config.ts']
  const reporters = ['--reporter=verbose', '--reporter=json', `--outputFile.json=${file}`]
  const child = spawn(process.execPath, [...args, ...reporters], {
    cwd: ROOT,
    env: { ...process.env, TOM_NATIVE: native, TOM_RELAY: relay, TOM_ORACLES: JSON.stringify(oracles) },
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
      {
        name: gossipPeerName(),
        about: 'gossip over native iroh, in `conformance/native`; our nodes are in the process of the tests',
      },
      {
        name: envelopePeerName(),
        about: `envelopes by the libraries of the ToM stack, in \`conformance/native\`: ${envelopeLibraries()}; as a node over native iroh and its gossip`,
      },
      {
        name: relayServerName(),
        about:
          'the relay server of iroh, built with `cargo install --locked`; as its client the one of the same crate, in `conformance/native`',
      },
      {
        name: aioquicName(),
        about: '`conformance/aioquic`: Python, its own TLS 1.3 and X.509 on the cryptography package',
      },
      { name: quicGoName(), about: `\`conformance/quic-go\`: Go, with the TLS 1.3 and X.509 of crypto/tls` },
    ],
    remarks: [
      'The cases of quic-interop-runner use its rates, delays, shares and bursts over a UDP forwarder on loopback (Ethernet MTU, 15 ms each way, 10 Mbit/s, a queue of 25 packets unless said otherwise) with smaller files. What each is about is read from the datagrams, decrypted with the key log by code that shares nothing with the stack.',
      `Not run: ${NOT_RUN.map(({ names, reason }) => `${names} (${reason})`).join('; ')}.`,
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
  console.log(`building the reference programs (logs of cargo: ${buildLog()}, ${relayBuildLog()})`)
  const native = await buildNative()
  const relay = await buildRelayServer()
  const oracles = [buildAioquic(), buildQuicGo()]
  console.log(`built in ${((performance.now() - begin) / 1000).toFixed(0)} s`)
  const folder = mkdtempSync(join(tmpdir(), 'tom-conformance-'))
  try {
    const file = join(folder, 'report.json')
    const code = await runSuite({ native, relay, oracles }, file)
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
