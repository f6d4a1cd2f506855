/** Gets the reference peers ready: a Python environment with aioquic, a binary of quic-go, both in the user's cache and outside the repository. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../scripts/run.ts'
import type { Program } from './program.ts'

const AIOQUIC = fileURLToPath(new URL('../aioquic/', import.meta.url))
const QUIC_GO = fileURLToPath(new URL('../quic-go/', import.meta.url))
const REQUIREMENTS = join(AIOQUIC, 'requirements.txt')
/** The first time everything is fetched and compiled. */
const BUILD_LIMIT_MS = 600_000

function cacheFolder(name: string): string {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tom-transport', name)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Version of a package as it is pinned. */
function pinned(file: string, pattern: RegExp): string {
  const version = pattern.exec(readFileSync(file, 'utf8'))?.[1]
  if (version === undefined) throw new Error(`${file} does not pin what ${pattern} looks for`)
  return version
}

export function aioquicName(): string {
  return `aioquic ${pinned(REQUIREMENTS, /^aioquic==(.*)$/m)}`
}

export function quicGoName(): string {
  return `quic-go ${pinned(join(QUIC_GO, 'go.mod'), /quic-go\/quic-go v(\S+)/)}`
}

/** `python3 -m venv` and pip, unless the same requirements are installed already. Throws with what they said when one fails. */
export function buildAioquic(): Program {
  const venv = join(cacheFolder('aioquic'), 'venv')
  const python = join(venv, 'bin', 'python')
  const stamp = join(venv, 'requirements.txt')
  const wanted = readFileSync(REQUIREMENTS, 'utf8')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    rmSync(venv, { recursive: true, force: true })
    run('python3', ['-m', 'venv', venv], { cwd: AIOQUIC, timeoutMs: BUILD_LIMIT_MS })
    const install = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--requirement', REQUIREMENTS]
    run(python, install, { cwd: AIOQUIC, timeoutMs: BUILD_LIMIT_MS })
    writeFileSync(stamp, wanted)
  }
  // -B: no bytecode beside the sources.
  return { name: aioquicName(), command: python, args: ['-B', join(AIOQUIC, 'hq.py')], updatesKeys: false }
}

/** `go build`, with modules and objects in a cache of ours. Throws with what it said when it fails. */
export function buildQuicGo(): Program {
  const folder = cacheFolder('quic-go')
  const binary = join(folder, 'hq')
  run('go', ['build', '-trimpath', '-mod=readonly', '-o', binary, '.'], {
    cwd: QUIC_GO,
    env: { GOPATH: join(folder, 'gopath'), GOCACHE: join(folder, 'objects'), GOFLAGS: '-modcacherw -buildvcs=false' },
    timeoutMs: BUILD_LIMIT_MS,
  })
  return { name: quicGoName(), command: binary, args: [], updatesKeys: true }
}
