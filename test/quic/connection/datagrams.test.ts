import { expect, test } from 'vitest'
import { type Datagram, Pair, pattern } from './pair.ts'

test('RFC 9221 §5: the largest datagram fits, also while an ACK waits for company', () => {
  const pair = new Pair().connect()
  pair.run(500)
  const { client, server } = pair
  // something to acknowledge at the client, so that the next packet carries an ACK
  server.connection!.ping()
  pair.run(10)
  const size = client.connection!.maxDatagramSize
  expect(size).toBeGreaterThan(1400)
  for (let round = 0; round < 5; round++) client.connection!.datagrams.send(pattern(size))
  pair.run(12)
  const received: number[] = []
  for (;;) {
    const bytes = server.connection!.datagrams.read()
    if (bytes === undefined) break
    received.push(bytes.length)
  }
  expect(received).toEqual([size, size, size, size, size])
})

test('RFC 9221 §5: the largest size follows the path as soon as a larger datagram is known to arrive, before anything is sent', () => {
  const waiting: Datagram[] = []
  const pair = new Pair({ wire: (datagram) => [datagram] })
  pair.connect()
  pair.wire = (datagram) => {
    waiting.push(datagram)
    return []
  }
  pair.run(20)
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    pair.deliver(next.from === 'client' ? 'server' : 'client', next.bytes, next.route)
    for (const { connection } of [pair.client, pair.server])
      expect(connection!.paths()[0]!.mtu - connection!.maxDatagramSize).toBeLessThan(50)
    pair.flush()
  }
  expect(pair.client.connection!.paths()[0]!.mtu).toBe(1452)
})
