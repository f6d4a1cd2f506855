/** The door of the driver room. */
export type { ConnectionHandler } from './connection-record.ts'
export { type DialOptions, Driver, type DriverOptions, type DriverStats } from './driver.ts'
export type { SlotPoolOptions } from './slot-pool.ts'
