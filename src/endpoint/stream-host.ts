/** What a stream needs of its connection. An interface, so that the two know each other in one direction only. */
import type { EndpointId } from '../identity/index.ts'
import type { Streams } from '../quic/index.ts'
import type { ConnectionClosedError } from './errors.ts'

export interface StreamHost {
  readonly streams: Streams
  readonly remoteId: EndpointId
  /** Set once the connection ended. */
  readonly closeError: ConnectionClosedError | undefined
  /** A verb was used: the driver has something to do. */
  touch(): void
  /** Runs `callback` a turn of the event loop later, when what has arrived by then is there to be read. */
  defer(callback: () => void): void
  sendOver(id: number): void
  receiveOver(id: number): void
}
