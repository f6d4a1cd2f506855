import { describe, expect, test } from 'vitest'
import { forged, padded } from './forge.ts'
import { frameTypes, type Node, Pair, pattern } from './pair.ts'

/** Takes every free slot; the answer gives them back. */
function exhaust(node: Node): () => void {
  const held: number[] = []
  for (let slot = node.slots.acquire(); slot !== -1; slot = node.slots.acquire()) held.push(slot)
  return () => {
    for (const slot of held) node.slots.release(slot)
  }
}

describe('slots', () => {
  test('without a free slot nothing is sent and nothing is lost', () => {
    const pair = new Pair().connect()
    pair.run(500)
    const release = exhaust(pair.client)
    const index = pair.log.length
    const { streams, datagrams } = pair.client.connection!
    const stream = streams.open(false)
    streams.write(stream, pattern(3_000), 0, 3_000)
    datagrams.send(pattern(100))
    pair.client.connection!.ping()
    pair.flush()
    expect(pair.sentBy('client', index)).toEqual([])
    release()
    pair.run(50)
    expect(pair.server.connection!.stats().streamBytesReceived).toBe(3_000)
    expect(pair.server.connection!.datagrams.read()!.length).toBe(100)
    expect(pair.client.connection!.paths()[0]!.lostPackets).toBe(0)
  })

  test('RFC 9000 §8.2.2: a challenge that finds no slot is answered later, once, within the same limit', () => {
    const pair = new Pair().connect()
    pair.run(500)
    pair.cut()
    const index = pair.log.length
    const challenge = padded([0x1a, 1, 2, 3, 4, 5, 6, 7, 8], 100)
    pair.deliver('server', forged(pair, 'client', challenge), 300)
    const release = exhaust(pair.server)
    for (let round = 0; round < 5; round++) pair.flush()
    expect(pair.sentBy('server', index)).toEqual([])
    release()
    pair.run(100)
    const answers = pair.sentBy('server', index).filter(({ route }) => route === 300)
    expect(answers.length).toBe(1)
    expect(answers[0]!.bytes.length).toBeLessThanOrEqual(3 * (100 + 13 + 16))
  })

  test('RFC 9000 §10.2: a close that finds no slot is sent later', () => {
    const pair = new Pair().connect()
    pair.run(500)
    const release = exhaust(pair.client)
    pair.client.connection!.close(1, '', pair.now)
    pair.flush()
    release()
    pair.run(20)
    expect(pair.server.of('closed')[0]!.reason).toMatchObject({ kind: 'peer-application', code: 1 })
  })

  test('two slots are enough for a transfer, dialling two addresses', () => {
    const pair = new Pair({ slots: 2, routes: [100, 200], trace: () => undefined }).connect()
    expect(pair.carries(100_000)).toBe(true)
    expect(pair.client.slots.inUse + pair.server.slots.inUse).toBe(0)
  })
})

describe('a peer that never reads', () => {
  test('RFC 9000 §4.1: stops the sender at its window, costs a bounded buffer, and can change its mind', () => {
    const settings = { streamReceiveWindow: 50_000, connectionReceiveWindow: 60_000, sendBuffer: 100_000 }
    const pair = new Pair({ client: settings, server: settings, trace: () => undefined }).connect()
    const { streams } = pair.client.connection!
    const stream = streams.open(false)
    const data = pattern(300_000)
    let sent = 0
    const push = () => {
      if (sent === data.length) return
      sent += streams.write(stream, data, sent, data.length)
      if (sent === data.length) streams.finish(stream)
    }
    push()
    for (let round = 0; round < 20; round++) {
      pair.run(500)
      push()
    }
    expect(pair.server.connection!.stats().streamBytesReceived).toBeLessThanOrEqual(60_000)
    expect(pair.server.connection!.streams.bufferedBytes).toBeLessThanOrEqual(60_000)
    expect(sent).toBeLessThanOrEqual(60_000 + 100_000)
    expect(pair.client.connection!.isClosed).toBe(false)

    pair.server.connection!.streams.accept(false)
    let got = 0
    pair.until(() => {
      push()
      for (;;) {
        const result = pair.server.connection!.streams.read(stream, 65_536)
        if (result === 'fin') return true
        if (result === 'empty') return false
        if (result.kind === 'reset') throw new Error('reset')
        got += result.bytes.length
      }
    })
    expect(got).toBe(300_000)
  })

  test('RFC 9002 §7: no more is in flight than the window, whatever waits', () => {
    const pair = new Pair().connect()
    pair.run(500)
    pair.cut()
    const { streams } = pair.client.connection!
    const stream = streams.open(false)
    streams.write(stream, pattern(1_000_000), 0, 1_000_000)
    for (let round = 0; round < 100; round++) {
      pair.flush()
      pair.now += 1
      const path = pair.client.connection!.paths()[0]!
      expect(path.bytesInFlight).toBeLessThanOrEqual(path.congestionWindow)
    }
    expect(frameTypes(pair.client.tap.sent).filter((type) => type === 'stream').length).toBeGreaterThan(5)
  })
})
