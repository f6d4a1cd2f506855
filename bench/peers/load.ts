/**
 * The packages of the other stacks: installed when a benchmark first wants them, beside their adapters and not into the project. Owns where
 * they are and whether they are there.
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** From a bundle a bare import finds `bench/peers/node_modules`; the type is what the adapter uses of the package. */
export async function load<T>(name: string): Promise<T> {
  return (await import(name)) as T
}

/** Below this folder; git ignores it. */
const STAMP = 'node_modules/.tom-bench-lock'
const LIMIT_MS = 180_000

/** Installs what `package-lock.json` of this folder says, once. Throws with npm's own reason. */
export async function installPeers(): Promise<void> {
  const folder = fileURLToPath(new URL('.', import.meta.url))
  const wanted = createHash('sha256')
    .update(readFileSync(`${folder}package-lock.json`))
    .digest('hex')
  try {
    if (readFileSync(`${folder}${STAMP}`, 'utf8') === wanted) return
  } catch {
    // not installed yet
  }
  const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', '--prefix', folder]
  try {
    await promisify(execFile)('npm', args, { cwd: folder, timeout: LIMIT_MS })
  } catch (cause) {
    const { stderr = '', message } = cause as { stderr?: string; message: string }
    const reason = stderr.split('\n').find((line) => line.includes('npm error') && line.trim() !== 'npm error')
    throw new Error(`the packages of bench/peers could not be installed: ${reason ?? message}`, { cause })
  }
  writeFileSync(`${folder}${STAMP}`, wanted)
}
