/** What a run of a test case left behind, and the questions that the checks ask it. Each `expect…` throws with what it found instead. */
import type { Frame } from './dissect/frames.ts'
import { type Side, SUITE_NAMES } from './dissect/packet-keys.ts'
import type { ConnectionTrace, Packet } from './dissect/trace.ts'
import type { Datagram } from './network.ts'

export interface Evidence {
  readonly connections: readonly ConnectionTrace[]
  readonly datagrams: readonly Datagram[]
  /** Of all files together. */
  readonly bytes: number
  readonly fileCount: number
  /** The server is tom-transport. */
  readonly isOurServer: boolean
  readonly crossTrafficBytes: number
}

export function expectTrue(condition: boolean, message: string): void {
  if (!condition) throw new Error(message)
}

function has(packet: Packet, type: Frame['type']): boolean {
  return packet.frames.some((frame) => frame.type === type)
}

function allPackets({ connections }: Evidence): Packet[] {
  return connections.flatMap(({ packets }) => packets)
}

/** The only connection of a run. */
function only({ connections }: Evidence): ConnectionTrace {
  expectTrue(connections.length === 1, `expected 1 connection, the network saw ${connections.length}`)
  return connections[0]!
}

/** As many handshakes were completed as wanted, all in QUIC version 1, and every packet that the network saw could be read. */
export function expectHandshakes(evidence: Evidence, wanted: number): void {
  const done = evidence.connections.filter(({ packets }) => packets.some((packet) => has(packet, 'handshake_done')))
  expectTrue(
    done.length === wanted && evidence.connections.length === wanted,
    `expected ${wanted} handshakes, saw ${done.length} in ${evidence.connections.length} connections`,
  )
  // Strays do not count: stateless resets (RFC 9000 §10.3), for a damaged id or from whoever has the port of a client that is gone.
  const opaque = allPackets(evidence).filter(({ type }) => type === 'opaque')
  const [first] = opaque
  const described = `the first from the ${first?.from} to ${first?.destinationId} in ${first?.datagram.bytes.length} bytes`
  expectTrue(first === undefined, `${opaque.length} packets could not be opened, ${described}`)
}

export function expectRetries(evidence: Evidence, isWanted: boolean): void {
  const { packets } = only(evidence)
  const retries = packets.filter(({ type }) => type === 'retry')
  if (!isWanted) {
    expectTrue(retries.length === 0, 'there was a Retry packet that nobody asked for')
    return
  }
  expectTrue(retries.length > 0, 'there was no Retry packet')
  const initials = packets.filter(({ from, type }) => from === 'client' && type === 'initial')
  const before = initials.filter(({ token }) => token === '').map(({ packetNumber }) => packetNumber)
  const after = initials.filter(({ token }) => retries.some((retry) => retry.token === token))
  expectTrue(after.length > 0, 'no Initial packet of the client had the token of the Retry packet')
  // RFC 9000 §17.2.5.3
  const isReset = after.some(({ packetNumber }) => packetNumber <= Math.max(...before))
  expectTrue(!isReset, 'the client began its packet numbers anew after the Retry packet')
}

/** RFC 9000 §10.2.3: how the close of an application looks in packets of the handshake. */
const APPLICATION_ERROR = 0x0c

/** Without an error, by whoever was first. */
export function expectCleanClose(evidence: Evidence): void {
  const isClean = ({ type }: Packet, code: number): boolean =>
    code === 0 || (code === APPLICATION_ERROR && (type === 'initial' || type === 'handshake'))
  for (const packet of allPackets(evidence))
    for (const frame of packet.frames)
      if (frame.type === 'connection_close' && !isClean(packet, frame.code))
        throw new Error(`the ${packet.from} closed with 0x${frame.code.toString(16)} ${frame.reason}`)
}

export function expectSuite(evidence: Evidence, suite: number): void {
  const { crypto } = only(evidence)
  const name = (id: number): string => SUITE_NAMES[id] ?? `0x${id.toString(16)}`
  const offered = crypto.initial.client.clientHello?.suites ?? []
  expectTrue(
    offered.length === 1 && offered[0] === suite,
    `the client offered ${offered.map(name).join(', ')} instead of ${name(suite)} alone`,
  )
  // Both ends use it: every 1-RTT packet was opened with its keys, or `expectHandshakes` has failed.
  const chosen = crypto.initial.server.chosenSuite
  expectTrue(chosen === suite, `the server chose ${chosen === undefined ? 'nothing' : name(chosen)}`)
}

/** Both sides sent 1-RTT packets under updated keys, and the client's were the first. */
export function expectKeyUpdate(evidence: Evidence): void {
  const updated = only(evidence).packets.filter(({ type, generation }) => type === '1rtt' && generation > 0)
  for (const side of ['client', 'server'] as const)
    expectTrue(
      updated.some(({ from }) => from === side),
      `the ${side} sent no packet under updated keys`,
    )
  expectTrue(updated[0]!.from === 'client', `the ${updated[0]!.from} began the key update, not the client`)
}

/** The receiver of the data opened its windows on the way. */
export function expectWindowUpdates(evidence: Evidence): void {
  const { packets } = only(evidence)
  for (const type of ['max_data', 'max_stream_data'] as const) {
    const seen = packets.some((packet) => packet.from === 'client' && has(packet, type))
    expectTrue(seen, `the client sent no ${type.toUpperCase()} frame: its windows were never full`)
  }
}

/** The server allowed at most 1,000 streams at first, fewer than were needed, and more on the way. */
export function expectStreamLimits(evidence: Evidence): void {
  const { crypto, packets } = only(evidence)
  const limit = crypto.handshake.server.initialMaxStreamsBidi
  expectTrue(limit !== undefined, 'the transport parameters of the server were not found')
  expectTrue(limit! <= 1000, `the server allowed ${limit} streams at first, more than 1,000`)
  expectTrue(limit! < evidence.fileCount, `the server allowed ${limit} streams at first: enough for all`)
  const raised = packets.some((packet) => packet.from === 'server' && has(packet, 'max_streams_bidi'))
  expectTrue(raised, 'the server never raised its limit of streams')
}

/** The client said its hello again, since the answer took longer than its first probe timeout. */
export function expectRepeatedHello(evidence: Evidence): void {
  const hellos = only(evidence).packets.filter(
    ({ from, type, frames }) =>
      from === 'client' && type === 'initial' && frames.some((frame) => frame.type === 'crypto' && frame.offset === 0),
  )
  expectTrue(hellos.length >= 2, `the client sent its hello ${hellos.length} times: the round trip was not long`)
}

/** The network did to at least so many datagrams what it was there for. */
export function expectFate(evidence: Evidence, fate: Datagram['fate'], atLeast: number): void {
  const count = evidence.datagrams.filter((datagram) => datagram.fate === fate).length
  expectTrue(
    count >= atLeast,
    `${count} datagrams were ${fate}, expected ${atLeast} at least: the network was too kind`,
  )
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'))
}

/** Addresses of the client that the server sent 1-RTT packets to, without the first. */
function newAddresses({ packets }: ConnectionTrace): string[] {
  const sent = packets.filter(({ from, type }) => from === 'server' && type === '1rtt')
  return [...new Set(sent.map(({ datagram }) => datagram.outside))].slice(1)
}

/** Datagrams of a reference peer among which the challenge must be: aioquic does not always begin with it. */
const PEER_PATIENCE = 10

/**
 * RFC 9000 §8.2, §9.3: the server challenged each new address of the client, ours with the first datagram (which quic-interop-runner wants) unless the client
 * asked there before it moved; and for each address that was used for longer than `settleMs` a challenge was answered.
 */
export function expectPathValidation(
  evidence: Evidence,
  { addresses, newHosts, settleMs }: { addresses: number; newHosts: boolean; settleMs: number },
): void {
  const connection = only(evidence)
  const { packets } = connection
  const fresh = newAddresses(connection)
  expectTrue(
    fresh.length >= addresses,
    `the server used ${fresh.length} new addresses of the client, expected ${addresses}`,
  )
  const hosts = new Set(packets.filter(({ from }) => from === 'server').map(({ datagram }) => hostOf(datagram.outside)))
  expectTrue(!newHosts || hosts.size > addresses, `the server saw the client at ${[...hosts].join(', ')} only`)
  const answered = new Set(dataOf(packets, 'client', 'path_response'))
  for (const address of fresh) {
    const there = packets.filter(({ datagram }) => datagram.outside === address)
    const asked = dataOf(there, 'client', 'path_challenge').length > 0
    const datagrams = [...new Set(there.filter(({ from }) => from === 'server').map(({ datagram }) => datagram))]
    const early = datagrams.slice(0, evidence.isOurServer && !asked ? 1 : PEER_PATIENCE)
    const challenges = dataOf(there, 'server', 'path_challenge')
    expectTrue(
      dataOf(
        there.filter(({ datagram }) => early.includes(datagram)),
        'server',
        'path_challenge',
      ).length > 0,
      `no PATH_CHALLENGE in the first ${early.length} datagrams to ${address}`,
    )
    const stayed = datagrams[datagrams.length - 1]!.at - datagrams[0]!.at
    expectTrue(
      stayed < settleMs || challenges.some((data) => answered.has(data)),
      `no PATH_RESPONSE answered the challenge to ${address}`,
    )
  }
}

function dataOf(packets: readonly Packet[], side: Side, type: 'path_challenge' | 'path_response'): string[] {
  return packets.flatMap(({ from, frames }) =>
    from === side ? frames.flatMap((frame) => (frame.type === type ? [frame.data] : [])) : [],
  )
}

/** RFC 9000 §9.5: what the client sends from its new socket bears another id of the server than anything before. */
export function expectFreshIds(evidence: Evidence): void {
  const sent = only(evidence).packets.filter(({ from, type }) => from === 'client' && type === '1rtt')
  const [home] = sent.map(({ datagram }) => datagram.client)
  const moved = sent.filter(({ datagram }) => datagram.client !== home)
  expectTrue(moved.length > 0, 'the client never moved to another socket')
  const before = new Set(
    sent.filter(({ datagram }) => datagram.client === home).map(({ destinationId }) => destinationId),
  )
  const reused = moved.find(({ destinationId }) => before.has(destinationId))
  expectTrue(reused === undefined, `the client used the connection id ${reused?.destinationId} from two sockets`)
}

/** Of the transfer alone, from the first to the last 1-RTT packet of the server, kbit/s. */
export function goodputKbps(evidence: Evidence): number {
  const times = allPackets(evidence)
    .filter(({ from, type }) => from === 'server' && type === '1rtt')
    .map(({ datagram }) => datagram.at)
  const ms = times[times.length - 1]! - times[0]!
  expectTrue(ms > 0, 'no time passed between the first and the last packet of the server')
  return (8 * evidence.bytes) / ms
}
