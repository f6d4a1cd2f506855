/** From the dial, by a ticket that names the relay alone, until data goes direct: ours, and native iroh in the same place. */
import { TOM } from '../contenders.ts'
import type { Results } from '../rows.ts'
import { percentile, summarize } from '../statistics.ts'
import { HOLEPUNCH, NATIVE } from './names.ts'
import { nativeSelects, OurNode, relayTicket, type Selection, startNative, wallMs } from './peers.ts'

/** The first of ours pay for the compiler. */
const WARM_UPS = 50

interface Punch {
  /** The dialling end's. */
  readonly ms: number
  readonly connectMs: number
  /** Of both ends, each until it went direct itself. */
  readonly packets: number
}

function punchOf(begin: number, connectMs: number, dialler: Selection, listener: Selection): Punch {
  return { ms: dialler.at - begin, connectMs, packets: dialler.sentDatagrams + listener.sentDatagrams }
}

/** The dialling endpoint is a fresh one in each run: an endpoint remembers a peer's addresses for a minute. */
async function ours(relay: string, runs: number): Promise<Punch[]> {
  const listener = await OurNode.start(relay)
  const dialler = await OurNode.start(relay)
  const punches: Punch[] = []
  try {
    const target = relayTicket(await listener.bind(), relay)
    for (let run = -WARM_UPS; run < runs; run++) {
      await dialler.bind()
      const begin = wallMs()
      const { number, connectMs } = await dialler.dial(target)
      const selected = await dialler.selects(number, 'direct')
      const punch = punchOf(begin, connectMs, selected, await listener.selects(number, 'direct'))
      if (run >= 0) punches.push(punch)
    }
  } finally {
    await Promise.all([listener.stop(), dialler.stop()])
  }
  return punches
}

async function natives(relay: string, runs: number): Promise<Punch[]> {
  const listener = await startNative(relay)
  const punches: Punch[] = []
  try {
    for (let run = 0; run < runs; run++) {
      const dialler = await startNative(relay)
      try {
        const begin = wallMs()
        const link = await dialler.connect({ id: listener.id, addrs: [relay] })
        const connectMs = wallMs() - begin
        const selected = await nativeSelects(dialler, link.number)
        const there = await listener.waitFor('connection', ({ remote }) => remote === dialler.id)
        punches.push(punchOf(begin, connectMs, selected, await nativeSelects(listener, there.connection)))
      } finally {
        await dialler.stop()
      }
    }
  } finally {
    await listener.stop()
  }
  return punches
}

export async function measureTimeToDirect(
  relay: string,
  runs: number,
  withNative: boolean,
  results: Results,
): Promise<void> {
  for (const [stack, measure] of [[TOM, ours] as const, ...(withNative ? [[NATIVE, natives] as const] : [])]) {
    try {
      const punches = await measure(relay, runs)
      const times = punches.map(({ ms }) => ms)
      results.add(HOLEPUNCH, 'direct, ms', stack, summarize(times))
      results.add(HOLEPUNCH, 'direct p95, ms', stack, summarize([percentile(times, 0.95)]))
      results.add(HOLEPUNCH, 'connect, ms', stack, summarize(punches.map(({ connectMs }) => connectMs)))
      results.add(HOLEPUNCH, 'packets', stack, summarize(punches.map(({ packets }) => packets)))
    } catch (error) {
      results.absent(stack, error, HOLEPUNCH)
    }
  }
}
