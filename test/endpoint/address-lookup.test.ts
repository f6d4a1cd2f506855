import { describe, expect, test } from 'vitest'
import { MemoryLookup } from '../../src/discovery/index.ts'
import type { Endpoint } from '../../src/endpoint/node.ts'
import type { EndpointAddr } from '../../src/identity/index.ts'
import { ALPN, bind, closeAfterEach } from './pair.ts'

closeAfterEach()

/** An endpoint that takes whoever comes with one of these protocols. */
async function serve(...alpns: string[]): Promise<Endpoint> {
  const server = await bind({ alpns: [] })
  for (const alpn of alpns) server.router().accept(alpn, () => {})
  return server
}

describe('dialling by id alone', () => {
  test('uses the addresses that a lookup knows', async () => {
    const [client, server] = [await bind(), await serve(ALPN)]
    const lookup = new MemoryLookup({ now: () => client.platform.now() })
    lookup.add(server.addr())
    await expect(client.connect(server.id, ALPN)).rejects.toMatchObject({ code: 'NO_ADDRESS' })
    client.addAddressLookup(lookup)
    expect((await client.connect(server.id, ALPN)).remoteId.equals(server.id)).toBe(true)
  })

  test('waits for a lookup that has to ask, and stops when the signal says so', async () => {
    const [client, server] = [await bind(), await serve(ALPN)]
    let signalled: AbortSignal | undefined
    client.addAddressLookup({
      lookup: (id, signal) => {
        signalled = signal
        return id.equals(server.id) ? Promise.resolve(server.addr()) : new Promise(() => {})
      },
    })
    expect((await client.connect(server.id, ALPN)).remoteId.equals(server.id)).toBe(true)
    const stop = new AbortController()
    const dialled = client.connect((await bind()).id, ALPN, { signal: stop.signal })
    expect(signalled).toBe(stop.signal)
    stop.abort(new Error('enough'))
    await expect(dialled).rejects.toThrow('enough')
  })

  test('an endpoint closed while a lookup is asked dials nobody', async () => {
    const client = await bind()
    const { id } = await bind()
    client.addAddressLookup({ lookup: async () => undefined })
    const dialled = client.connect(id, ALPN)
    const closed = client.close()
    await expect(dialled).rejects.toMatchObject({ code: 'ENDPOINT_CLOSED' })
    await closed
  })
})

describe('several ALPNs in one dial', () => {
  test('the peer chooses among those that are offered', async () => {
    const [client, server] = [await bind(), await serve('new/1', 'old/1')]
    const first = await client.connect(server.addr(), 'old/1', { additionalAlpns: ['new/1'] })
    expect(first.alpnText).toBe('new/1')
    const second = await client.connect(server.addr(), 'unknown/1', { additionalAlpns: ['old/1'] })
    expect(second.alpnText).toBe('old/1')
    await expect(client.connect(server.addr(), 'a', { additionalAlpns: [''] })).rejects.toMatchObject({
      code: 'INVALID_ALPN',
    })
  })
})

describe('changes of the own address', () => {
  test('each is told once, and the iteration ends with the endpoint', async () => {
    const endpoint = await bind()
    const seen: EndpointAddr[] = []
    const reading = (async () => {
      for await (const addr of endpoint.addrChanges()) seen.push(addr)
    })()
    endpoint.addExternalAddress('192.0.2.9:99')
    await expect.poll(() => seen.length).toBe(1)
    endpoint.addExternalAddress('192.0.2.9:99')
    endpoint.removeExternalAddress('192.0.2.9:99')
    await expect.poll(() => seen.length).toBe(2)
    expect(seen.map((addr) => addr.ipAddrs.some(({ port }) => port === 99))).toEqual([true, false])
    await endpoint.close()
    await reading
    expect(seen.length).toBe(2)
  })

  test('what changed before the first reading is not missed', async () => {
    const endpoint = await bind()
    const changes = endpoint.addrChanges()
    endpoint.addExternalAddress('192.0.2.9:98')
    expect((await changes.next()).value?.ipAddrs.some(({ port }: { port: number }) => port === 98)).toBe(true)
    const stop = new AbortController()
    const aborted = endpoint.addrChanges({ signal: stop.signal }).next()
    stop.abort(new Error('enough'))
    await expect(aborted).rejects.toThrow('enough')
  })
})
