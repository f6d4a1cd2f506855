import { expect, test, vi } from 'vitest'
import { Pair } from './pair.ts'

// none of our settings forbids migration, but a peer's transport parameters may
vi.mock('../../../src/quic/config.ts', async (original) => {
  const config = await original<typeof import('../../../src/quic/config.ts')>()
  return {
    ...config,
    localParameters: (settings: Parameters<typeof config.localParameters>[0]) => ({
      ...config.localParameters(settings),
      disableActiveMigration: true,
    }),
  }
})

test('RFC 9000 §9: a client whose peer forbids active migration stays where it is', () => {
  const pair = new Pair().connect()
  pair.run(500)
  expect(() => pair.client.connection!.migrate(200, pair.now)).toThrow(/not allow/)
  expect(pair.client.connection!.route).toBe(100)
  expect(pair.carries(10_000)).toBe(true)
})
