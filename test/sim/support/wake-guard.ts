/**
 * Watches how a connection asks to be woken. A tick that changes nothing must not be due again at the same instant, and a connection must not
 * ask for tick after tick of which nothing comes: the first would be a busy loop in the driver, the second a hot timer.
 */
import type { Connection, DatagramSlots, Transmit } from '../../../src/quic/index.ts'

/** A tick may leave another due at once: when losses are settled, a probe timeout that stood behind them may be over as well. Not more than that. */
const MOST_DUE_AGAIN = 2
/** So many ticks in a row, within `SPAN_MS`, with nothing sent, received or told in between. */
const MOST_IDLE_TICKS = 20
const SPAN_MS = 1000

/** Decorates the calls of the driver. `report` gets one line for each fault. */
export function guardWakes(connection: Connection, slots: DatagramSlots, report: (fault: string) => void): Connection {
  /** Of the last tick, when nothing arrived since; else -1. */
  let tickedAt = -1
  /** Of the last poll that had nothing to send although there were slots; else -1. */
  let drainedAt = -1
  /** Times of the ticks of which nothing came so far. */
  const idleTicks: number[] = []
  /** Ticks in a row that were due again at once. */
  let dueAgain = 0
  const happened = () => {
    idleTicks.length = 0
    dueAgain = 0
  }
  const receive = connection.receive.bind(connection)
  connection.receive = (...all: Parameters<Connection['receive']>) => {
    tickedAt = -1
    happened()
    return receive(...all)
  }
  const tick = connection.tick.bind(connection)
  connection.tick = (now: number) => {
    tickedAt = now
    idleTicks.push(now)
    if (idleTicks.length > MOST_IDLE_TICKS && now - idleTicks.shift()! < SPAN_MS) {
      report(`${MOST_IDLE_TICKS} ticks at ${now.toFixed(1)} ms and shortly before, and nothing came of them`)
      happened()
    }
    tick(now)
  }
  const poll = connection.poll.bind(connection)
  connection.poll = (now: number, out: Transmit) => {
    const sent = poll(now, out)
    if (sent) happened()
    drainedAt = sent || !hasSlot(slots) ? -1 : now
    return sent
  }
  const nextEvent = connection.nextEvent.bind(connection)
  connection.nextEvent = () => {
    const event = nextEvent()
    if (event !== undefined) {
      happened()
      // The application may have done something by now.
      drainedAt = -1
    }
    return event
  }
  const deadline = connection.deadline.bind(connection)
  connection.deadline = () => {
    const at = deadline()
    if (tickedAt === -1 || tickedAt !== drainedAt) return at
    if (at > tickedAt) dueAgain = 0
    else if (++dueAgain > MOST_DUE_AGAIN) {
      report(
        `ticks up to ${tickedAt.toFixed(3)} ms are due again at ${at.toFixed(3)} ms, and there was nothing to send`,
      )
      dueAgain = 0
    }
    return at
  }
  return connection
}

function hasSlot(slots: DatagramSlots): boolean {
  const slot = slots.acquire()
  if (slot === -1) return false
  slots.release(slot)
  return true
}
