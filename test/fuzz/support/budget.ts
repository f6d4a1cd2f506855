/** How much a fuzzer does: `TOM_FUZZ=30` does thirty times as much, `TOM_FUZZ_SEED=7` begins elsewhere. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export const FACTOR = Number(process.env.TOM_FUZZ ?? 1)
/** ms */
export const TIMEOUT = 60_000 * FACTOR
export const SEED = process.env.TOM_FUZZ_SEED ?? '1'

/** Bytes of heap and array buffers that are really in use. */
export function memoryInUse(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
