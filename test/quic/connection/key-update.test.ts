import { describe, expect, test } from 'vitest'
import { ErrorCode, Level } from '../../../src/quic/index.ts'
import { TLS_AES_128_GCM_SHA256 } from '../../../src/quic/tls/cipher-suites.ts'
import { forge, forged } from './forge.ts'
import { type Datagram, frameTypes, Pair } from './pair.ts'

const updates = (pair: Pair) => [pair.client, pair.server].map((node) => node.connection!.stats().keyUpdates)

describe('key updates', () => {
  test('RFC 9001 §6: by either side, again and again, without a lost byte', () => {
    const pair = new Pair().connect()
    for (let round = 1; round <= 6; round++) {
      const side = round % 2 === 0 ? pair.server : pair.client
      // RFC 9001 §6.1: each side needs an acknowledgement in the phase it is in
      for (const node of [pair.client, pair.server]) node.connection!.ping()
      pair.run(1_000)
      expect(side.connection!.updateKeys(pair.now)).toBe(true)
      expect(pair.carries(20_000)).toBe(true)
      pair.run(100)
      expect(updates(pair)).toEqual([round, round])
    }
    expect(pair.client.tap.dropped).toEqual([])
    expect(pair.server.tap.dropped).toEqual([])
  })

  test('RFC 9001 §6.1: both sides begin at once and meet in the same phase', () => {
    const pair = new Pair().connect()
    pair.run(500)
    expect(pair.client.connection!.updateKeys(pair.now)).toBe(true)
    expect(pair.server.connection!.updateKeys(pair.now)).toBe(true)
    expect(pair.carries(20_000)).toBe(true)
    expect(updates(pair)).toEqual([1, 1])
  })

  test('RFC 9001 §6.1: not before the handshake is confirmed, nor before the last update is complete', () => {
    const pair = new Pair()
    pair.until(() => pair.client.of('connected').length > 0)
    expect(pair.client.connection!.updateKeys(pair.now)).toBe(false)
    pair.connect()
    pair.run(500)
    expect(pair.client.connection!.updateKeys(pair.now)).toBe(true)
    expect(pair.client.connection!.updateKeys(pair.now)).toBe(false)
    pair.run(1_000)
    expect(pair.client.connection!.updateKeys(pair.now)).toBe(true)
  })

  test('RFC 9001 §6.2: a peer that follows acknowledges with the new keys', () => {
    const pair = new Pair().connect().cut()
    forge(pair, 'client', [0x1f, 0, 0], { generation: 1 })
    expect(updates(pair)[1]).toBe(1)
    const answer = pair.sentBy('server').at(-1)!
    expect(frameTypes(answer.packets)).toContain('ack')
    // the honest client, one phase behind, can open it with its next keys
    pair.deliver('client', answer.bytes, 100)
    expect(updates(pair)[0]).toBe(1)
  })

  /** The client's datagram of before the update, which did not arrive yet; its update has. */
  function overtaken(): { pair: Pair; held: Datagram } {
    const pair = new Pair({ client: { keepAliveMs: 0 }, server: { keepAliveMs: 0 } }).connect()
    pair.run(500)
    let held: Datagram | undefined
    pair.wire = (datagram) => {
      if (datagram.from !== 'client' || held !== undefined) return [datagram]
      held = datagram
      return []
    }
    pair.client.connection!.ping()
    pair.flush()
    expect(pair.client.connection!.updateKeys(pair.now)).toBe(true)
    pair.run(30)
    expect(updates(pair)).toEqual([1, 1])
    return { pair, held: held! }
  }

  test('RFC 9001 §6.5: packets of the old phase that come late are opened with the old keys', () => {
    const { pair, held } = overtaken()
    const opened = pair.server.tap.received.length
    pair.deliver('server', held.bytes, 100)
    expect(pair.server.tap.received.length).toBe(opened + 1)
    expect(pair.server.tap.dropped).toEqual([])
  })

  test('RFC 9001 §6.5: three PTO later the old keys are gone', () => {
    const { pair, held } = overtaken()
    pair.run(600)
    const opened = pair.server.tap.received.length
    pair.deliver('server', held.bytes, 100)
    expect(pair.server.tap.received.length).toBe(opened)
    expect(pair.server.tap.dropped).toEqual(['decryption_failure'])
    expect(pair.server.connection!.isClosed).toBe(false)
  })

  test('RFC 9001 §6.2: a second update before the first was answered is a KEY_UPDATE_ERROR', () => {
    const pair = new Pair().connect().cut()
    pair.deliver('server', forged(pair, 'client', [0x01, 0, 0], { generation: 1 }), 100)
    expect(pair.server.connection!.isClosed).toBe(false)
    pair.deliver('server', forged(pair, 'client', [0x01, 0, 0], { generation: 2 }), 100)
    expect(pair.server.of('closed')[0]!.reason).toMatchObject({
      kind: 'local-transport',
      code: ErrorCode.KEY_UPDATE_ERROR,
    })
  })

  test('RFC 9001 §6.4: a packet of old keys above packets of newer ones is not accepted', () => {
    const pair = new Pair().connect().cut()
    forge(pair, 'client', [0x01, 0, 0], { generation: 1, packetNumber: 60 })
    const received = pair.server.tap.received.length
    forge(pair, 'client', [0x01, 0, 0], { generation: 0, packetNumber: 61 })
    expect(pair.server.tap.received.length).toBe(received)
    forge(pair, 'client', [0x01, 0, 0], { generation: 0, packetNumber: 59 })
    expect(pair.server.tap.received.length).toBe(received + 1)
  })
})

describe('AEAD limits', () => {
  /** Runs with AES-128-GCM keys that may protect `limit` packets. */
  function withLimit(limit: number, run: () => void): void {
    const suite: { confidentialityLimit: number } = TLS_AES_128_GCM_SHA256
    const before = suite.confidentialityLimit
    suite.confidentialityLimit = limit
    try {
      run()
    } finally {
      suite.confidentialityLimit = before
    }
  }

  test('RFC 9001 §6.6: keys change by themselves before they have protected too much', () => {
    withLimit(400, () => {
      const pair = new Pair({ client: { suites: [0x1301], keepAliveMs: 200 } }).connect()
      for (let round = 0; round < 3; round++) {
        expect(pair.carries(30_000)).toBe(true)
        pair.run(1_000)
      }
      expect(updates(pair)[0]).toBeGreaterThan(3)
      // the first packet of a phase already carries its bit
      expect(pair.client.tap.dropped).toEqual([])
      expect(pair.server.tap.dropped).toEqual([])
      expect(pair.client.connection!.isClosed).toBe(false)
    })
  })

  test('RFC 9001 §6.6: when no update is possible the connection ends with AEAD_LIMIT_REACHED', () => {
    withLimit(200, () => {
      const pair = new Pair({ client: { suites: [0x1301], keepAliveMs: 0 } }).connect().cut()
      for (let count = 0; count < 400 && !pair.client.connection!.isClosed; count++) {
        pair.client.connection!.ping()
        pair.flush()
        pair.now += 1
      }
      expect(pair.client.of('closed')[0]!.reason).toMatchObject({
        kind: 'local-transport',
        code: ErrorCode.AEAD_LIMIT_REACHED,
      })
      expect(frameTypes(pair.sentBy('client').at(-1)!.packets)).toContain('connection_close')
      const sealed = pair.client.tap.sent.filter(({ level }) => level === Level.OneRtt).length
      expect(sealed).toBeLessThanOrEqual(200 * 2)
      expect(pair.client.slots.inUse).toBe(0)
      pair.run(5_000)
      expect(pair.client.connection!.leftovers()).toEqual({ frames: 0, bytesInFlight: 0, bufferedBytes: 0 })
    })
  })
})
