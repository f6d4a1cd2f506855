import { describe, expect, test } from 'vitest'
import { Level } from '../../../src/quic/level.ts'
import { FrameType, frameName, isAckEliciting, isAllowedAt, isProbing } from '../../../src/quic/wire/frame-types.ts'

/**
 * RFC 9000 table 3 with the restrictions of §12.5, RFC 9221 and spec/quic.md §4.2: levels (I, H, 0, 1), N: not ack-eliciting, P: probing.
 * The extensions follow; all of them travel in 1-RTT packets only.
 */
const TABLE: [type: number, levels: string, marks: string][] = [
  [FrameType.PADDING, 'IH01', 'NP'],
  [FrameType.PING, 'IH01', ''],
  [FrameType.ACK, 'IH_1', 'N'],
  [FrameType.ACK_ECN, 'IH_1', 'N'],
  [FrameType.RESET_STREAM, '__01', ''],
  [FrameType.STOP_SENDING, '__01', ''],
  [FrameType.CRYPTO, 'IH_1', ''],
  [FrameType.NEW_TOKEN, '___1', ''],
  ...[0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f].map((type): [number, string, string] => [type, '__01', '']),
  [FrameType.MAX_DATA, '__01', ''],
  [FrameType.MAX_STREAM_DATA, '__01', ''],
  [FrameType.MAX_STREAMS_BIDI, '__01', ''],
  [FrameType.MAX_STREAMS_UNI, '__01', ''],
  [FrameType.DATA_BLOCKED, '__01', ''],
  [FrameType.STREAM_DATA_BLOCKED, '__01', ''],
  [FrameType.STREAMS_BLOCKED_BIDI, '__01', ''],
  [FrameType.STREAMS_BLOCKED_UNI, '__01', ''],
  [FrameType.NEW_CONNECTION_ID, '__01', 'P'],
  [FrameType.RETIRE_CONNECTION_ID, '___1', ''],
  [FrameType.PATH_CHALLENGE, '__01', 'P'],
  [FrameType.PATH_RESPONSE, '___1', 'P'],
  [FrameType.CONNECTION_CLOSE, 'IH01', 'N'],
  [FrameType.CONNECTION_CLOSE_APP, '__01', 'N'],
  [FrameType.HANDSHAKE_DONE, '___1', ''],
  [FrameType.DATAGRAM, '__01', ''],
  [FrameType.DATAGRAM_LEN, '__01', ''],
  [FrameType.IMMEDIATE_ACK, '___1', ''],
  [FrameType.ACK_FREQUENCY, '___1', ''],
  [FrameType.PATH_ACK, '___1', 'N'],
  [FrameType.PATH_ACK_ECN, '___1', 'N'],
  [FrameType.PATH_ABANDON, '___1', ''],
  [FrameType.PATH_STATUS_BACKUP, '___1', ''],
  [FrameType.PATH_STATUS_AVAILABLE, '___1', ''],
  [FrameType.PATH_NEW_CONNECTION_ID, '___1', 'P'],
  [FrameType.PATH_RETIRE_CONNECTION_ID, '___1', ''],
  [FrameType.MAX_PATH_ID, '___1', ''],
  [FrameType.PATHS_BLOCKED, '___1', ''],
  [FrameType.PATH_CIDS_BLOCKED, '___1', ''],
  [FrameType.OBSERVED_ADDRESS_V4, '___1', 'P'],
  [FrameType.OBSERVED_ADDRESS_V6, '___1', 'P'],
  [FrameType.ADD_ADDRESS_V4, '___1', ''],
  [FrameType.ADD_ADDRESS_V6, '___1', ''],
  [FrameType.REACH_OUT_V4, '___1', ''],
  [FrameType.REACH_OUT_V6, '___1', ''],
  [FrameType.REMOVE_ADDRESS, '___1', ''],
  [FrameType.TOM_MESSAGE, '___1', ''],
]

describe('frame types', () => {
  test('RFC 9000 §12.4: the table names every type once', () => {
    const types = TABLE.map(([type]) => type)
    expect(new Set(types).size).toBe(types.length)
    for (const type of Object.values(FrameType)) expect(types).toContain(type)
  })

  test.each(TABLE.map(([type, levels, marks]) => [frameName(type), type, levels, marks] as const))(
    'RFC 9000 §12.4, §12.5, §9.1: %s (0x%x) is at %s %s',
    (_name, type, levels, marks) => {
      expect(isAllowedAt(type, Level.Initial)).toBe(levels[0] === 'I')
      expect(isAllowedAt(type, Level.Handshake)).toBe(levels[1] === 'H')
      expect(isAllowedAt(type, Level.ZeroRtt)).toBe(levels[2] === '0')
      expect(isAllowedAt(type, Level.OneRtt)).toBe(levels[3] === '1')
      expect(isAckEliciting(type)).toBe(!marks.includes('N'))
      expect(isProbing(type)).toBe(marks.includes('P'))
    },
  )

  test('RFC 9000 §12.4: unknown types are refused during the handshake and left to the dispatch after it', () => {
    for (const type of [0x20, 0x32, 0x3e7d, 0x3d7f95, Number.MAX_SAFE_INTEGER]) {
      expect(isAllowedAt(type, Level.Initial)).toBe(false)
      expect(isAllowedAt(type, Level.Handshake)).toBe(false)
      expect(isAllowedAt(type, Level.ZeroRtt)).toBe(true)
      expect(isAllowedAt(type, Level.OneRtt)).toBe(true)
      expect(isAckEliciting(type)).toBe(true)
      expect(isProbing(type)).toBe(false)
    }
  })

  test('RFC 9000 §19: names for traces', () => {
    expect(frameName(0x08)).toBe('STREAM')
    expect(frameName(0x0f)).toBe('STREAM')
    expect(frameName(0x1d)).toBe('CONNECTION_CLOSE_APP')
    expect(frameName(0x3e78)).toBe('PATH_NEW_CONNECTION_ID')
    expect(frameName(0x20)).toBe('0x20')
  })
})
