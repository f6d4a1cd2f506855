/**
 * A vitest reporter that prints, after everything else, what each suite took against its budget. It judges nothing:
 * how fast a machine is does not make a test wrong. The limit that fails a run stands in `.ci/run`.
 */
import type { Reporter, TestModule } from 'vitest/node'

/** Wall-clock seconds on two cores. Their sum stays under the five minutes that `npm test` may take. */
const BUDGETS: Readonly<Record<string, number>> = {
  unit: 45,
  'unit-alone': 5,
  cli: 25,
  sim: 90,
  fuzz: 30,
  interop: 75,
  gossip: 45,
  readme: 15,
  load: 25,
}

interface Span {
  from: number
  to: number
  tests: number
  failed: number
}

export class SuiteTimes implements Reporter {
  readonly #now: () => number
  readonly #print: (line: string) => void
  readonly #spans: Map<string, Span>
  #startedAt: number

  constructor(now: () => number = () => performance.now(), print: (line: string) => void = console.log) {
    this.#now = now
    this.#print = print
    this.#spans = new Map()
    this.#startedAt = now()
  }

  onTestRunStart(): void {
    this.#spans.clear()
    this.#startedAt = this.#now()
  }

  onTestModuleQueued(module: TestModule): void {
    this.#span(module)
  }

  onTestModuleEnd(module: TestModule): void {
    const span = this.#span(module)
    span.to = this.#now()
    for (const test of module.children.allTests()) {
      span.tests++
      if (test.result().state === 'failed') span.failed++
    }
  }

  onTestRunEnd(): void {
    this.#print('')
    for (const [name, span] of this.#spans) {
      const seconds = (span.to - span.from) / 1000
      const budget = BUDGETS[name]
      const verdict = budget === undefined ? '' : ` of ${budget} s${seconds > budget ? '  OVER BUDGET' : ''}`
      const failed = span.failed > 0 ? `, ${span.failed} failed` : ''
      this.#print(`  ${name.padEnd(8)} ${seconds.toFixed(1).padStart(6)} s${verdict}  (${span.tests} tests${failed})`)
    }
    this.#print(`  ${'all'.padEnd(8)} ${((this.#now() - this.#startedAt) / 1000).toFixed(1).padStart(6)} s of 300 s`)
  }

  #span(module: TestModule): Span {
    const name = module.project.name
    let span = this.#spans.get(name)
    if (span === undefined) {
      span = { from: this.#now(), to: this.#now(), tests: 0, failed: 0 }
      this.#spans.set(name, span)
    }
    return span
  }
}
