/** Which seeds a file of this folder runs. */

/** One of `TOM_SIM_SEED=kind:7`, all of `TOM_SIM_SEEDS=1..500`, or the usual ones. */
export function seedsOf(kind: string, usual: readonly number[]): readonly number[] {
  const one = process.env.TOM_SIM_SEED
  if (one !== undefined) return one.startsWith(`${kind}:`) ? [Number(one.slice(kind.length + 1))] : []
  const asked = process.env.TOM_SIM_SEEDS
  if (asked === undefined) return usual
  const [from, to] = asked.includes('..') ? asked.split('..').map(Number) : [1, Number(asked)]
  return Array.from({ length: to! - from! + 1 }, (_, index) => from! + index)
}
