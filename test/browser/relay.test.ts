/**
 * An endpoint in a Worker of a headless Chromium, and two nodes that it can only reach through our relay: a native iroh node and a TypeScript node. Each
 * dials the other, and everything that travels is checked byte by byte.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { Endpoint, EndpointAddr, EndpointId, EndpointTicket } from '../../src/index.ts'
import { RelayServer, SharedToken } from '../../src/relay/server/index.ts'
import { ALPNS, echo, LOOPBACK, serve, strangerId } from '../interop/our-node.ts'
import { patternHash } from '../interop/pattern.ts'
import { type ReferencePeer, startIrohPeer } from '../interop/reference-peer.ts'
import { Chromium } from './chromium.ts'
import type { Accepted, Bound } from './tasks.ts'
import { TestPage } from './test-page.ts'

const BYTES = 300_000
const DATAGRAMS = 10
const LIMIT_MS = 10_000

let relay: RelayServer
let node: Endpoint
let native: ReferencePeer
let chromium: Chromium
let page: TestPage

beforeAll(async () => {
  relay = await RelayServer.start({ httpBind: '127.0.0.1:0', quic: false })
  node = await openNode()
  native = await startIrohPeer({ relays: [relay.url.href] })
  await native.waitFor('online')
  chromium = await Chromium.start()
  page = await TestPage.open(chromium)
})
afterAll(async () => {
  await Promise.allSettled([page?.close(), native?.stop(), node?.close()])
  await chromium?.stop()
  await relay?.close()
})

/** A TypeScript node whose home is the relay; it also has UDP, which is of no use to a page. */
async function openNode(): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({ bind: LOOPBACK, relays: [relay.url.href] })
  for (const alpn of ALPNS) endpoint.router().accept(alpn, serve)
  await endpoint.online()
  return endpoint
}

/** Where the page finds whoever has this id: at the relay. */
function atRelay(id: string): string {
  return new EndpointTicket(new EndpointAddr(EndpointId.parse(id)).withRelay(relay.url)).toString()
}

let self: Bound
beforeEach(async () => {
  await page.call('bind', { relays: [relay.url.href] })
  self = await page.call('online', { timeoutMs: LIMIT_MS })
})
afterEach(() => page.call('close', {}))

const dial = { alpn: 'tom/echo/1', bytes: BYTES, datagrams: DATAGRAMS, timeoutMs: LIMIT_MS }

describe('an endpoint in a Worker', () => {
  test('is at home at our relay, and has no other address', () => {
    const { addr } = EndpointTicket.parse(self.ticket)
    expect(addr.id.toString()).toBe(self.id)
    expect(addr.relayUrls.map(String)).toEqual([relay.url.href])
    expect(addr.ipAddrs).toEqual([])
  })

  test('dials a TypeScript node through the relay', async () => {
    const report = await page.call('dial', { ...dial, ticket: node.ticket().toString() }, 2 * LIMIT_MS)
    expect(report).toMatchObject({ remoteId: node.id.toString(), datagrams: DATAGRAMS })
    expect(report.paths).toEqual([{ kind: 'relay', remote: relay.url.href, selected: true }])
  })

  test('dials a native iroh node through the relay', async () => {
    const report = await page.call('dial', { ...dial, ticket: atRelay(native.id) }, 2 * LIMIT_MS)
    expect(report).toMatchObject({ remoteId: native.id, datagrams: DATAGRAMS })
    expect(report.paths).toEqual([{ kind: 'relay', remote: relay.url.href, selected: true }])
  })

  test('is dialled by a TypeScript node', async () => {
    const connection = await node.connect(self.ticket, 'tom/echo/1', { timeoutMs: LIMIT_MS })
    await echo(connection, BYTES)
    expect(connection.paths().map(({ kind }) => kind)).toEqual(['relay'])
    connection.close(0, 'done')
    expect(await heardFrom(node.id.toString())).toMatchObject({ bytes: BYTES, hash: patternHash(BYTES) })
  })

  test('is dialled by a native iroh node', async () => {
    const { ticket } = self
    await native.dial({ ticket, action: 'echo', size: BYTES, timeoutMs: LIMIT_MS })
    expect(await heardFrom(native.id)).toMatchObject({ bytes: BYTES, hash: patternHash(BYTES) })
  })
})

/** What the page says of the connection that `id` dialled, once it is over. */
async function heardFrom(id: string): Promise<Accepted | undefined> {
  let found: Accepted | undefined
  const look = async (): Promise<Accepted | undefined> => {
    found = (await page.call('accepted', {})).find(({ remoteId }) => remoteId === id)
    return found
  }
  await expect.poll(look, { timeout: LIMIT_MS }).toBeDefined()
  return found
}

describe('relays in a Worker', () => {
  test('spec/relay.md §1.7: the token goes into the query, and without it nobody gets in', async () => {
    const guarded = await RelayServer.start({ httpBind: '127.0.0.1:0', access: new SharedToken(['let me in']) })
    onTestFinished(() => guarded.close())
    const url = guarded.url.href
    await page.call('close', {})
    await page.call('bind', { relays: [{ url, token: 'let me in' }] })
    expect(await page.call('online', { timeoutMs: LIMIT_MS })).toMatchObject({ relays: [url] })
    expect(guarded.clientCount).toBe(1)

    await page.call('close', {})
    await page.call('bind', { relays: [url] })
    await expect(page.call('online', { timeoutMs: 1000 })).rejects.toThrow(/^OFFLINE: .*denied: /)
    expect(guarded.clientCount).toBe(0)
  })

  test('spec/relay.md §5.3: the relay is killed and started again, and the connection goes on', async () => {
    const { port } = relay.httpAddress!
    await page.call('keep', { ticket: node.ticket().toString(), timeoutMs: LIMIT_MS })
    await page.call('again', { bytes: BYTES })
    await relay.close()
    relay = await RelayServer.start({ httpBind: `127.0.0.1:${port}`, quic: false })
    await page.call('again', { bytes: BYTES })
    expect(relay.clientCount).toBeGreaterThanOrEqual(2)
  })
})

describe('a failure in the page fails the test', () => {
  test('nobody at the relay has the key', async () => {
    const ticket = atRelay(strangerId().toString())
    await expect(page.call('dial', { ...dial, ticket, timeoutMs: 1500 })).rejects.toThrow(/^CONNECT_TIMEOUT: /)
  })

  test('the peer does not speak the protocol', async () => {
    const ticket = node.ticket().toString()
    await expect(page.call('dial', { ...dial, ticket, alpn: 'tom/other/1' })).rejects.toThrow(/^ALPN_MISMATCH: /)
  })

  test('the peer sends back something else', async () => {
    node.router().accept('tom/shout/1', async (connection) => {
      const { send, recv } = await connection.acceptBi()
      for await (const chunk of recv) await send.write(chunk.map((byte) => byte ^ 1))
      await send.finish()
      await connection.closed
    })
    const ticket = node.ticket().toString()
    await expect(page.call('dial', { ...dial, ticket, alpn: 'tom/shout/1' })).rejects.toThrow('wrong byte at 0')
  })
})
