/** Small things that scripts and the tests of the package share: run a program, know whether a module is the program itself. */
import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface RunOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Milliseconds until the program is killed; default 60,000. */
  readonly timeoutMs?: number
}

/** Runs a program to its end and returns what it printed to stdout. Throws with everything it printed when it fails. */
export function run(command: string, args: readonly string[], options: RunOptions): string {
  const result = spawnSync(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    encoding: 'utf8',
    timeout: options.timeoutMs ?? 60_000,
    maxBuffer: 64 * 1024 * 1024,
  })
  if (result.error !== undefined || result.status !== 0) {
    const why = result.error?.message ?? `exit code ${result.status ?? result.signal}`
    throw new Error(`${[command, ...args].join(' ')}: ${why}\n${result.stdout ?? ''}${result.stderr ?? ''}`)
  }
  return result.stdout
}

/** True when the module at `url` is what Node was started with. */
export function isMain(url: string): boolean {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url)
}
