/** The door of `discovery/`: address lookup. */
export type { AddressLookup, LookupAnswer } from './address-lookup.ts'
export { AddressLookups } from './lookups.ts'
export { MemoryLookup, type MemoryLookupOptions } from './memory-lookup.ts'
