import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { SuiteTimes } from './scripts/suite-times.ts'
import { findChromium } from './test/browser/chromium.ts'

// One suite after the other (groupOrder), the files of a suite side by side: so the time of a suite means something,
// and the interop tests, which share the machine with a native node, do not race the fuzzers for the cores.
const suite = (
  name: string,
  order: number,
  include: string[],
  exclude: string[],
  testTimeout: number,
  isolate: boolean,
  maxWorkers?: number,
) => ({
  extends: true as const,
  test: {
    name,
    include,
    exclude,
    testTimeout,
    hookTimeout: testTimeout,
    isolate,
    sequence: { groupOrder: order },
    ...(maxWorkers === undefined ? {} : { maxWorkers }),
  },
})

// A hundred small files share their modules: loading them anew for each took as long as the tests. Files that replace modules cannot.
const replacing = ['test/platform/udp-socket-queue.test.ts', 'test/quic/connection/migration-forbidden.test.ts']
const special = ['cli', 'sim', 'fuzz', 'interop', 'gossip', 'envelope', 'readme', 'load', 'browser'].map(
  (name) => `test/${name}/**`,
)

// Only where there is a browser, or when it is asked for: then the tests say what is missing.
const hasBrowser = process.argv.includes('browser') || findChromium() !== undefined

const WORKERS = Math.max(2, availableParallelism() - 1)

export default defineConfig({
  test: {
    pool: 'forks',
    passWithNoTests: true,
    // A second says nothing about us when another process is asked and the machine is busy.
    expect: { poll: { timeout: 10_000 } },
    reporters: ['default', new SuiteTimes()],
    projects: [
      // vitest leaves a core to itself otherwise, and half the machine idle
      suite('unit', 1, ['test/**/*.test.ts'], [...special, ...replacing, 'test/lab/**'], 20_000, false, WORKERS),
      suite('unit-alone', 2, replacing, [], 20_000, true),
      // these start processes
      suite('cli', 3, ['test/cli/**/*.test.ts'], [], 20_000, false, WORKERS),
      suite(
        'sim',
        4,
        ['test/sim/**/*.test.ts'],
        ['test/sim/gossip*/**', 'test/sim/envelope*/**'],
        60_000,
        true,
        WORKERS,
      ),
      suite('fuzz', 5, ['test/fuzz/**/*.test.ts'], [], 60_000, true, WORKERS),
      suite('interop', 6, ['test/interop/**/*.test.ts'], [], 60_000, true),
      suite(
        'gossip',
        7,
        ['gossip', 'envelope', 'sim/gossip*', 'sim/envelope*'].map((folder) => `test/${folder}/**/*.test.ts`),
        [],
        60_000,
        false,
        WORKERS,
      ),
      suite('readme', 8, ['test/readme/**/*.test.ts'], [], 60_000, true),
      suite('load', 9, ['test/load/**/*.test.ts'], [], 150_000, true),
      ...(hasBrowser ? [suite('browser', 10, ['test/browser/**/*.test.ts'], [], 60_000, true)] : []),
    ],
  },
})
