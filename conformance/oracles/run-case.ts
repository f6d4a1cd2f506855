/** Runs one test case between two implementations: files, network, server, client; then compares the files and looks at what was on the wire. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestCase } from './cases.ts'
import type { Certificate } from './certificates.ts'
import { KeyLog } from './dissect/packet-keys.ts'
import { dissect } from './dissect/trace.ts'
import { type Evidence, expectTrue } from './evidence.ts'
import type { Implementation } from './implementation.ts'
import { Network } from './network.ts'

/** A transfer that takes longer hangs: the slowest takes a quarter of it, ms. */
const CASE_LIMIT_MS = 60_000
/** The last packets, such as the answer to a close, ms. */
const SETTLE_MS = 100

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Rejects when the transfer fails or a file differs. */
export async function runCase(
  testCase: TestCase,
  server: Implementation,
  client: Implementation,
  certificate: Certificate,
): Promise<Evidence> {
  const folder = mkdtempSync(join(tmpdir(), 'tom-oracle-'))
  const limit = AbortSignal.timeout(CASE_LIMIT_MS)
  const stop = new AbortController()
  const signal = AbortSignal.any([limit, stop.signal])
  const file = (name: string): string => join(folder, name)
  const [www, downloads, secrets] = ['www', 'downloads', 'keys'].map(file)
  try {
    mkdirSync(www!)
    mkdirSync(downloads!)
    const hashes = testCase.files.map((size, index) => {
      const bytes = randomBytes(size)
      writeFileSync(join(www!, `file-${index}`), bytes)
      return hash(bytes)
    })
    const files = hashes.map((_, index) => `file-${index}`)
    const running = await server.startServer(
      { www: www!, certificate, chacha20: false, retry: false, ...testCase.server },
      signal,
    )
    const network = await Network.open(running.address, { seed: testCase.name, ...testCase.network })
    try {
      await client.download(
        {
          address: network.address,
          ca: certificate.ca,
          files,
          downloads: downloads!,
          keyLog: secrets!,
          chacha20: false,
          smallWindows: false,
          parallel: 0,
          keyUpdateAt: 0,
          migrateAt: 0,
          ...testCase.client,
        },
        signal,
      )
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    } catch (error) {
      if (!limit.aborted) throw error
      throw new Error(`${client.name} was not done after ${CASE_LIMIT_MS / 1000} s`, { cause: error })
    } finally {
      network.close()
      await running.stop()
    }
    files.forEach((name, index) => {
      expectTrue(hash(readFileSync(join(downloads!, name))) === hashes[index], `${name} is not what the server has`)
    })
    const keyLog = new KeyLog()
    keyLog.add(readFileSync(secrets!, 'utf8'))
    return {
      connections: dissect(network.datagrams, keyLog),
      datagrams: network.datagrams,
      bytes: testCase.files.reduce((sum, size) => sum + size, 0),
      fileCount: files.length,
      isOurServer: server.isOurs,
      crossTrafficBytes: network.crossTrafficBytes,
    }
  } finally {
    stop.abort()
    rmSync(folder, { recursive: true, force: true })
  }
}
