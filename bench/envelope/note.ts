/** What must be said below the tables about messages: what each figure is and what limits it, from the plan that was measured. */
import type { EnvelopePlan } from './measure.ts'

export function envelopeNote({ sealing, pairs, wireSeeds, knownPeers, swarms }: EnvelopePlan): string {
  const number = (value: number): string => value.toLocaleString('en-US')
  const [main] = swarms
  const rounds = swarms.map(({ size, rounds }) => `${size} nodes: ${rounds}`).join(', ')
  const pairsOf = swarms.map(({ size, pairs: chosen }) => `${chosen} of ${size} nodes`).join(', ')
  return (
    `Envelopes: encrypted, signed and encoded; decoded, verified and decrypted; one thread, a fresh process, warmed up, ${sealing.rounds} rounds in turns with the same work in Rust (the libraries of the ToM ` +
    'stack, conformance/native). ' +
    `Two nodes: processes of their own on loopback, each trusting the other; the clock starts before \`send\`, so before the stream is opened, and stops when the signed acknowledgement has been ` +
    `verified and the receipt says delivered; ${number(pairs.roundTrips)} messages one after the other, then ${number(pairs.messages)} with ${pairs.inFlight} in flight, ${pairs.rounds} rounds; CPU is user and system time of both processes. ` +
    'Native nodes are told by JSON lines and hold no clock: a line there and the answer back are in their latency, and while messages are in flight the process that reads the lines uses the same cores. ' +
    'They answer before they have stored anything, keep no copy and know no receipts. Stored: `send` resolves when the message is synced to the disk, and the recipient acknowledges when it has synced that it has it; what is in flight together is synced together. ' +
    `Wire: two nodes in virtual time, ${wireSeeds.length} seeds: UDP payload of both directions for a message, its acknowledgement (an envelope too) and what QUIC says besides, each message alone, less what idle nodes say; ` +
    'IP and UDP headers come on top, 28 B a datagram. ' +
    `Known peers: ${number(knownPeers)} whose signed announcements were heard, with three addresses each, JavaScript heap and buffers after a garbage collection. ` +
    'Swarms: two processes with half of the nodes each, every node a UDP socket of its own on 127.0.0.1, no relay, fresh processes for each round ' +
    `(rounds: ${rounds}). All nodes know the first one alone and come one after the other, each once the one before has a neighbour; the clock runs from before the first one's start, so discovery contains all starts. ` +
    'Nodes are online by signed announcements, which neighbours hand to each other. ' +
    `First messages: 100 B between pairs that have no connection yet (${pairsOf}), ${main?.perSecond} a second: two handshakes, one each way; later ones on these connections. Not delivered: no acknowledgement within 15 s. ` +
    'One more node: by itself, from before its endpoint is opened; it writes to the first node it hears of, by its key alone. ' +
    `Idle: ${main?.idleSeconds} s, ${main?.settleSeconds} s after discovery; resident: both processes, what they need without nodes included. ` +
    'Article: PoC-2 (neighbour) and PoC-3 (discovery, first message) with three nodes, over the internet; it left 10, 50 and 100 open.'
  )
}
