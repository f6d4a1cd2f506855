/** Counters of a driver, over all connections. */
export interface DriverStats {
  datagramsReceived: number
  datagramsSent: number
  bytesReceived: number
  bytesSent: number
  /** Received, but larger than a slot or empty. */
  datagramsRefused: number
  /** To be sent on a route that is gone. */
  datagramsUnroutable: number
  /** STUN and disco packets, which are not among the datagrams. */
  foreignReceived: number
  foreignSent: number
  rounds: number
}

export function noStats(): DriverStats {
  return {
    datagramsReceived: 0,
    datagramsSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    datagramsRefused: 0,
    datagramsUnroutable: 0,
    foreignReceived: 0,
    foreignSent: 0,
    rounds: 0,
  }
}
