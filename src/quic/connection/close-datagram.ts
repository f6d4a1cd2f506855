/** The datagram with CONNECTION_CLOSE, at every level the peer may be able to read (RFC 9000 §10.2, §10.2.3). */
import { ACK_DELAY_EXPONENT, MIN_DATAGRAM } from '../config.ts'
import { ErrorCode } from '../errors.ts'
import { Level } from '../level.ts'
import type { Path } from '../path/path.ts'
import type { Transmit } from '../slots.ts'
import { writeConnectionClose } from '../wire/control-frames.ts'
import type { DatagramBuilder } from './datagram-builder.ts'
import type { Parts } from './parts.ts'

const EMPTY = new Uint8Array(0)
/** A datagram of fewer bytes holds no packet with a CONNECTION_CLOSE. */
const LEAST_DATAGRAM = 64
/** Room in a packet for the frame without a reason, bytes. */
const LEAST_ROOM = 24

/** Says CONNECTION_CLOSE as often as the lifecycle wants it said. */
export class CloseDatagrams {
  readonly #parts: Parts
  readonly #builder: DatagramBuilder
  /** Where it has yet to go this time. */
  #waiting: Path[] = []

  constructor(parts: Parts, builder: DatagramBuilder) {
    this.#parts = parts
    this.#builder = builder
  }

  /** False when nothing is to be sent, or no slot is free. */
  poll(now: number, out: Transmit): boolean {
    const { lifecycle, paths } = this.#parts
    if (lifecycle.closePending) {
      lifecycle.closePending = false
      // over every path: the preferred one may have died without anybody knowing, and soon nobody is here to say it again
      const ways = paths.live.filter((path) => path.isOpen && path.link.validated)
      this.#waiting = ways.length > 0 ? ways : [paths.preferred]
    }
    for (let path = this.#waiting[0]; path !== undefined; path = this.#waiting[0]) {
      const result = closeDatagram(this.#parts, this.#builder, path, now, out)
      if (result === 'no slot') return false
      this.#waiting.shift()
      if (result === 'sent') return true
    }
    return false
  }
}

function closeDatagram(
  parts: Parts,
  builder: DatagramBuilder,
  path: Path,
  now: number,
  out: Transmit,
): 'sent' | 'not allowed' | 'no slot' {
  const { handshake, slots, lifecycle, role } = parts
  const { link } = path
  const frame = lifecycle.closeFrame!
  const maxSize = Math.min(MIN_DATAGRAM, link.amplificationBudget)
  if (maxSize < LEAST_DATAGRAM) return 'not allowed'
  const slot = slots.acquire()
  if (slot === -1) return 'no slot'
  const base = slots.offset(slot)
  let at = base
  let count = 0
  let padded = false
  for (const level of [Level.Initial, Level.Handshake, Level.OneRtt] as const) {
    const isOneRtt = level === Level.OneRtt
    // a server may close in 1-RTT before the handshake is complete
    const space = isOneRtt ? (handshake.oneRtt === undefined ? undefined : path.space) : builder.space(level, path)
    if (space === undefined || (handshake.isConfirmed && !isOneRtt)) continue
    const draft = builder.drafts[count]!
    const { writer } = draft
    if (!builder.begin(draft, at, base + maxSize, space, path) || writer.room < LEAST_ROOM) continue
    if (space.received.largest !== -1)
      space.received.writeAck(writer, writer.multipath ? path.id : -1, ACK_DELAY_EXPONENT, now)
    if (writer.room < LEAST_ROOM) continue
    // RFC 9000 §10.2.3: the application's code and words are for 1-RTT only
    if (frame.application && !isOneRtt) writeConnectionClose(writer, false, ErrorCode.APPLICATION_ERROR, 0, EMPTY)
    else writeConnectionClose(writer, frame.application, frame.code, frame.frameType, frame.reason)
    if (level === Level.Initial && role === 'client') padded = true
    at += draft.size
    count++
  }
  if (count === 0) {
    slots.release(slot)
    return 'not allowed'
  }
  if (padded) builder.drafts[count - 1]!.padTo(base + MIN_DATAGRAM)
  let length = 0
  for (let index = 0; index < count; index++) length += builder.seal(builder.drafts[index]!, now)
  builder.handOver(out, slot, length, path, link, link.route, 'data')
  return 'sent'
}
