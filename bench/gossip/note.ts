/** What must be said below the gossip tables: where the nodes live, what each figure is, from the plan that was measured. */
import type { GossipPlan } from './measure.ts'

export function gossipNote({ swarms, floods, idle }: GossipPlan): string {
  const main = swarms[0]!
  const rounds = swarms.map(({ size, rounds }) => `${size} nodes: ${rounds}`).join(', ')
  const messages = floods.map(({ size, messages }) => `${messages.toLocaleString('en-US')} to ${size - 1}`).join(', ')
  const broadcasts = [...new Set(swarms.map(({ traffic }) => traffic.broadcasts))].join(' or ')
  return (
    'Layout: one machine, two processes with half of the nodes each, every node an endpoint with a UDP socket of its own on 127.0.0.1, no relay; fresh processes for each round, ours and native ' +
    `in turns (rounds: ${rounds}; floods: ${floods[0]!.rounds}). All nodes know the first one alone and come one after the other, each once the one before has a neighbour. ` +
    '*Whole*: everybody has a neighbour and one broadcast from each of five nodes has reached all others. ' +
    `Latency: all pairs of message and receiver of ${broadcasts} broadcasts from senders in turns, 64 to 256 bytes, ${main.traffic.perSecond} a second, after ${main.warmUp.broadcasts} that do not count; ` +
    'from just before the call until the receiving application has it. CPU: user and system time of both processes, idling included; each node gets the whole rate, so a node uses the rate times that. Resident: both processes at the end, what a process needs without nodes included, by the nodes. ' +
    `Idle: ${idle.size} nodes for ${idle.seconds} s, memory above processes without a node, garbage collected. ` +
    `Floods: one node's broadcasts as fast as they are taken (${messages}); what a receiver got a second, on the average.`
  )
}
