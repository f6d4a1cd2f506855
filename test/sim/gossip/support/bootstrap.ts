/** How a swarm comes to be (spec/gossip.md §12.2): all at once through one node or a few, or one after the other as in the HyParView paper. */
import type { Swarm } from './swarm.ts'

export type Bootstrap =
  | { readonly kind: 'single' }
  | { readonly kind: 'set'; readonly count: number }
  /** Every `intervalMs` one more. Its contact is the first node, or any that is there. */
  | { readonly kind: 'sequential'; readonly intervalMs: number; readonly contact: 'first' | 'random' }

/** Trips until the views have settled. */
const SETTLING_TRIPS = 20
const SET_TRIPS = 7

export function bootstrap(swarm: Swarm, count: number, how: Bootstrap): void {
  swarm.add([])
  switch (how.kind) {
    case 'single':
      for (let node = 1; node < count; node++) swarm.add([0])
      break
    case 'set': {
      const first = Math.min(how.count, count)
      for (let node = 1; node < first; node++) swarm.add([0])
      swarm.runTrips(SET_TRIPS)
      for (let node = first; node < count; node++) swarm.add([swarm.random.int(0, first - 1)])
      break
    }
    case 'sequential':
      for (let node = 1; node < count; node++) {
        swarm.runForMs(how.intervalMs)
        swarm.add([how.contact === 'first' ? 0 : swarm.random.int(0, node - 1)])
      }
  }
  swarm.runTrips(SETTLING_TRIPS)
}

/** Membership cycles: one is as long as the time between two shuffles of a node. */
export function runCycles(swarm: Swarm, count: number): void {
  swarm.runForMs(count * swarm.options.profile.membership.shuffleIntervalMs)
}
