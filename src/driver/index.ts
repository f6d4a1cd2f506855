/** The door of the driver room. */
export type { ConnectionHandler } from './connection-record.ts'
export { type Deadlined, DeadlineHeap } from './deadline-heap.ts'
export { type DialOptions, Driver, type DriverOptions } from './driver.ts'
export type { DriverStats } from './driver-stats.ts'
export type { ForeignKind, ForeignPacket } from './foreign.ts'
export type { RelayCarrier, RouteEntry } from './route-entry.ts'
export type { SlotPoolOptions } from './slot-pool.ts'
