import { describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import { ErrorCode } from '../../../src/quic/errors.ts'
import { OneRttKeys } from '../../../src/quic/protection/key-update.ts'
import { type CipherSuite, TLS_AES_128_GCM_SHA256 } from '../../../src/quic/tls/cipher-suites.ts'

/** The 1-RTT keys of both sides of a connection, with limits of their own. */
function pairOfKeys(limits: Partial<CipherSuite> = {}) {
  const crypto = createNodeCrypto()
  const suite = { ...TLS_AES_128_GCM_SHA256, ...limits }
  const one = () => new Uint8Array(32).fill(1)
  const two = () => new Uint8Array(32).fill(2)
  return {
    crypto,
    left: new OneRttKeys(crypto, suite, one(), two()),
    right: new OneRttKeys(crypto, suite, two(), one()),
  }
}

/** Does `to` open what `from` seals now, as packet `number`? Its key is chosen as for a packet received after `phaseStart`. */
function passes(from: OneRttKeys, to: OneRttKeys, number: number, phaseStart: number, now = 0): boolean {
  const packet = new Uint8Array(40)
  from.sendKey.seal(packet, 0, 1, 24, 0, number)
  from.sealed()
  const key = to.select(from.phase, number, phaseStart)
  if (key.open(packet, 0, 1, 40, 0, number) === -1) return false
  to.opened(key, now, 100)
  return true
}

describe('phases', () => {
  test('RFC 9001 §6.1: not twice before the peer acknowledged and followed', () => {
    const { left, right } = pairOfKeys()
    expect(left.initiate()).toBe(true)
    expect(left.initiate()).toBe(false)
    left.phaseAcknowledged = true
    // acknowledged, but nothing has come in the new phase
    expect(left.initiate()).toBe(false)
    expect(passes(left, right, 0, -1)).toBe(true)
    expect(right.phase).toBe(1)
    expect(passes(right, left, 0, -1)).toBe(true)
    // the old keys are still there for late packets
    expect(left.initiate()).toBe(false)
    left.tick(99)
    expect(left.initiate()).toBe(false)
    left.tick(100)
    expect(left.initiate()).toBe(true)
  })

  test('RFC 9001 §6.5: a late packet of the old phase opens, until its time is over', () => {
    const { crypto, left, right } = pairOfKeys()
    const late = new Uint8Array(40)
    left.sendKey.seal(late, 0, 1, 24, 0, 5)
    left.initiate()
    expect(passes(left, right, 6, -1, 1_000)).toBe(true)
    expect(right.deadline).toBe(1_100)
    const keys = crypto.liveKeys
    expect(right.select(0, 5, 6).open(late.slice(), 0, 1, 40, 0, 5)).not.toBe(-1)
    right.tick(1_099)
    expect(crypto.liveKeys).toBe(keys)
    right.tick(1_100)
    expect(crypto.liveKeys).toBe(keys - 1)
    expect(right.deadline).toBe(Number.POSITIVE_INFINITY)
    expect(right.select(0, 5, 6).open(late.slice(), 0, 1, 40, 0, 5)).toBe(-1)
  })

  test('RFC 9001 §6.3: the next keys are there before they are needed', () => {
    const { crypto, left, right } = pairOfKeys()
    // as the connection does when the handshake is confirmed
    left.prepare()
    right.prepare()
    const before = crypto.liveKeys
    left.initiate()
    const key = right.select(left.phase, 7, 3)
    const packet = new Uint8Array(40)
    left.sendKey.seal(packet, 0, 1, 24, 0, 7)
    expect(key.open(packet, 0, 1, 40, 0, 7)).not.toBe(-1)
    // choosing and opening made no keys; the update itself made one for each direction and dropped one
    expect(crypto.liveKeys).toBe(before + 1)
  })

  test('RFC 9001 §6.2: two updates of the peer with nothing of ours between them', () => {
    const { left, right } = pairOfKeys()
    left.initiate()
    passes(left, right, 1, -1)
    left.phaseAcknowledged = true
    left.opened(left.select(1, 1, -1), 0, 0)
    left.tick(1)
    expect(left.initiate()).toBe(true)
    expect(() => passes(left, right, 2, 1)).toThrow(expect.objectContaining({ code: ErrorCode.KEY_UPDATE_ERROR }))
  })

  test('RFC 9001 §6: after a hundred updates both still understand each other, and no key is left over', () => {
    const { crypto, left, right } = pairOfKeys()
    for (let round = 1; round <= 100; round++) {
      const [from, to] = round % 2 === 0 ? [left, right] : [right, left]
      expect(from.initiate()).toBe(true)
      expect(passes(from, to, round * 10, -1)).toBe(true)
      expect(passes(to, from, round * 10, -1)).toBe(true)
      for (const keys of [left, right]) {
        keys.phaseAcknowledged = true
        keys.tick(1_000)
      }
      expect([left.updates, right.updates]).toEqual([round, round])
    }
    left.free()
    right.free()
    expect(crypto.liveKeys).toBe(0)
  })
})

describe('limits', () => {
  test('RFC 9001 §6.6: an update is wanted 10,000 packets before the confidentiality limit', () => {
    const { left } = pairOfKeys({ confidentialityLimit: 10_050 })
    for (let packet = 1; packet <= 50; packet++) expect(left.sealed()).toBe(false)
    expect(left.sealed()).toBe(true)
    expect(left.initiate()).toBe(true)
    expect(left.sealed()).toBe(false)
  })

  test('RFC 9001 §6.6: the last packets under the limit are for CONNECTION_CLOSE', () => {
    const { left } = pairOfKeys({ confidentialityLimit: 100 })
    for (let packet = 1; packet < 36; packet++) left.sealed()
    expect(left.isSpent).toBe(false)
    left.sealed()
    expect(left.isSpent).toBe(true)
    left.initiate()
    expect(left.isSpent).toBe(false)
  })

  test('RFC 9001 §6.6: at the integrity limit the connection ends, whatever the phase', () => {
    const { left } = pairOfKeys({ integrityLimit: 5 })
    left.openFailed()
    left.openFailed()
    left.initiate()
    left.openFailed()
    left.openFailed()
    expect(() => left.openFailed()).toThrow(expect.objectContaining({ code: ErrorCode.AEAD_LIMIT_REACHED }))
  })
})
