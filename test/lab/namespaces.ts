/**
 * Network namespaces of one run: made, configured by `ip` and `nft`, and taken away again. Their names carry the process that made them, so that what a dead run left
 * behind is found and removed. Needs root on Linux.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { LabProcess } from './process.ts'

const PREFIX = 'tomlab'
/** `ip netns exec` puts the files of the namespace's folder here over those of /etc. */
const ETC = '/etc/netns'

/** Whether namespaces can be made here. */
export function canMakeNamespaces(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    for (const [tool, flag] of [
      ['ip', '-V'],
      ['nft', '-v'],
    ] as const)
      execFileSync(tool, [flag], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Runs a program with `input`; resolves with what it said, rejects with its complaint. */
function pipe(command: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${command} ${args.join(' ')}: ${stderr.trim() || error.message}\n${input}`))
    })
    child.stdin!.on('error', () => {})
    child.stdin!.end(input)
  })
}

/** The namespaces of one world. */
export class Namespaces {
  readonly #tag: string
  readonly #names: string[] = []
  readonly #processes: LabProcess[] = []

  /** `label` tells the worlds of this process apart. */
  constructor(label: string) {
    this.#tag = `${PREFIX}-${process.pid}-${label}`
  }

  /** The full name of what is called `name` in this world. */
  full(name: string): string {
    return `${this.#tag}-${name}`
  }

  /** Makes a namespace with its loopback up. `hosts` are lines for its /etc/hosts. */
  async add(name: string, hosts: readonly string[] = []): Promise<void> {
    const full = this.full(name)
    this.#names.push(full)
    mkdirSync(`${ETC}/${full}`, { recursive: true })
    writeFileSync(`${ETC}/${full}/hosts`, ['127.0.0.1 localhost', '::1 localhost', ...hosts, ''].join('\n'))
    // nobody is asked: every name is in the hosts file
    writeFileSync(`${ETC}/${full}/resolv.conf`, 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n')
    await pipe('ip', ['netns', 'add', full], '')
    // no duplicate address detection: addresses must be there at once
    await this.sysctl(name, [
      'net.ipv6.conf.all.accept_dad=0',
      'net.ipv6.conf.default.accept_dad=0',
      'net.ipv4.conf.all.rp_filter=0',
      'net.ipv4.conf.default.rp_filter=0',
    ])
    await this.ip(name, ['link set lo up'])
  }

  /** Lines for `ip -batch`. */
  async ip(name: string, lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await pipe('ip', ['-n', this.full(name), '-batch', '-'], `${lines.join('\n')}\n`)
  }

  async nft(name: string, text: string): Promise<void> {
    await pipe('ip', ['netns', 'exec', this.full(name), 'nft', '-f', '-'], text)
  }

  async sysctl(name: string, settings: readonly string[]): Promise<void> {
    await pipe('ip', ['netns', 'exec', this.full(name), 'sysctl', '-qw', ...settings], '')
  }

  /** What a program says that ends soon. */
  run(name: string, command: string, args: readonly string[]): Promise<string> {
    return pipe('ip', ['netns', 'exec', this.full(name), command, ...args], '')
  }

  /** Command and arguments that run a program in a namespace. */
  within(name: string, command: string, args: readonly string[]): [command: string, args: string[]] {
    return ['ip', ['netns', 'exec', this.full(name), command, ...args]]
  }

  /** Starts a program that is ended with the world. */
  start(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): LabProcess {
    const [program, all] = this.within(name, command, args)
    const child: ChildProcess = spawn(program, all, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', ...env },
    })
    const started = new LabProcess(child)
    this.#processes.push(started)
    return started
  }

  async close(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.stop()))
    for (const name of this.#names) removeNamespace(name)
  }
}

function removeNamespace(name: string): void {
  rmSync(`${ETC}/${name}`, { recursive: true, force: true })
  try {
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'ignore' })
  } catch {
    // it was not made, or is gone
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/**
 * Removes what runs left behind that ended without a clean-up: processes in their namespaces, then the namespaces. `own`: those of this process instead, which is about to end.
 * Returns how many namespaces.
 */
export function removeLeftovers({ own = false }: { readonly own?: boolean } = {}): number {
  let listed: string[] = []
  try {
    listed = [...readdirSync('/var/run/netns'), ...readdirSync(ETC)]
  } catch {
    // there never were any
  }
  const dead = [...new Set(listed)].filter((name) => {
    const owner = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1]
    return owner !== undefined && (own ? Number(owner) === process.pid : !isAlive(Number(owner)))
  })
  for (const name of dead) {
    for (const pid of pidsOf(name)) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
    removeNamespace(name)
  }
  return dead.length
}

function pidsOf(name: string): number[] {
  try {
    const text = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    return text.split('\n').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
