import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Reader, TruncatedError } from '../../../src/bytes/reader.ts'
import { varintLength, writeVarint } from '../../../src/bytes/varint.ts'
import { TransportError } from '../../../src/quic/errors.ts'
import { AckFrame, readAckFrame, readAckFrequency } from '../../../src/quic/wire/ack-frames.ts'
import {
  readAddAddress,
  readObservedAddress,
  readReachOut,
  readRemoveAddress,
} from '../../../src/quic/wire/address-frames.ts'
import { readConnectionClose, readNewToken } from '../../../src/quic/wire/control-frames.ts'
import { FrameType, frameName } from '../../../src/quic/wire/frame-types.ts'
import { readNewConnectionId, readRetireConnectionId } from '../../../src/quic/wire/id-frames.ts'
import {
  readDataBlocked,
  readMaxData,
  readMaxStreamData,
  readMaxStreams,
  readStreamDataBlocked,
  readStreamsBlocked,
} from '../../../src/quic/wire/limit-frames.ts'
import { readMessage } from '../../../src/quic/wire/message-frame.ts'
import {
  readMaxPathId,
  readPathAbandon,
  readPathCidsBlocked,
  readPathData,
  readPathStatus,
  readPathsBlocked,
} from '../../../src/quic/wire/path-frames.ts'
import {
  readCryptoFrame,
  readDatagram,
  readResetStream,
  readStopSending,
  readStreamFrame,
  StreamFrame,
} from '../../../src/quic/wire/stream-frames.ts'
import { embedded } from './bytes.ts'

const ack = new AckFrame()
const data = new StreamFrame()

/** How each type that has fields is read. */
const READERS: [type: number, read: (reader: Reader, type: number) => unknown][] = [
  ...[FrameType.ACK, FrameType.ACK_ECN, FrameType.PATH_ACK, FrameType.PATH_ACK_ECN].map(
    (type): [number, (reader: Reader, type: number) => unknown] => [type, (r, t) => readAckFrame(r, t, ack)],
  ),
  [FrameType.ACK_FREQUENCY, readAckFrequency],
  [FrameType.RESET_STREAM, readResetStream],
  [FrameType.STOP_SENDING, readStopSending],
  [FrameType.CRYPTO, (reader) => readCryptoFrame(reader, data)],
  [FrameType.NEW_TOKEN, readNewToken],
  ...[0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f].map(
    (type): [number, (reader: Reader, type: number) => unknown] => [type, (r, t) => readStreamFrame(r, t, data)],
  ),
  [FrameType.MAX_DATA, readMaxData],
  [FrameType.MAX_STREAM_DATA, readMaxStreamData],
  [FrameType.MAX_STREAMS_BIDI, readMaxStreams],
  [FrameType.MAX_STREAMS_UNI, readMaxStreams],
  [FrameType.DATA_BLOCKED, readDataBlocked],
  [FrameType.STREAM_DATA_BLOCKED, readStreamDataBlocked],
  [FrameType.STREAMS_BLOCKED_BIDI, readStreamsBlocked],
  [FrameType.STREAMS_BLOCKED_UNI, readStreamsBlocked],
  [FrameType.NEW_CONNECTION_ID, readNewConnectionId],
  [FrameType.RETIRE_CONNECTION_ID, readRetireConnectionId],
  [FrameType.PATH_CHALLENGE, readPathData],
  [FrameType.PATH_RESPONSE, readPathData],
  [FrameType.CONNECTION_CLOSE, readConnectionClose],
  [FrameType.CONNECTION_CLOSE_APP, readConnectionClose],
  [FrameType.DATAGRAM, (reader, type) => readDatagram(reader, type, data)],
  [FrameType.DATAGRAM_LEN, (reader, type) => readDatagram(reader, type, data)],
  [FrameType.PATH_ABANDON, readPathAbandon],
  [FrameType.PATH_STATUS_BACKUP, readPathStatus],
  [FrameType.PATH_STATUS_AVAILABLE, readPathStatus],
  [FrameType.PATH_NEW_CONNECTION_ID, readNewConnectionId],
  [FrameType.PATH_RETIRE_CONNECTION_ID, readRetireConnectionId],
  [FrameType.MAX_PATH_ID, readMaxPathId],
  [FrameType.PATHS_BLOCKED, readPathsBlocked],
  [FrameType.PATH_CIDS_BLOCKED, readPathCidsBlocked],
  [FrameType.OBSERVED_ADDRESS_V4, readObservedAddress],
  [FrameType.OBSERVED_ADDRESS_V6, readObservedAddress],
  [FrameType.ADD_ADDRESS_V4, readAddAddress],
  [FrameType.ADD_ADDRESS_V6, readAddAddress],
  [FrameType.REACH_OUT_V4, readReachOut],
  [FrameType.REACH_OUT_V6, readReachOut],
  [FrameType.REMOVE_ADDRESS, readRemoveAddress],
  [FrameType.TOM_MESSAGE, readMessage],
]

test('RFC 9000 §12.4: the list below holds every type that has fields', () => {
  const without = [FrameType.PADDING, FrameType.PING, FrameType.HANDSHAKE_DONE, FrameType.IMMEDIATE_ACK]
  const read = READERS.map(([type]) => type)
  for (const type of Object.values(FrameType)) expect(read.includes(type)).toBe(!without.some((one) => one === type))
})

/** Bytes as a hostile peer would choose them: mostly varints of all sizes. */
const hostile = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 20 }),
      fc.oneof(fc.nat({ max: 70 }), fc.nat(), fc.maxSafeNat(), fc.constant(2 ** 62)).map((value) => {
        const bytes = new Uint8Array(varintLength(value))
        writeVarint(bytes, 0, value)
        return bytes
      }),
    ),
    { maxLength: 10 },
  )
  .map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])))

test.each(READERS.map(([type, read]) => [frameName(type), type, read] as const))(
  'RFC 9000 §12.4: %s (0x%x) from random bytes reads inside the packet or fails in the two known ways',
  (_name, type, read) => {
    fc.assert(
      fc.property(hostile, (bytes) => {
        const { buffer, start, end } = embedded(bytes)
        const reader = new Reader(buffer, start, end)
        try {
          read(reader, type)
          expect(reader.position).toBeGreaterThanOrEqual(start)
        } catch (error) {
          expect(error instanceof TransportError || error instanceof TruncatedError, String(error)).toBe(true)
        }
        expect(reader.position).toBeLessThanOrEqual(end)
      }),
      { numRuns: 300 },
    )
  },
)
