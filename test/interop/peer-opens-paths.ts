/**
 * Multipath with our node as the server: the peer opens, abandons and rates the paths. iroh does that only where NAT traversal or a relay gives it
 * a reason, so here the peer is noq, the QUIC library under iroh, which does it on request.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { NativeEvent, NativeOptions, NativePathEvent, NativePeer } from '../../conformance/peer.ts'
import type { NativeConnection } from '../../conformance/peer-connection.ts'
import type { Driver } from '../../src/driver/index.ts'
import { UdpRouteEntry } from '../../src/driver/route-entry.ts'
import type { QuicSettings } from '../../src/quic/index.ts'
import { abandonCodes, ofType } from './frame-log.ts'
import { type LowConnection, LowNode } from './low-node.ts'
import { v4 } from './our-node.ts'
import { MIB } from './sizes.ts'
import { UdpRelay } from './udp-relay.ts'
import { APPLICATION_ABANDON, FIRST_MAX_PATH_ID, QUICK_CLOCKS, UNSTABLE_OR_POOR } from './we-open-paths.ts'

export type StartNoq = (options?: Omit<NativeOptions, 'binary'>) => Promise<NativePeer>

interface Pair {
  /** The peer's end, and ours. */
  readonly theirs: NativeConnection
  readonly low: LowConnection
}

function udpEntry(driver: Driver, route: number): UdpRouteEntry {
  const entry = driver.routes.entry(route)
  if (!(entry instanceof UdpRouteEntry)) throw new Error(`route ${route} is no UDP route`)
  return entry
}

export function peerOpensPaths(peerNow: () => NativePeer, start: StartNoq): void {
  /** It dials the first of our two sockets. */
  const connect = async (
    alpn = 'tom/echo/1',
    settings: Partial<QuicSettings> = {},
    peer: NativePeer = peerNow(),
  ): Promise<Pair> => {
    const node = await LowNode.open(settings, 2)
    const theirs = await peer.connect({ id: node.id, addrs: [node.addrs[0]!], alpn })
    const low = await node.nextAccepted()
    await low.waitFor('confirmed')
    return { theirs, low }
  }
  const relayed = async (address: string): Promise<UdpRelay> => {
    const relay = await UdpRelay.open(address)
    onTestFinished(() => relay.close())
    return relay
  }
  const another = async (options: Omit<NativeOptions, 'binary'>): Promise<NativePeer> => {
    const peer = await start(options)
    onTestFinished(() => peer.stop())
    return peer
  }

  test('quic.md §5.4: it opens a path to our second socket, and data goes over either', async () => {
    const { theirs, low } = await connect()
    const { node } = low
    expect(await openPath(theirs, node.addrs[1]!)).toBe(1)
    const { route } = await low.waitFor('path-validated', ({ path }) => path === 1)
    expect(udpEntry(node.driver, route).socket).toBe(node.driver.sockets[1])
    // what it prefers decides where its data goes, what we prefer where ours does
    for (const [preferred, other] of [
      [1, 0],
      [0, 1],
    ] as const) {
      for (const side of [theirs, sideOf(low)]) {
        await side.setPathStatus(preferred, 'available')
        await side.setPathStatus(other, 'backup')
      }
      const before = [low.path(0), low.path(1)]
      await theirs.run({ action: 'echo', size: 200_000 })
      for (const direction of ['bytesReceived', 'bytesSent'] as const) {
        expect(low.path(preferred)[direction] - before[preferred]![direction]).toBeGreaterThan(200_000)
        expect(low.path(other)[direction] - before[other]![direction]).toBeLessThan(50_000)
      }
    }
  })

  test('quic.md §5.6: each side hears what the other prefers of a path', async () => {
    const { theirs, low } = await connect()
    await openPath(theirs, low.node.addrs[1]!)
    await low.waitFor('path-validated', ({ path }) => path === 1)
    await theirs.setPathStatus(1, 'backup')
    expect(await low.waitFor('path-status')).toMatchObject({ path: 1, status: 'backup' })
    expect(low.path(1)).toMatchObject({ status: 'available', peerStatus: 'backup' })
    low.act((quic) => quic.setPathStatus(0, 'backup'))
    await pathEvent(
      peerNow(),
      theirs,
      (event) => event.change === 'status' && event.path === 0 && event.status === 'backup',
    )
  })

  test('quic.md §5.5: we echo its PATH_ABANDON and give the id back, for more paths than there are ids', async () => {
    const { theirs, low } = await connect()
    for (let path = 1; path <= FIRST_MAX_PATH_ID + 5; path++) {
      expect(await openPath(theirs, low.node.addrs[1]!, 'backup')).toBe(path)
      await theirs.run({ action: 'echo', size: 1000 })
      await theirs.closePath(path)
      expect(await low.waitFor('path-abandoned', (event) => event.path === path)).toMatchObject({
        code: APPLICATION_ABANDON,
        byPeer: true,
      })
      expect(abandonCodes(low.frames.received, path)).toEqual([APPLICATION_ABANDON])
      // noq forgets a path after the other side's PATH_ABANDON only
      await pathEvent(peerNow(), theirs, (event) => event.change === 'discarded' && event.path === path)
    }
    await expect
      .poll(() => ofType(low.frames.sent, 'max_path_id').at(-1)?.maximum_path_id)
      .toBe(2 * FIRST_MAX_PATH_ID + 5)
    await theirs.run({ action: 'echo', size: 10_000 })
    expect(low.openPaths).toEqual([0])
  })

  test('quic.md §5.4: it opens all paths that we allow, and hears when it may open more', async () => {
    const { theirs, low } = await connect()
    const address = low.node.addrs[1]!
    for (let path = 1; path <= FIRST_MAX_PATH_ID; path++) expect(await openPath(theirs, address, 'backup')).toBe(path)
    await theirs.run({ action: 'echo', size: 100_000 })
    expect(low.openPaths).toHaveLength(FIRST_MAX_PATH_ID + 1)
    await expect(theirs.openPath(address)).rejects.toThrow(/maximum/)
    await expect.poll(() => ofType(low.frames.received, 'paths_blocked').length).toBeGreaterThan(0)
    await theirs.closePath(3)
    expect(await openPath(theirs, address)).toBe(FIRST_MAX_PATH_ID + 1)
    await theirs.run({ action: 'echo', size: 100_000 })
  })

  test.each([0, 1])('quic.md §5.5: we abandon path %i, it echoes and opens another', async (path) => {
    const { theirs, low } = await connect()
    await openPath(theirs, low.node.addrs[1]!)
    await low.waitFor('path-validated', (event) => event.path === 1)
    low.act((quic, now) => quic.abandonPath(path, 1234, now))
    const told = await pathEvent(peerNow(), theirs, (event) => event.change === 'abandoned')
    expect(told).toMatchObject({ path, by: 'peer', code: 1234 })
    await expect.poll(() => abandonCodes(low.frames.received, path)).toEqual([1234])
    await low.waitFor('path-discarded')
    await theirs.run({ action: 'echo', size: 100_000 })
    expect(await openPath(theirs, low.node.addrs[path]!)).toBe(2)
    await theirs.run({ action: 'echo', size: 100_000 })
    expect(low.openPaths).toEqual([1 - path, 2])
  })

  test.each([0, 1])(
    'quic.md §5.7: path %i is cut in a transfer: it goes on, the path is given up, a new one opened',
    async (cut) => {
      const quick = { keepAliveMs: QUICK_CLOCKS.keepAliveMs, pathIdleMs: QUICK_CLOCKS.pathIdleTimeoutMs }
      const peer = await another(quick)
      const node = await LowNode.open({}, 2)
      const relay = await relayed(node.addrs[cut]!)
      const addresses = [node.addrs[0]!, node.addrs[1]!]
      addresses[cut] = relay.address
      const theirs = await peer.connect({ id: node.id, addrs: [addresses[0]!], alpn: 'tom/sink/1' })
      const low = await node.nextAccepted()
      await openPath(theirs, addresses[1]!)
      await theirs.setPathStatus(1 - cut, 'backup')
      const transfer = theirs.run({ action: 'sink', size: 16 * MIB })
      await expect.poll(() => low.path(cut).bytesReceived, { interval: 2 }).toBeGreaterThan(MIB)
      relay.dropToServer = true
      relay.dropToClient = true
      expect(await transfer).toMatchObject({ verified: true, reason: null })
      expect(await low.waitFor('path-abandoned')).toMatchObject({ path: cut, code: UNSTABLE_OR_POOR, byPeer: true })
      relay.dropToServer = false
      relay.dropToClient = false
      expect(await openPath(theirs, relay.address)).toBe(2)
      expect(await theirs.run({ action: 'sink', size: 100_000 })).toMatchObject({ verified: true })
      expect(low.openPaths).toEqual([1 - cut, 2])
    },
  )

  test('quic.md §1.9: it and we update keys while two paths carry data', async () => {
    const { theirs, low } = await connect()
    await openPath(theirs, low.node.addrs[1]!)
    const transfer = theirs.run({ action: 'echo', size: 8 * MIB })
    const updates = (): number => low.quic.stats().keyUpdates
    // noq does nothing while it still keeps the keys before the last update, and says nothing of a new one by itself
    const theyUpdate = async (): Promise<number> => {
      await theirs.updateKeys()
      await theirs.run({ action: 'echo', size: 1000 })
      return updates()
    }
    for (let round = 1; round <= 2; round++) {
      await expect.poll(theyUpdate, { timeout: 5000 }).toBeGreaterThan(updates())
      await expect.poll(() => low.act((quic, now) => quic.updateKeys(now)), { timeout: 5000, interval: 5 }).toBe(true)
    }
    expect(await transfer).toMatchObject({ verified: true, reason: null })
    expect(updates()).toBeGreaterThanOrEqual(4)
    expect(low.openPaths).toEqual([0, 1])
    // a path that was full: both took their part
    for (const path of [0, 1]) expect(low.path(path).bytesReceived).toBeGreaterThan(100_000)
  })

  test('quic.md §5.6: bulk both ways with two available paths', async () => {
    for (const action of ['sink', 'source'] as const) {
      const { theirs, low } = await connect(`tom/${action}/1`)
      await openPath(theirs, low.node.addrs[1]!)
      expect(await theirs.run({ action, size: 32 * MIB })).toMatchObject({ verified: true, reason: null })
      expect(low.openPaths).toEqual([0, 1])
    }
  })

  test('quic.md §5.4: its path comes from another port, and a NAT gives it yet another', async () => {
    const { theirs, low } = await connect()
    const relay = await relayed(low.node.addrs[0]!)
    const path = await openPath(theirs, relay.address)
    await low.waitFor('path-validated', (event) => event.path === path)
    await theirs.setPathStatus(0, 'backup')
    await theirs.run({ action: 'echo', size: 100_000 })
    await relay.rebind()
    await theirs.run({ action: 'echo', size: 100_000 })
    expect(low.path(path).bytesReceived).toBeGreaterThan(200_000)
    const { route } = await low.waitFor('path-migrated')
    expect(`127.0.0.1:${udpEntry(low.node.driver, route).port}`).toBe(relay.clientAddress)
  })

  // Elsewhere than on Linux 127.0.0.2 is nobody's address.
  test.skipIf(process.platform !== 'linux')(
    'quic.md §5.4: it opens a path from a second address of its own',
    async () => {
      const peer = await another({ bind: ['0.0.0.0:0'] })
      const { theirs, low } = await connect('tom/echo/1', {}, peer)
      const path = await openPath(theirs, low.node.addrs[0]!, 'available', '127.0.0.2')
      const { route } = await low.waitFor('path-validated', (event) => event.path === path)
      expect(udpEntry(low.node.driver, route).host).toBe('127.0.0.2')
      await theirs.setPathStatus(0, 'backup')
      low.act((quic) => quic.setPathStatus(0, 'backup'))
      await theirs.run({ action: 'echo', size: 200_000 })
      expect(low.path(path).bytesReceived).toBeGreaterThan(200_000)
      expect(low.path(path).bytesSent).toBeGreaterThan(200_000)
    },
  )

  describe('draft-seemann-quic-address-discovery', () => {
    test('quic.md §5.9: each side tells the other its address on both paths', async () => {
      const peer = await another({ observedRole: 2 })
      const { theirs, low } = await connect('tom/echo/1', { observedAddressRole: 2 }, peer)
      const relay = await relayed(low.node.addrs[1]!)
      await openPath(theirs, relay.address)
      const seen = async (path: number): Promise<string> => {
        const { address } = await low.waitFor('observed-address', (event) => event.path === path)
        return `${address.ip.join('.')}:${address.port}`
      }
      expect(await seen(0)).toBe(low.node.addrs[0])
      // where the relay answers
      expect(await seen(1)).toBe(relay.address)
      const told = await pathEvent(peer, theirs, (event) => event.change === 'observed' && event.path === 1)
      expect(told.address).toBe(relay.clientAddress)
      expect(ofType(low.frames.sent, 'observed_address')[0]).toMatchObject({ on: 0, address: v4(peer.addrs) })
    })

    test.each([
      { theirs: 0, ours: 1, reports: { theirs: true, ours: false } },
      { theirs: 1, ours: 0, reports: { theirs: false, ours: true } },
      { theirs: 0, ours: 0, reports: { theirs: false, ours: false } },
      { theirs: 2, ours: undefined, reports: { theirs: false, ours: false } },
    ] as const)('quic.md §3.2: its role is $theirs, ours $ours', async ({ theirs: role, ours, reports }) => {
      const peer = await another({ observedRole: role })
      const { theirs, low } = await connect('tom/echo/1', { observedAddressRole: ours }, peer)
      await openPath(theirs, low.node.addrs[1]!)
      await theirs.run({ action: 'echo', size: 1000 })
      const { received, sent } = await theirs.paths()
      expect(sent!.observedAddress > 0).toBe(reports.theirs)
      expect(received!.observedAddress > 0).toBe(reports.ours)
      expect(low.events.some(({ type }) => type === 'observed-address')).toBe(reports.theirs)
    })
  })

  test('quic.md §3.2: it knows no multipath, or allows path 0 only', async () => {
    const without = await another({ paths: 0 })
    const plain = await connect('tom/echo/1', {}, without)
    await plain.theirs.run({ action: 'echo', size: 100_000 })
    expect(plain.low.quic.isMultipath).toBe(false)
    expect(ofType(plain.low.frames.received, 'path_ack')).toHaveLength(0)
    const one = await another({ paths: 1 })
    const single = await connect('tom/echo/1', {}, one)
    await single.theirs.run({ action: 'echo', size: 100_000 })
    expect(single.low.quic.isMultipath).toBe(true)
    expect(ofType(single.low.frames.received, 'path_ack', 0).length).toBeGreaterThan(0)
    await expect(single.theirs.openPath(single.low.node.addrs[1]!)).rejects.toThrow(/maximum/)
  })
}

/** Waits where our path ids or connection ids have not reached it yet, as iroh does. */
async function openPath(
  theirs: NativeConnection,
  address: string,
  status?: 'available' | 'backup',
  local?: string,
): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await theirs.openPath(address, status, local)
    } catch (error) {
      if (attempt === 50 || !/exhausted|maximum/.test(String(error))) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** Our end with the verb of theirs. */
function sideOf(low: LowConnection): Pick<NativeConnection, 'setPathStatus'> {
  return {
    setPathStatus: async (path, status) => {
      low.act((quic) => quic.setPathStatus(path, status))
    },
  }
}

/** What `peer` says of a path of `connection`. */
export function pathEvent(
  peer: NativePeer,
  { number }: NativeConnection,
  matches: (event: NativePathEvent) => boolean,
): Promise<NativePathEvent> {
  const isIt = (event: Extract<NativeEvent, { event: 'path' }>): boolean =>
    event.connection === number && matches(event)
  return peer.waitFor('path', isIt)
}

/** Two paths, opened by the peer, with nothing to say for `ms`. Not within a test: it takes its time beside the others. */
export async function idleOnTheirPaths(peer: NativePeer, ms: number): Promise<void> {
  const node = await LowNode.bind({}, 2)
  try {
    const theirs = await peer.connect({ id: node.id, addrs: [node.addrs[0]!] })
    const low = await node.nextAccepted()
    await openPath(theirs, node.addrs[1]!)
    await new Promise((resolve) => setTimeout(resolve, ms))
    expect(low.openPaths).toEqual([0, 1])
    await theirs.run({ action: 'echo', size: 100_000 })
  } finally {
    await node.close()
  }
}
