import { defineConfig } from 'vitest/config'
import { SuiteTimes } from './scripts/suite-times.ts'

// One suite after the other (groupOrder), the files of a suite side by side: so the time of a suite means something,
// and the interop tests, which share the machine with a native node, do not race the fuzzers for the cores.
const suite = (name: string, order: number, include: string[], exclude: string[], testTimeout: number) => ({
  extends: true as const,
  test: { name, include, exclude, testTimeout, hookTimeout: testTimeout, sequence: { groupOrder: order } },
})

const special = ['sim', 'fuzz', 'interop', 'readme'].map((name) => `test/${name}/**`)

export default defineConfig({
  test: {
    pool: 'forks',
    passWithNoTests: true,
    reporters: ['default', new SuiteTimes()],
    projects: [
      suite('unit', 1, ['test/**/*.test.ts'], [...special, 'test/lab/**'], 20_000),
      suite('sim', 2, ['test/sim/**/*.test.ts'], [], 60_000),
      suite('fuzz', 3, ['test/fuzz/**/*.test.ts'], [], 60_000),
      suite('interop', 4, ['test/interop/**/*.test.ts'], [], 60_000),
      suite('readme', 5, ['test/readme/**/*.test.ts'], [], 60_000),
    ],
  },
})
