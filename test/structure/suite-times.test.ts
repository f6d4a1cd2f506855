import { expect, test } from 'vitest'
import type { TestModule } from 'vitest/node'
import { SuiteTimes } from '../../scripts/suite-times.ts'

/** As much of a module as the reporter reads. */
function module(project: string, states: readonly string[]): TestModule {
  const tests = states.map((state) => ({ result: () => ({ state }) }))
  return { project: { name: project }, children: { allTests: () => tests } } as unknown as TestModule
}

test('each suite with its time from the first file queued to the last one done, against its budget', () => {
  let now = 0
  const lines: string[] = []
  const times = new SuiteTimes(
    () => now,
    (line) => lines.push(line),
  )
  times.onTestRunStart()
  const [one, two, slow] = [
    module('unit', ['passed', 'failed']),
    module('unit', ['passed']),
    module('fuzz', ['passed']),
  ]
  times.onTestModuleQueued(one)
  now = 1000
  times.onTestModuleQueued(two)
  times.onTestModuleEnd(one)
  now = 3500
  times.onTestModuleEnd(two)
  times.onTestModuleQueued(slow)
  now = 40_000
  times.onTestModuleEnd(slow)
  times.onTestRunEnd()
  expect(lines).toEqual([
    '',
    '  unit        3.5 s of 45 s  (3 tests, 1 failed)',
    '  fuzz       36.5 s of 30 s  OVER BUDGET  (1 tests)',
    '  all        40.0 s of 300 s',
  ])
})
