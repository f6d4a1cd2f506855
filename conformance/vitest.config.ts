import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// One file after the other: each wants both cores, one for our node and one for the peer.
export default defineConfig({
  test: {
    name: 'conformance',
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: [
      'conformance/native.test.ts',
      'test/interop/iroh.test.ts',
      'conformance/relay.test.ts',
      'conformance/holepunch.test.ts',
      'conformance/gossip.test.ts',
      'conformance/envelope.test.ts',
      'conformance/{relay,oracles}/*.test.ts',
    ],
    pool: 'forks',
    fileParallelism: false,
    // Of tests that say they may run at the same time.
    maxConcurrency: 2,
    // Real clocks and foreign processes: one test in some hundred asks a peer too early. A defect fails twice; what was retried is printed.
    retry: 1,
    expect: { poll: { timeout: 10_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
