/** What an idle client costs, measured: the promise of spec/relay.md §4.8 that ten thousand are cheap. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { WebSocketLink } from '../../../../src/platform/index.ts'
import { FakeLink, idOf, Lab, leftovers, PING } from './support.ts'

const CLIENTS = 2_000

/** Holds nothing of its own, so that what is measured is the hub's. */
class BareLink implements WebSocketLink {
  readonly protocol = 'iroh-relay-v2'
  readonly localAddress = undefined
  onMessage = FakeLink.prototype.feed
  onClose = () => {}
  onDrain = () => {}
  onRead = () => {}
  onText = () => {}
  readonly queuedBytes = 0
  send(): void {}
  sendText(): void {}
  flush(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
  terminate(): void {}
}

function heapUsed(collect: () => void): number {
  collect()
  return process.memoryUsage().heapUsed
}

test('spec/relay.md §4.8: an idle client costs the hub less than a kilobyte, and nothing once it has left', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const lab = new Lab({ log: undefined })
  // code and tables that are made once
  lab.connect(CLIENTS).link.end()
  const links = Array.from({ length: CLIENTS }, () => new BareLink())
  const before = heapUsed(collect)
  for (const [number, link] of links.entries()) {
    lab.hub.accept(link, {
      protocol: 'iroh-relay-v2',
      url: '/relay',
      authorization: [],
      authHeader: undefined,
      exporter: undefined,
      remoteAddress: '192.0.2.1',
    })
    link.onMessage(Uint8Array.from([1, ...idOf(number), 64, ...new Uint8Array(64)]))
    link.onMessage(PING(1))
  }
  expect(lab.hub.clientCount).toBe(CLIENTS)
  expect((heapUsed(collect) - before) / CLIENTS).toBeLessThan(1024)
  for (const link of links) (link.onClose as (end: object) => void)({ code: 1006, reason: '' })
  expect(leftovers(lab)).toEqual({})
  // ids and ends of the handlers stay with the links of this test
  links.length = 0
  expect((heapUsed(collect) - before) / CLIENTS).toBeLessThan(100)
})
