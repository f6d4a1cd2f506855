/** All lookups of an endpoint as one: what is known is joined, and what must be asked for is only waited for when nothing is. */
import { EndpointAddr, type EndpointId } from '../identity/index.ts'
import type { AddressLookup, LookupAnswer } from './address-lookup.ts'

export class AddressLookups {
  readonly #lookups: AddressLookup[] = []

  add(lookup: AddressLookup): void {
    if (!this.#lookups.includes(lookup)) this.#lookups.push(lookup)
  }

  remove(lookup: AddressLookup): void {
    const index = this.#lookups.indexOf(lookup)
    if (index >= 0) this.#lookups.splice(index, 1)
  }

  /** `addr` and what the lookups know besides. A lookup that throws knows nothing. */
  resolve(addr: EndpointAddr, signal: AbortSignal | undefined): EndpointAddr | Promise<EndpointAddr> {
    let known = addr
    const asked: Promise<LookupAnswer>[] = []
    for (const lookup of this.#lookups) {
      const answer = ask(lookup, addr.id, signal)
      if (answer instanceof Promise) asked.push(answer)
      else if (answer !== undefined) known = known.withAddrs(answer.addrs)
    }
    if (known.isEmpty && asked.length > 0) return first(known, asked)
    // nobody waits for these, and their failures are nobody's
    for (const answer of asked) answer.catch(() => undefined)
    return known
  }
}

function ask(
  lookup: AddressLookup,
  id: EndpointId,
  signal: AbortSignal | undefined,
): LookupAnswer | Promise<LookupAnswer> {
  try {
    return lookup.lookup(id, signal)
  } catch {
    return undefined
  }
}

/** The first answer that has an address; what was known when none has. */
async function first(known: EndpointAddr, asked: readonly Promise<LookupAnswer>[]): Promise<EndpointAddr> {
  const useful = asked.map(async (answer) => {
    const addr = await answer
    if (addr === undefined || addr.isEmpty) throw new Error('nothing is known')
    return addr
  })
  try {
    const addr = await Promise.any(useful)
    return new EndpointAddr(known.id, addr.addrs)
  } catch {
    return known
  }
}
