/** How much a fuzzer does: `TOM_FUZZ=30` does thirty times as much, `TOM_FUZZ_SEED=7` begins elsewhere. */

export const FACTOR = Number(process.env.TOM_FUZZ ?? 1)
/** ms */
export const TIMEOUT = 60_000 * FACTOR
export const SEED = process.env.TOM_FUZZ_SEED ?? '1'
