/**
 * What our nodes announce over gossip inside a signed envelope of type PeerAnnounce: presence that proves itself, and where the peer is (W10). Ours alone: Rust nodes skip gossip that they
 * cannot read, and it is never sent over a stream.
 */
import { type EndpointAddr, EndpointTicket } from '../../identity/index.ts'
import type { PeerAnnounce } from './bodies.ts'
import { readAnnounce, writeAnnounce } from './body-codec.ts'
import { type KeyTest, PLAIN_TEST } from './known-keys.ts'
import { PackReader } from './pack-reader.ts'
import { PackWriter } from './pack-writer.ts'

/** The five of a PeerAnnounce, then the ticket. */
const FIELDS = 6
/** Gossip carries no more in all. */
const MAX_TICKET_LENGTH = 4_096

export interface SignedAnnounce {
  readonly announce: PeerAnnounce
  /** Where the peer says it is; its id is `announce.peer`. */
  readonly addr: EndpointAddr | undefined
}

/** The encryption key is left out: it follows from the peer's own. The address stands there as the text of an EndpointTicket. */
export function encodeSignedAnnounce({ announce, addr }: SignedAnnounce): Uint8Array {
  const writer = new PackWriter(512)
  writer.array(FIELDS)
  writeAnnounce(writer, announce, undefined)
  if (addr === undefined) writer.nil()
  else writer.string(new EndpointTicket(addr).toString())
  return writer.finish()
}

/** Throws EnvelopeError UNREADABLE_BODY, for the ticket of another peer too. `keys` remembers which keys are points of the curve. */
export function decodeSignedAnnounce(bytes: Uint8Array, keys: KeyTest = PLAIN_TEST): SignedAnnounce {
  const reader = new PackReader(bytes, 'UNREADABLE_BODY')
  reader.fields(FIELDS)
  const announce = readAnnounce(reader, keys)
  const addr = reader.isNil() ? undefined : readAddr(reader)
  if (addr !== undefined && addr.id.toString() !== announce.peer) throw reader.error('a ticket of another peer')
  reader.end()
  return { announce, addr }
}

function readAddr(reader: PackReader): EndpointAddr {
  const ticket = reader.string(MAX_TICKET_LENGTH)
  try {
    return EndpointTicket.parse(ticket).addr
  } catch {
    throw reader.error('an address that is no ticket')
  }
}
