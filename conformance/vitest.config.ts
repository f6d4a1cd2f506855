import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// One file after the other: each wants both cores, one for our node and one for the peer.
export default defineConfig({
  test: {
    name: 'conformance',
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['conformance/native.test.ts', 'test/interop/iroh.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
