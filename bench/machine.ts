/** What a result must say about where it comes from. */
import { execFileSync } from 'node:child_process'
import { cpus, release, type } from 'node:os'

export interface Origin {
  readonly date: string
  /** Short id; `+` when the work tree differs from it. */
  readonly commit: string
  readonly machine: string
  readonly node: string
}

/** Empty outside of a repository. */
function git(...args: string[]): string {
  try {
    return execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}

export function origin(): Origin {
  const isDirty = git('status', '--porcelain', '--', 'src', 'package-lock.json') !== ''
  const model = (cpus()[0]?.model ?? 'unknown CPU').replace(/\s+/g, ' ').trim()
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: `${git('rev-parse', '--short', 'HEAD') || 'unknown'}${isDirty ? '+' : ''}`,
    machine: `${cpus().length} × ${model}, ${type()} ${release().split('-')[0]}`,
    node: process.version,
  }
}

export function describeOrigin({ date, commit, machine, node }: Origin): string {
  return `${machine}, Node ${node}; commit ${commit}, ${date}`
}
