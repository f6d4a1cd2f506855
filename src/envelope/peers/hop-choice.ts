/**
 * Which hop is to carry a message that does not get to its recipient straight: a random one of the best few by our own measurement, so that a node that merely
 * says it is good, or was seen last, wins nothing, and no single one carries all (spec/envelope.md §5.6, W10, W26).
 */
import { type RandomSource, uniform } from '../../platform/index.ts'

/** The best so many are candidates, and one more of the others, whoever it is: newcomers get a chance to prove themselves, failed ones another (L4b). */
const BEST = 4

/** Without a connection a dial comes first, which takes time and may fail. */
const UNCONNECTED_SHARE = 0.5
/** A peer that is no relay forwards as well where it is named; that one is says little, for it may only claim so. */
const PLAIN_PEER_SHARE = 0.8

/** A number above 0: how much is expected of a hop. `success` is measured, from 0.01 to 1, 0.5 for a node nobody has tried; the rest shifts it by 2.5 at most. */
export function hopWeight(success: number, isConnected: boolean, isRelay: boolean): number {
  return success * (isConnected ? 1 : UNCONNECTED_SHARE) * (isRelay ? 1 : PLAIN_PEER_SHARE)
}

/** One of the best few of `weights`, by its index, the likelier the better it is; -1: there are none. */
export function chooseByWeight(weights: readonly number[], random: RandomSource): number {
  const order = [...weights.keys()].sort((one, other) => weights[other]! - weights[one]!)
  const few = order.slice(0, BEST)
  const others = order.length - few.length
  if (others > 0) few.push(order[BEST + Math.floor(uniform(random) * others)]!)
  let sum = 0
  for (const index of few) sum += weights[index]!
  let turn = uniform(random) * sum
  for (const index of few) {
    turn -= weights[index]!
    if (turn < 0) return index
  }
  return few.at(-1) ?? -1
}
