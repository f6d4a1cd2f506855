/** What connections cost that were punched and have nothing to say: packets and CPU time a minute, keep-alives on the direct path and on the relay behind it. */

import type { NativePeer } from '../../conformance/peer.ts'
import { TOM, usageOfProcess } from '../contenders.ts'
import { pause } from '../pause.ts'
import type { Results } from '../rows.ts'
import { summarize } from '../statistics.ts'
import { HOLEPUNCH, NATIVE } from './names.ts'
import { OurNode, relayTicket, startNative } from './peers.ts'

const AT_ONCE = 10
/** Path ids, retries and what else follows a punch are over by then, ms. */
const SETTLE_MS = 15_000
const DIRECT_LIMIT_MS = 60_000

export interface IdlePlan {
  readonly connections: number
  readonly seconds: number
}

interface Cost {
  /** Of both ends. */
  readonly packets: number
  readonly cpuMs: number
}

async function ours(relay: string, { connections, seconds }: IdlePlan): Promise<Cost> {
  const nodes = await Promise.all([OurNode.start(relay), OurNode.start(relay)])
  const [listener, dialler] = nodes
  try {
    const target = relayTicket(await listener.bind(), relay)
    await dialler.bind()
    for (let index = 0; index < connections; index += AT_ONCE)
      await Promise.all(Array.from({ length: Math.min(AT_ONCE, connections - index) }, () => dialler.dial(target)))
    await allDirect(connections, () => dialler.direct())
    await pause(SETTLE_MS)
    const usage = async () => {
      const both = await Promise.all(nodes.map((node) => node.usage()))
      return both.reduce((sum, one) => ({
        cpuUs: sum.cpuUs + one.cpuUs,
        datagramsSent: sum.datagramsSent + one.datagramsSent,
      }))
    }
    const before = await usage()
    await pause(seconds * 1000)
    const after = await usage()
    return { packets: after.datagramsSent - before.datagramsSent, cpuMs: (after.cpuUs - before.cpuUs) / 1000 }
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
}

async function natives(relay: string, { connections, seconds }: IdlePlan): Promise<Cost> {
  const nodes = await Promise.all([startNative(relay), startNative(relay)])
  const [listener, dialler] = nodes
  try {
    const target = { id: listener.id, addrs: [relay] }
    const numbers: number[] = []
    for (let index = 0; index < connections; index += AT_ONCE) {
      const links = await Promise.all(
        Array.from({ length: Math.min(AT_ONCE, connections - index) }, () => dialler.connect(target)),
      )
      for (const { number } of links) numbers.push(number)
    }
    const isDirect = async (number: number): Promise<boolean> =>
      (await dialler.connection(number).paths()).paths.some(({ kind, selected }) => selected && kind === 'direct')
    await allDirect(connections, async () => (await Promise.all(numbers.map(isDirect))).filter(Boolean).length)
    await pause(SETTLE_MS)
    // asking a thousand times costs CPU time: it is read within
    const packets = async (): Promise<number> =>
      (await Promise.all(nodes.map(packetsOf))).reduce((sum, one) => sum + one)
    const cpu = (): number => nodes.reduce((sum, { pid }) => sum + usageOfProcess(pid).cpuUs, 0)
    const [packetsBefore, cpuBefore] = [await packets(), cpu()]
    await pause(seconds * 1000)
    const cpuUs = cpu() - cpuBefore
    return { packets: (await packets()) - packetsBefore, cpuMs: cpuUs / 1000 }
  } finally {
    await Promise.all(nodes.map((node) => node.stop()))
  }
}

/** Of all connections of a native node. */
async function packetsOf(peer: NativePeer): Promise<number> {
  const accepted = peer.events.flatMap((event) => (event.event === 'connection' ? [event.connection] : []))
  const dialled = peer.events.flatMap((event) => (event.event === 'path' ? [event.connection] : []))
  const numbers = [...new Set([...accepted, ...dialled])]
  const counts = await Promise.all(
    numbers.map(async (number) => {
      const { paths } = await peer.connection(number).paths()
      return paths.reduce((sum, { sentDatagrams }) => sum + (sentDatagrams ?? 0), 0)
    }),
  )
  return counts.reduce((sum, one) => sum + one, 0)
}

async function allDirect(connections: number, count: () => Promise<number>): Promise<void> {
  const deadline = performance.now() + DIRECT_LIMIT_MS
  while ((await count()) < connections) {
    if (performance.now() > deadline) throw new Error(`not all of ${connections} connections went direct`)
    await pause(500)
  }
}

export async function measureIdlePaths(
  relay: string,
  plan: IdlePlan,
  withNative: boolean,
  results: Results,
): Promise<void> {
  for (const [stack, measure] of [[TOM, ours] as const, ...(withNative ? [[NATIVE, natives] as const] : [])]) {
    try {
      const { packets, cpuMs } = await measure(relay, plan)
      const minutes = plan.seconds / 60
      results.add(HOLEPUNCH, 'idle packets', stack, summarize([packets / minutes / plan.connections]))
      results.add(HOLEPUNCH, 'idle CPU ms', stack, summarize([cpuMs / minutes / plan.connections]))
    } catch (error) {
      results.absent(stack, error, HOLEPUNCH)
    }
  }
}
