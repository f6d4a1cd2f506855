import { expect, test } from 'vitest'
import { PathMonitor } from '../../src/cli/path-monitor.ts'
import { JsonReporter } from '../../src/cli/reporter.ts'
import type { Run } from '../../src/cli/run.ts'
import type { Connection, PathInfo } from '../../src/endpoint/index.ts'

type Path = Pick<PathInfo, 'kind' | 'remote' | 'rttMs' | 'selected'>

const RELAY: Path = { kind: 'relay', remote: 'https://relay.example./', rttMs: 150.5, selected: true }
const DIRECT: Path = { kind: 'direct', remote: '[2001:db8::1]:41000', rttMs: 31, selected: true }
const other = (path: Path): Path => ({ ...path, selected: false })

/** A connection whose paths the test sets. */
class FakeConnection {
  closeReason: Error | undefined = undefined
  #paths: readonly Path[]
  #wake: () => void = () => {}

  constructor(...paths: Path[]) {
    this.#paths = paths
  }

  paths(): readonly Path[] {
    return this.#paths
  }

  async *pathEvents() {
    for (;;) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      yield { type: 'lagged', missed: 1 }
    }
  }

  async become(...paths: Path[]): Promise<void> {
    this.#paths = paths
    this.#wake()
    for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  }
}

function watch(connection: FakeConnection) {
  const lines: string[] = []
  let elapsed = 0
  const output = { stdout: (line: string) => lines.push(line), stderr: () => expect.unreachable() }
  const run: Run = {
    output,
    reporter: new JsonReporter(output),
    interrupted: new AbortController().signal,
    now: () => 0,
    wallClock: () => 0,
    elapsed: () => ++elapsed / 2,
    sleep: () => expect.unreachable(),
  }
  return { lines, monitor: new PathMonitor(connection as unknown as Connection, run) }
}

test('spec/envelope.md §8.3: from relay to direct and back, to nothing and to relay; only the kind that is used counts', async () => {
  const connection = new FakeConnection(RELAY)
  const { lines, monitor } = watch(connection)
  expect(monitor.selected).toBe('RELAY')
  expect(monitor.directSince).toBeUndefined()
  await connection.become(RELAY, other(DIRECT))
  await connection.become(other(RELAY), DIRECT)
  expect(monitor.selected).toBe('DIRECT')
  await connection.become(other(RELAY), other(DIRECT), { ...DIRECT, remote: '203.0.113.5:41000' })
  await connection.become(RELAY)
  await connection.become()
  expect(monitor.selected).toBe('NONE')
  await connection.become(other(RELAY), DIRECT)
  const relay = 'relay:Relay(RelayUrl(\\"https://relay.example./\\"))'
  const change = (selected: string, rtt: string, paths: string, elapsed: string): string =>
    `{"event":"path_change","selected":"${selected}","rtt_ms":${rtt},"paths":[${paths}],"elapsed_s":${elapsed}}`
  expect(lines).toEqual([
    change('RELAY', '150.5', `"${relay}*"`, '0.5'),
    change('DIRECT', '31.0', `"${relay}","ip:Ip([2001:db8::1]:41000)*"`, '1.0'),
    change('RELAY', '150.5', `"${relay}*"`, '1.5'),
    change('NONE', '0.0', '', '2.0'),
    change('DIRECT', '31.0', `"${relay}","ip:Ip([2001:db8::1]:41000)*"`, '2.5'),
  ])
  // The first time counts.
  expect(monitor.directSince).toBe(1)
})

test('a connection that closes is no change of path', async () => {
  const connection = new FakeConnection(DIRECT)
  const { lines, monitor } = watch(connection)
  connection.closeReason = new Error('closed')
  await connection.become()
  expect(lines.length).toBe(1)
  expect(monitor.selected).toBe('DIRECT')
})
