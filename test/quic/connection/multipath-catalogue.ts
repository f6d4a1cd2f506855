/** One specimen of every frame beyond RFC 9000 (spec/quic.md §4.1): what it is called, its type, what must be agreed for it, how it is written. */
import type { Writer } from '../../../src/bytes/writer.ts'
import { writeAckFrame, writeAckFrequency } from '../../../src/quic/wire/ack-frames.ts'
import {
  writeAddAddress,
  writeObservedAddress,
  writeReachOut,
  writeRemoveAddress,
} from '../../../src/quic/wire/address-frames.ts'
import { FrameType } from '../../../src/quic/wire/frame-types.ts'
import { writeRetireConnectionId } from '../../../src/quic/wire/id-frames.ts'
import { writeMessage } from '../../../src/quic/wire/message-frame.ts'
import {
  writeMaxPathId,
  writePathAbandon,
  writePathCidsBlocked,
  writePathStatus,
  writePathsBlocked,
} from '../../../src/quic/wire/path-frames.ts'
import { type Side, writeFreshId } from './multipath-peer.ts'

export interface Specimen {
  readonly name: string
  readonly type: number
  /** What both sides must have said in their transport parameters. */
  readonly needs: 'multipath' | 'reports' | 'traversal' | 'capabilities' | 'ack-frequency'
  /** The only side that may send it. */
  readonly sender: Side | undefined
  /** Names a path, or a maximum: `path` goes there. */
  readonly namesPath: boolean
  readonly write: (writer: Writer, path: number) => void
}

const IPV4 = { ip: Uint8Array.of(192, 0, 2, 7), port: 4242 }
const IPV6 = { ip: new Uint8Array(16).fill(0x20), port: 4242 }

function row(
  name: keyof typeof FrameType,
  needs: Specimen['needs'],
  namesPath: boolean,
  write: Specimen['write'],
  sender?: Side,
): Specimen {
  return { name, type: FrameType[name], needs, namesPath, write, sender }
}

/** PATH_ACK of packet 0; the ECN form adds three counts. */
function writeEcn(writer: Writer, path: number): void {
  const at = writer.position
  writeAckFrame(writer, path, 0, 1, [0], [0])
  writer.bytes[at] = FrameType.PATH_ACK_ECN
  for (let count = 0; count < 3; count++) writer.varint(100)
}

export const EXTENSIONS: readonly Specimen[] = [
  row('PATH_ACK', 'multipath', true, (w, path) => writeAckFrame(w, path, 0, 1, [0], [0])),
  row('PATH_ACK_ECN', 'multipath', true, writeEcn),
  row('PATH_ABANDON', 'multipath', true, (w, path) => writePathAbandon(w, path, 0x3e76)),
  row('PATH_STATUS_BACKUP', 'multipath', true, (w, path) => writePathStatus(w, path, 100, true)),
  row('PATH_STATUS_AVAILABLE', 'multipath', true, (w, path) => writePathStatus(w, path, 101, false)),
  row('PATH_NEW_CONNECTION_ID', 'multipath', true, (w, path) => writeFreshId(w, path, 100, 100)),
  row('PATH_RETIRE_CONNECTION_ID', 'multipath', true, (w, path) => writeRetireConnectionId(w, path, 0)),
  row('MAX_PATH_ID', 'multipath', true, writeMaxPathId),
  row('PATHS_BLOCKED', 'multipath', true, writePathsBlocked),
  row('PATH_CIDS_BLOCKED', 'multipath', true, (w, path) => writePathCidsBlocked(w, path, 0)),
  row('OBSERVED_ADDRESS_V4', 'reports', false, (w) => writeObservedAddress(w, 100, IPV4)),
  row('OBSERVED_ADDRESS_V6', 'reports', false, (w) => writeObservedAddress(w, 101, IPV6)),
  row('ADD_ADDRESS_V4', 'traversal', false, (w) => writeAddAddress(w, 100, IPV4), 'server'),
  row('ADD_ADDRESS_V6', 'traversal', false, (w) => writeAddAddress(w, 100, IPV6), 'server'),
  row('REACH_OUT_V4', 'traversal', false, (w) => writeReachOut(w, 100, IPV4), 'client'),
  row('REACH_OUT_V6', 'traversal', false, (w) => writeReachOut(w, 100, IPV6), 'client'),
  row('REMOVE_ADDRESS', 'traversal', false, (w) => writeRemoveAddress(w, 100), 'server'),
  row('TOM_MESSAGE', 'capabilities', false, (w) => writeMessage(w, Uint8Array.of(1, 2, 3))),
  row('IMMEDIATE_ACK', 'ack-frequency', false, (w) => w.varint(FrameType.IMMEDIATE_ACK)),
  row('ACK_FREQUENCY', 'ack-frequency', false, (w) => writeAckFrequency(w, 100, 100, 20_000, 100)),
]

export const NAMING_PATHS = EXTENSIONS.filter(({ namesPath }) => namesPath)
