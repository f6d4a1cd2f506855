/**
 * One bulk transfer over relay, direct path and relay again, behind paced uplinks, and what it says about the goodput after the switch. Both nodes are ours; the
 * direct path is shut, opened and shut again in both processes (ShapedPlatform).
 */
import { median } from '../statistics.ts'
import { OurNode, relayTicket, wallMs } from './peers.ts'
import type { ShapedOptions } from './shaped-platform.ts'

/** Both ways are equal, so that what the switch costs is not hidden by a better path. */
export const SHAPE = { mbit: 20, delayMs: 10, queueBytes: 100_000 } as const
export const RTT_MS = 2 * SHAPE.delayMs
/** "Any 10-RTT window". */
const WINDOW_MS = 10 * RTT_MS

/** ms after the transfer began. */
export interface Timeline {
  readonly openAt: number
  readonly shutAt: number
  readonly endAt: number
}

/** The first round's probes go on for 4.1 s (spec/endpoint.md §3.4): the last ones find the gate open. */
export const TIMELINE: Timeline = { openAt: 3_500, shutAt: 10_000, endAt: 16_000 }

export interface Phase {
  readonly kind: 'relay' | 'direct'
  /** ms after the transfer began. */
  readonly from: number
  readonly to: number
}

export interface Switching {
  readonly stepMs: number
  /** Stream bytes that came in each step from the beginning on. */
  readonly bytes: readonly number[]
  /** ms after the beginning, smoothed RTT of the path in use, ms. */
  readonly rtts: readonly (readonly [number, number])[]
  readonly phases: readonly Phase[]
  readonly shutAt: number
}

export async function runSwitching(relay: string, timeline: Timeline = TIMELINE): Promise<Switching> {
  const { mbit, delayMs } = SHAPE
  const shape: ShapedOptions = { direct: SHAPE, relay: { mbit, delayMs }, isOpen: false }
  const [receiver, sender] = await Promise.all([OurNode.start(relay, shape), OurNode.start(relay, shape)])
  try {
    const target = relayTicket(await receiver.bind(), relay)
    await sender.bind()
    const { number } = await sender.dial(target)
    const begin = wallMs()
    await sender.send(number)
    const until = (at: number): Promise<void> =>
      new Promise((resolve) => setTimeout(resolve, Math.max(0, begin + at - wallMs())))
    const gate = async (isOpen: boolean): Promise<number> => {
      await Promise.all([receiver.gate(isOpen), sender.gate(isOpen)])
      return wallMs() - begin
    }
    await until(timeline.openAt)
    await gate(true)
    const direct = await sender.selects(number, 'direct')
    await until(timeline.shutAt)
    const shutAt = await gate(false)
    const back = await sender.selects(number, 'relay', begin + shutAt, 30_000)
    await until(timeline.endAt)
    const rtts = await sender.end()
    const { stepMs, steps } = await receiver.received()
    const first = Math.floor(begin / stepMs)
    const bytes = new Array<number>(Math.floor(timeline.endAt / stepMs)).fill(0)
    for (const [step, amount] of steps) if (bytes[step - first] !== undefined) bytes[step - first] = amount
    const [switchedAt, backAt] = [direct.at - begin, back.at - begin]
    return {
      stepMs,
      bytes,
      rtts: rtts.map(([at, rtt]) => [at - begin, rtt] as const),
      phases: [
        { kind: 'relay', from: 0, to: switchedAt },
        { kind: 'direct', from: switchedAt, to: backAt },
        { kind: 'relay', from: backAt, to: timeline.endAt },
      ],
      shutAt,
    }
  } finally {
    await Promise.all([receiver.stop(), sender.stop()])
  }
}

export interface SwitchFigures {
  /** Goodput of the last two seconds on the relay, Mbit/s. */
  readonly relayMbit: number
  /** From the switch until the direct path was shut: the worst window and the median one, as a share of that. */
  readonly worst: number
  readonly middle: number
  /** From the end of the direct path until the relay was selected, ms. */
  readonly leftAfterMs: number
  /** The longest time in which nothing came, from the end of the direct path on, ms. */
  readonly stallMs: number
}

/** Throws where a phase is too short to say something. */
export function switchFigures({ stepMs, bytes, phases, shutAt }: Switching): SwitchFigures {
  const [, direct] = phases
  if (direct === undefined || direct.from < 3_000) throw new Error('there was no relay phase before the direct one')
  const mbit = (from: number, to: number): number => {
    const steps = bytes.slice(Math.ceil(from / stepMs), Math.ceil(to / stepMs))
    return (steps.reduce((sum, amount) => sum + amount, 0) * 8) / (steps.length * stepMs) / 1000
  }
  const relayMbit = mbit(direct.from - 2_000, direct.from)
  const windows: number[] = []
  for (let from = direct.from; from + WINDOW_MS <= shutAt; from += stepMs) windows.push(mbit(from, from + WINDOW_MS))
  let stallMs = 0
  let silent = 0
  for (const amount of bytes.slice(Math.floor(shutAt / stepMs))) {
    silent = amount === 0 ? silent + stepMs : 0
    stallMs = Math.max(stallMs, silent)
  }
  return {
    relayMbit,
    worst: Math.min(...windows) / relayMbit,
    middle: median(windows) / relayMbit,
    leftAfterMs: direct.to - shutAt,
    stallMs,
  }
}
