/**
 * Other QUIC stacks as oracles: the test cases of quic-interop-runner against aioquic and quic-go, in both roles. `TOM_ORACLES` has the programs as
 * `build.ts` made them; conformance/run.ts sets it. Names are the rows and columns of INTEROP.md.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { CASES, type TestCase } from './cases.ts'
import { type Certificate, KEY_TYPES, type KeyType, makeCertificate } from './certificates.ts'
import type { Implementation } from './implementation.ts'
import { tomTransport } from './ours.ts'
import { type Program, programImplementation } from './program.ts'
import { runCase } from './run-case.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** Stands beside the result in the report. */
    note?: string
  }
}

const programs = process.env.TOM_ORACLES
if (programs === undefined) throw new Error('TOM_ORACLES is not set: start this with `npm run conformance`')
/** Longer than a case may take by itself. */
const TEST_LIMIT_MS = 90_000

/** With everything that it offers by default: what the peers do not know they have to pass over. */
const ours = tomTransport()
const certificates = new Map<KeyType, Certificate>()
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tom-certificates-'))
  for (const type of KEY_TYPES) certificates.set(type, makeCertificate(folder, type))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function judge(testCase: TestCase, server: Implementation, client: Implementation): Promise<string | undefined> {
  const evidence = await runCase(testCase, server, client, certificates.get(testCase.keyType)!)
  testCase.check(evidence)
  return testCase.measure?.(evidence)
}

function describeCases(role: string, server: Implementation, client: Implementation): void {
  describe(`test cases of quic-interop-runner: ${role}`, () => {
    for (const testCase of CASES) {
      // Two at a time, for they mostly wait; what measures has the machine to itself.
      const run = testCase.measure === undefined ? test.concurrent : test
      run(`${testCase.name}: ${testCase.about}`, { timeout: TEST_LIMIT_MS }, async ({ task }) => {
        const note = await judge(testCase, server, client)
        if (note !== undefined) task.meta.note = note
      })
    }
  })
}

const peers = (JSON.parse(programs) as Program[]).map(programImplementation)
for (const peer of peers) {
  describe(peer.name, () => {
    describeCases('tom-transport is the client', peer, ours)
    describeCases('tom-transport is the server', ours, peer)
  })
}

// Whether a failure is ours, the peer's or the network's: the same without us, on demand and never in the report.
if (process.env.TOM_ORACLES_ALONE !== undefined) {
  describe('without tom-transport', () => {
    for (const server of peers)
      for (const client of peers)
        if (client !== server) describeCases(`${server.name} is the server, ${client.name} the client`, server, client)
  })
}
