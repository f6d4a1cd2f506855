/** Whom a person means by a name or the beginning of an id. Pure. */

export interface Named {
  /** 64 hex digits. */
  readonly id: string
  readonly name: string
}

/** Digits of an id that are enough, where they fit one peer. */
const MIN_PREFIX = 4

/** The one who is meant, or why nobody is: names are what peers call themselves, so two of one name are told apart by id only. */
export function findPeer<T extends Named>(
  peers: Iterable<T>,
  who: string,
): { readonly peer: T } | { readonly problem: string } {
  const all = [...peers]
  const isPrefix = who.length >= MIN_PREFIX && /^[0-9a-f]+$/.test(who)
  let found = all.filter(({ id, name }) => name === who || (isPrefix && id.startsWith(who)))
  if (found.length === 0) found = all.filter(({ name }) => name.toLowerCase() === who.toLowerCase())
  const [peer] = found
  if (peer === undefined) return { problem: `nobody known is called ${JSON.stringify(who)}` }
  if (found.length === 1) return { peer }
  return { problem: `${JSON.stringify(who)} may be ${found.map(({ id }) => id.slice(0, 10)).join(' or ')}: say which` }
}
