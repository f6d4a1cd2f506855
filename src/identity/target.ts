/** What may be given as "whom to dial", as values and as text. */
import { EndpointAddr } from './endpoint-addr.ts'
import { EndpointId } from './endpoint-id.ts'
import { EndpointTicket, TICKET_PREFIX } from './endpoint-ticket.ts'
import { IdentityError } from './errors.ts'

/** An id in base32 has this many characters and may by chance begin like a ticket, which is always longer. */
const BASE32_ID_LENGTH = 52

/**
 * Reads a ticket or an endpoint id (hex or base32); white space around it is ignored. Throws IdentityError: INVALID_TICKET, INVALID_ID, or
 * INVALID_TARGET for text that looks like neither.
 */
export function parseTarget(text: string): EndpointAddr {
  const target = text.trim()
  if (target.startsWith(TICKET_PREFIX) && target.length !== BASE32_ID_LENGTH) return EndpointTicket.parse(target).addr
  if (target.length === 64 || target.length === BASE32_ID_LENGTH) return new EndpointAddr(EndpointId.parse(target))
  // says what became of tickets of older versions
  if (target.startsWith('node')) return EndpointTicket.parse(target).addr
  throw new IdentityError(
    'INVALID_TARGET',
    `expected a ticket ("${TICKET_PREFIX}…") or an endpoint id (64 hex digits), got ${target.length} other characters`,
  )
}

/** Everything that names an endpoint to dial; a text is read by `parseTarget`. */
export type Target = EndpointAddr | EndpointTicket | EndpointId | string

/** The address that `target` means. Throws IdentityError for a text that means none. */
export function addrOf(target: Target): EndpointAddr {
  if (typeof target === 'string') return parseTarget(target)
  if (target instanceof EndpointTicket) return target.addr
  return target instanceof EndpointId ? new EndpointAddr(target) : target
}
