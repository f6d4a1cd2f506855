/**
 * Names of the interfaces that the default routes use, from the kernel's tables (Linux: /proc/net/route, /proc/net/ipv6_route). Other systems
 * have no such files, some (Android) refuse them: then nothing is known.
 */
import { readFileSync } from 'node:fs'
import type { DefaultRoutes } from '../platform.ts'

/** The route is usable, and: it refuses what it is asked to carry (Linux, route.h). */
const FLAG_UP = 0x0001
const FLAG_REJECT = 0x0200

/** Whoever asks again within this gets the same answer, ms: a platform may serve many endpoints, each of which looks once a second. */
const KEPT_MS = 50

interface Route {
  readonly name: string
  readonly metric: number
}

/** What /proc/net/route says: a header, then name, destination, gateway, flags, …, metric, mask a line; numbers of 4 bytes in hex. */
export function defaultRoute4(table: string): string | undefined {
  return best(table, ([name, , , flags, , , metric, mask]) =>
    Number.parseInt(mask!, 16) === 0 && isUsable(flags!) ? { name: name!, metric: Number(metric) } : undefined,
  )
}

/** What /proc/net/ipv6_route says: destination, its prefix length, source, its length, next hop, metric, …, flags, name a line, all hex. */
export function defaultRoute6(table: string): string | undefined {
  return best(table, ([, prefixLength, , sourceLength, , metric, , , flags, name]) =>
    prefixLength === '00' && sourceLength === '00' && isUsable(flags!)
      ? { name: name!, metric: Number.parseInt(metric!, 16) }
      : undefined,
  )
}

function isUsable(flags: string): boolean {
  return (Number.parseInt(flags, 16) & (FLAG_UP | FLAG_REJECT)) === FLAG_UP
}

/** The lowest metric, the first of equals. A line that is cut short has no route. */
function best(table: string, routeOf: (fields: readonly string[]) => Route | undefined): string | undefined {
  let found: Route | undefined
  for (const line of table.split('\n')) {
    const fields = line.trim().split(/\s+/)
    const route = fields.length < 10 ? undefined : routeOf(fields)
    if (route !== undefined && !(found !== undefined && found.metric <= route.metric)) found = route
  }
  return found?.name
}

/** Reads the tables, at most every `KEPT_MS`. */
export class DefaultRouteReader {
  readonly #read: (path: string) => string
  readonly #now: () => number
  #answer: DefaultRoutes | undefined = undefined
  #readAt = Number.NEGATIVE_INFINITY

  /** `read` gives a whole file or throws; `now` in ms. */
  constructor(now: () => number, read: (path: string) => string = (path) => readFileSync(path, 'utf8')) {
    this.#now = now
    this.#read = read
  }

  /** Undefined when the system does not say. */
  routes(): DefaultRoutes | undefined {
    const now = this.#now()
    if (now - this.#readAt < KEPT_MS) return this.#answer
    this.#readAt = now
    const table4 = this.#table('/proc/net/route')
    // Without IPv6 in the kernel there is only the other file.
    const table6 = this.#table('/proc/net/ipv6_route')
    if (table4 === undefined && table6 === undefined) this.#answer = undefined
    else {
      const v4 = table4 === undefined ? undefined : defaultRoute4(table4)
      const v6 = table6 === undefined ? undefined : defaultRoute6(table6)
      this.#answer = { ...(v4 === undefined ? {} : { v4 }), ...(v6 === undefined ? {} : { v6 }) }
    }
    return this.#answer
  }

  #table(path: string): string | undefined {
    try {
      return this.#read(path)
    } catch {
      return undefined
    }
  }
}
