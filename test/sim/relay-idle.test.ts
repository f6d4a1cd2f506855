import { expect, test } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import type { Driver } from '../../src/driver/index.ts'
import { EndpointRelays } from '../../src/endpoint/relays.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { RelayWorld } from './support/relay/world.ts'

test('spec/relay.md §5.5: a relay that was closed for want of use is not lost: its routes stay open', async () => {
  const world = new RelayWorld('idle')
  const relay = world.relay('a')
  const told: boolean[] = []
  const relays = new EndpointRelays({
    platform: world.host('node'),
    crypto: createNodeCrypto(),
    secretKey: SecretKey.generate(world.random),
    relays: [],
    policy: () => true,
    trustedRoots: () => undefined,
    stun: undefined,
    onChange: () => {},
    onHome: () => {},
    onReport: () => {},
    onError: () => {},
  })
  relays.start({ relayChanged: (_url: string, isLost: boolean) => told.push(isLost) } as unknown as Driver)
  relays.carrier.send(relay.url, new Uint8Array(32).fill(7), new Uint8Array(100))
  relays.carrier.flush()
  await world.run(1_000)
  expect(relay.hub.clientCount).toBe(1)
  await world.run(70_000)
  expect(relay.hub.clientCount).toBe(0)
  expect(told.length).toBeGreaterThan(1)
  expect(told).not.toContain(true)
  // one that was lost is another matter
  relays.carrier.send(relay.url, new Uint8Array(32).fill(7), new Uint8Array(100))
  relays.carrier.flush()
  await world.run(1_000)
  relay.kill()
  await world.run(100)
  expect(told).toContain(true)
  await world.value(relays.close(), 5_000)
})
