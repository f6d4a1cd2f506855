/** What a random interaction happens on: ways and settings, drawn from its seed. The same forever: a change here makes old seeds mean something else. */
import type { QuicSettings } from '../../../../src/quic/index.ts'
import type { SimRandom } from '../random.ts'
import type { WaySpec } from './way.ts'

export function drawWay(random: SimRandom): WaySpec {
  const kind = random.pick(['ipv4', 'ipv4', 'ipv6', 'relay', 'mapped'] as const)
  const calm = random.chance(0.3)
  return {
    kind,
    nat: kind === 'ipv4' && random.chance(0.5),
    delayMs: random.pick([0.5, 5, 20, 60, 200]),
    jitterMs: calm ? 0 : random.pick([0, 1, 10, 40]),
    loss: calm ? 0 : random.pick([0, 0.01, 0.05, 0.15]),
    burst: random.pick([1, 3]),
    duplicate: calm ? 0 : random.pick([0, 0.05]),
    corrupt: calm ? 0 : random.pick([0, 0, 0.01]),
    straggle: calm ? { share: 0, ms: 0 } : { share: random.pick([0, 0.02]), ms: 300 },
    bottleneck: random.chance(0.3)
      ? { bytesPerMs: random.pick([40, 200, 1250]), queue: random.pick([10_000, 60_000]) }
      : undefined,
    mtu: random.pick([1500, 1500, 1400, 1280, 1200]),
  }
}

export function drawSettings(random: SimRandom): Partial<QuicSettings> {
  return {
    maxPathId: random.pick([7, 7, 15, 5]),
    keepAliveMs: random.pick([2000, 5000]),
    pathIdleTimeoutMs: random.pick([15_000, 15_000, 6500]),
    activeConnectionIdLimit: random.pick([2, 5, 8]),
    observedAddressRole: random.pick([undefined, 0, 1, 2] as const),
    minAckDelayUs: random.chance(0.3) ? undefined : 1000,
    skipPacketNumbers: random.chance(0.8),
    congestion: random.pick(['cubic', 'cubic', 'new-reno'] as const),
    maxMtu: random.pick([1452, 1200]),
  }
}
