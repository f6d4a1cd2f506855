/** The parts of a connection that path units need, made by hand: a registry that keeps book, packets to write into, settings. */
import { EventQueue } from '../../../src/quic/events.ts'
import {
  type ConnectionEvent,
  DEFAULT_SETTINGS,
  describeFrames,
  Level,
  type QuicSettings,
  type Role,
} from '../../../src/quic/index.ts'
import { Paths } from '../../../src/quic/path/paths.ts'
import { type FrameOwner, PacketWriter, SentFramePool } from '../../../src/quic/recovery/frame-owner.ts'
import type { Resources } from '../../../src/quic/resources.ts'
import type { NewConnectionIdFrame } from '../../../src/quic/wire/id-frames.ts'
import { defaultTransportParameters, type TransportParameters } from '../../../src/quic/wire/transport-parameters.ts'

/** Which ids lead to us, as `path/sequence`, and which reset tokens are watched. */
export class BookRegistry {
  readonly issued = new Map<string, string>()
  readonly watched = new Set<number>()
  #made = 0

  issue(pathId: number, sequence: number): Uint8Array {
    const id = new Uint8Array(8)
    new DataView(id.buffer).setUint32(0, ++this.#made)
    this.issued.set(id.join(), `${pathId}/${sequence}`)
    return id
  }

  retire(id: Uint8Array): void {
    if (!this.issued.delete(id.join())) throw new Error('an id was retired twice')
  }

  resetToken(): Uint8Array {
    return new Uint8Array(16)
  }

  watchResetToken(token: Uint8Array): void {
    this.watched.add(token[0]!)
  }

  unwatchResetToken(token: Uint8Array): void {
    this.watched.delete(token[0]!)
  }

  /** Issued for one path. */
  count(pathId: number): number {
    return [...this.issued.values()].filter((entry) => entry.startsWith(`${pathId}/`)).length
  }
}

/** Packets of a certain size, on a certain path, whose frames may be settled. */
export class Packets {
  readonly pool = new SentFramePool()

  /** Lets `owner` write one packet; `more` is what it returned. */
  take(owner: Pick<FrameOwner, 'write'>, room = 1200, pathId = 0) {
    const writer = new PacketWriter(this.pool)
    writer.begin(new Uint8Array(1200), 0, room, Level.OneRtt, pathId, true)
    const more = owner.write(writer)
    const first = writer.frames
    return {
      more,
      /** For `LossDetection.sent`, which takes the frames over. */
      writer,
      frames: describeFrames(writer.bytes, 0, writer.position) as Record<string, unknown>[],
      acked: () => this.pool.settle(first, true),
      lost: () => this.pool.settle(first, false),
    }
  }
}

export function resources(role: Role, settings: Partial<QuicSettings> = {}) {
  const registry = new BookRegistry()
  const all = {
    role,
    settings: { ...DEFAULT_SETTINGS, ...settings },
    registry,
    slots: { slotSize: 1500 },
    routes: {
      maxDatagramSize: () => 1452,
      sameHost: () => false,
      address: (route: number) => (route < 0 ? undefined : { ip: Uint8Array.of(192, 0, 2, 1), port: route }),
    },
    trace: undefined,
  } as unknown as Resources
  return { all, registry }
}

export const NEW_ID = (pathId: number, sequence: number, retirePriorTo = 0): NewConnectionIdFrame => ({
  pathId,
  sequence,
  retirePriorTo,
  id: Uint8Array.of(0xa0, pathId >> 16, pathId >> 8, pathId, sequence >> 16, sequence >> 8, sequence, 1),
  resetToken: new Uint8Array(16).fill(sequence & 0xff),
})

/** Paths of a connection whose handshake is complete. */
export function makePaths(
  role: Role,
  options: { settings?: Partial<QuicSettings>; peer?: Partial<TransportParameters> } = {},
) {
  const { all, registry } = resources(role, options.settings)
  const events = new EventQueue()
  const packets = new Packets()
  const first = { route: 100, peerId: new Uint8Array(8).fill(7), validated: true }
  const paths = new Paths(all, packets.pool, events, { wakeIds: () => {}, wakePaths: () => {} }, first)
  paths.peerParameters({
    ...defaultTransportParameters(),
    activeConnectionIdLimit: 5,
    initialMaxPathId: 7,
    initialSourceConnectionId: new Uint8Array(8).fill(7),
    ...options.peer,
  })
  paths.handshakeComplete(5, 0)
  paths.first.detection.handshakeConfirmed = true
  paths.confirmed()
  const told = (): ConnectionEvent[] => {
    const taken: ConnectionEvent[] = []
    for (let event = events.take(); event !== undefined; event = events.take()) taken.push(event)
    return taken
  }
  return { paths, registry, events, packets, told }
}
