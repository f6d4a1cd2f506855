/** Runs cargo, with what it says in a log. */
import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'

export interface CargoOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Where everything goes that cargo says; the folder is made. */
  readonly log: string
  readonly limitMs: number
}

/** Throws with the end of what cargo said when it fails or takes too long, and when there is no cargo. */
export async function cargo(args: readonly string[], { cwd, env, log: file, limitMs }: CargoOptions): Promise<void> {
  mkdirSync(dirname(file), { recursive: true })
  const log = createWriteStream(file)
  const child = spawn('cargo', args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let last = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    last = (last + text).slice(-8000)
    log.write(text)
  })
  const timer = setTimeout(() => {
    last += `\nit took longer than ${limitMs / 1000} s`
    child.kill()
  }, limitMs)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', (cause: NodeJS.ErrnoException) => {
        const missing = cause.code === 'ENOENT'
        reject(
          missing
            ? new Error('cargo was not found: install Rust (rustup.rs) and put cargo on the PATH', { cause })
            : cause,
        )
      })
      child.once('close', resolve)
    })
    if (code !== 0) throw new Error(`cargo ${args.join(' ')} failed:\n${last}`)
  } finally {
    clearTimeout(timer)
    log.end()
  }
}
