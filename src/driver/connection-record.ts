/** What the driver keeps for one connection: who hears its events, its place in the deadline heap, and the routes it holds. */
import { type Connection, type ConnectionEvent, NO_ROUTE, type Route } from '../quic/index.ts'
import type { Deadlined } from './deadline-heap.ts'

/** Owner of a connection. */
export interface ConnectionHandler {
  /** Called in order, from a round of the driver. What it throws is reported and changes nothing. */
  onEvent(event: ConnectionEvent): void
}

/** Bound of the routes one connection may hold; a peer that wanders on has its oldest route forgotten. */
const MAX_HELD_ROUTES = 256

export class ConnectionRecord implements Deadlined {
  readonly connection: Connection
  readonly handler: ConnectionHandler
  deadline = Number.POSITIVE_INFINITY
  heapIndex = -1
  /** In the list for the coming round. */
  isTouched = false
  /** `connected` was delivered. */
  isOpen = false
  /** Its events were handed out; what came of them is sent by the round that follows. */
  isHeard = false
  /** `closed` was delivered. */
  isClosed = false
  /** `drained` was delivered. */
  isGone = false
  /** The route of the last datagram sent: nearly always that of the next one. */
  lastRoute: Route = NO_ROUTE
  /** Oldest first; mostly one, and looked through only when a datagram goes elsewhere than the last one. */
  routes: Route[] = []

  constructor(connection: Connection, handler: ConnectionHandler) {
    this.connection = connection
    this.handler = handler
  }

  /** Adds a route. Returns `route` itself when it was held already, another one when that had to go for it, else undefined. */
  hold(route: Route): Route | undefined {
    if (this.routes.includes(route)) return route
    // Of exactly this length: an array that is pushed to gets room for 17.
    if (this.routes.length === 0) this.routes = [route]
    else this.routes.push(route)
    return this.routes.length > MAX_HELD_ROUTES ? this.routes.shift() : undefined
  }
}
