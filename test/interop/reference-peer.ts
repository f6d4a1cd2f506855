/** The other side of the interop tests: a process with a real iroh node in it. The npm package and the native program look the same from here. */
import { fileURLToPath } from 'node:url'
import { type NativeEvent, type NativeOptions, NativePeer } from '../../conformance/peer.ts'

export type ReferencePeer = Pick<
  NativePeer,
  'id' | 'addrs' | 'ticket' | 'events' | 'dial' | 'setIncoming' | 'closeConnections' | 'connection' | 'waitFor' | 'stop'
>

export interface PeerKind {
  /** As it stands in the report, with the version. */
  readonly name: string
  readonly start: () => Promise<ReferencePeer>
}

const PROGRAM = fileURLToPath(new URL('iroh/program.ts', import.meta.url))

/** The npm package in a Node of its own, so that both sides have a core each. */
export function startIrohPeer(options: Omit<NativeOptions, 'binary' | 'binaryArgs'> = {}): Promise<NativePeer> {
  return NativePeer.start({ ...options, binary: process.execPath, binaryArgs: ['--import', 'tsx', PROGRAM] })
}

type Found<E extends NativeEvent['event']> = Extract<NativeEvent, { event: E }>

/** The accepted connection of the peer with the endpoint `remote`, and how it ended. */
export function connectionFrom(peer: ReferencePeer, remote: string): Promise<Found<'connection'>> {
  return peer.waitFor('connection', (event) => event.remote === remote)
}

export async function closeFrom(peer: ReferencePeer, remote: string): Promise<Found<'closed'>['reason']> {
  const { connection } = await connectionFrom(peer, remote)
  return (await peer.waitFor('closed', (event) => event.connection === connection)).reason
}

/** The first event of its kind after the first `mark` ones. */
export function eventAfter<E extends NativeEvent['event']>(
  peer: ReferencePeer,
  mark: number,
  event: E,
): Promise<Found<E>> {
  return peer.waitFor(event, (found) => peer.events.indexOf(found) >= mark)
}
