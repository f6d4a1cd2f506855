import { defineConfig } from 'vitest/config'

// Network namespaces, one scenario after the other: they measure time to a connection, and the machine is shared.
export default defineConfig({
  test: {
    include: ['test/lab/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
})
