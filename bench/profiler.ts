/**
 * Where a measured process spends its time and its allocations, by V8's own sampling profilers: self time of functions, and bytes of functions
 * whether or not they lived. Owns the naming of functions in a bundle by the source file they came from.
 */
import { readFileSync } from 'node:fs'
import { type HeapProfiler, type Profiler, Session } from 'node:inspector/promises'
import { fileURLToPath } from 'node:url'

/** A function and its share of the whole, 0 to 1. */
export interface ProfileLine {
  readonly name: string
  readonly share: number
}

/** Microseconds between samples. */
const INTERVAL_US = 250
/** Bytes between samples, on the average. */
const HEAP_INTERVAL = 512

/** esbuild names each module in a comment before its code: from a line of the bundle to the file. */
class BundleMap {
  readonly #starts = new Map<string, { line: number; file: string }[]>()

  file(url: string, line: number): string {
    if (!url.startsWith('file:')) return url
    let starts = this.#starts.get(url)
    if (starts === undefined) {
      starts = []
      for (const [index, text] of readFileSync(fileURLToPath(url), 'utf8').split('\n').entries()) {
        const match = /^\s*\/\/ ((?:src|bench|node_modules)\/\S+)$/.exec(text)
        if (match !== null) starts.push({ line: index, file: match[1]! })
      }
      this.#starts.set(url, starts)
    }
    return starts.findLast((start) => start.line <= line)?.file ?? ''
  }
}

interface Frame {
  readonly functionName: string
  readonly url: string
  readonly lineNumber: number
}

function nameOf({ functionName, url, lineNumber }: Frame, map: BundleMap): string {
  const file = map.file(url, lineNumber)
  const name = functionName === '' ? 'anonymous' : functionName
  if (file.startsWith('wasm:')) return `${name}, WebAssembly`
  if (file !== '') return `${name}, ${file}`
  return name.startsWith('(') ? name : `${name}, native`
}

function ranked(weights: ReadonlyMap<string, number>): ProfileLine[] {
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0)
  return [...weights]
    .map(([name, weight]) => ({ name, share: weight / total }))
    .sort((left, right) => right.share - left.share)
}

/** Samples until `stop`. Sampling costs a few percent itself. */
export class CpuProfile {
  readonly #session = new Session()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('Profiler.enable')
    await this.#session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US })
    await this.#session.post('Profiler.start')
  }

  /** Most time first; waiting is left out. */
  async stop(): Promise<ProfileLine[]> {
    const { profile } = await this.#session.post('Profiler.stop')
    this.#session.disconnect()
    return rankCpu(profile)
  }
}

/** Not the measured program's: waiting, and the profiler's own end. */
const NOT_OURS = ['(idle)', 'dispatch, native']

/** `(program)` is time in the system and in native code without a JavaScript frame of its own. */
export function rankCpu({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): ProfileLine[] {
  const map = new BundleMap()
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame, map)]))
  const weights = new Map<string, number>()
  for (const [index, id] of samples.entries()) {
    const name = names.get(id)!
    if (NOT_OURS.includes(name)) continue
    weights.set(name, (weights.get(name) ?? 0) + Math.max(0, timeDeltas[index] ?? 0))
  }
  return ranked(weights)
}

/** Samples allocations in the JavaScript heap until `stop`, those that were collected included. */
export class AllocationProfile {
  readonly #session = new Session()

  async start(): Promise<void> {
    this.#session.connect()
    await this.#session.post('HeapProfiler.enable')
    await this.#session.post('HeapProfiler.startSampling', {
      samplingInterval: HEAP_INTERVAL,
      includeObjectsCollectedByMajorGC: true,
      includeObjectsCollectedByMinorGC: true,
    })
  }

  async stop(): Promise<ProfileLine[]> {
    const { profile } = await this.#session.post('HeapProfiler.stopSampling')
    this.#session.disconnect()
    const map = new BundleMap()
    const weights = new Map<string, number>()
    const visit = ({ callFrame, selfSize, children }: HeapProfiler.SamplingHeapProfileNode): void => {
      const name = nameOf(callFrame, map)
      weights.set(name, (weights.get(name) ?? 0) + selfSize)
      for (const child of children) visit(child)
    }
    visit(profile.head)
    return ranked(weights)
  }
}
