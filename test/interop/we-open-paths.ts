/** Multipath with our node as the client: it opens, abandons and rates the paths, and a wire between the two is cut. */
import { expect, onTestFinished, test } from 'vitest'
import type { QuicSettings } from '../../src/quic/index.ts'
import { abandonCodes, issuedFor, ofType } from './frame-log.ts'
import { type LowConnection, LowNode } from './low-node.ts'
import { echo, fromSource, toSink, v4 } from './our-node.ts'
import { connectionFrom, type ReferencePeer } from './reference-peer.ts'
import { MIB } from './sizes.ts'
import { UdpRelay } from './udp-relay.ts'

/** Application request (spec/quic.md §4.1). */
export const APPLICATION_ABANDON = 0x3e
export const UNSTABLE_OR_POOR = 0x3e76
/** The ids 0 to 7 are allowed at the start, both ways. */
export const FIRST_MAX_PATH_ID = 7
/** So that silence is noticed within a test. */
export const QUICK_CLOCKS = { keepAliveMs: 200, pathIdleTimeoutMs: 1200 }

export function weOpenPaths(peerNow: () => ReferencePeer): void {
  /**
   * A connection from the first of two sockets, confirmed and accepted: what happens to paths between iroh's handshake and its `accept`, its list of
   * them misses for good (seen with a starved process).
   */
  const connect = async (alpn = 'tom/echo/1', settings: Partial<QuicSettings> = {}): Promise<LowConnection> => {
    const node = await LowNode.open(settings, 2)
    const low = await node.connect(peerNow(), alpn)
    await low.waitFor('confirmed')
    await connectionFrom(peerNow(), low.node.id)
    return low
  }
  const address = (): string => v4(peerNow().addrs)
  const relayed = async (): Promise<UdpRelay> => {
    const relay = await UdpRelay.open(address())
    onTestFinished(() => relay.close())
    return relay
  }
  /** Addresses of the peer's end of all paths, as it sees them. */
  const peerSees = async (low: LowConnection): Promise<string[]> => {
    const { connection } = await connectionFrom(peerNow(), low.node.id)
    const { paths } = await peerNow().connection(connection).paths()
    return paths.map(({ remote }) => remote.replace(/^ip:/, ''))
  }

  test('quic.md §4.4, §4.6: it acknowledges with PATH_ACK, and both sides issue ids for eight paths', async () => {
    const low = await connect()
    await echo(low.connection, 10_000)
    expect(low.quic.isMultipath).toBe(true)
    const { sent, received } = low.frames
    await expect.poll(() => ofType(received, 'path_ack', 0).length).toBeGreaterThan(0)
    for (let path = 1; path <= FIRST_MAX_PATH_ID; path++) {
      // the limit we advertise
      await expect.poll(() => issuedFor(received, path)).toBe(5)
      expect(ofType(sent, 'path_new_connection_id', path).length).toBeGreaterThan(0)
    }
    expect(ofType(sent, 'path_ack', 0).length).toBeGreaterThan(0)
    expect(await peerSees(low)).toEqual([low.node.addrs[0]])
  })

  test('quic.md §5.4: we open a path from a second socket, and data goes over either', async () => {
    const low = await connect()
    expect(await low.openPath(address(), 1)).toBe(1)
    await expect.poll(() => peerSees(low)).toEqual(low.node.addrs)
    for (const [preferred, other] of [
      [1, 0],
      [0, 1],
    ] as const) {
      low.act((quic) => quic.setPathStatus(preferred, 'available'))
      low.act((quic) => quic.setPathStatus(other, 'backup'))
      const before = [low.path(0).bytesSent, low.path(1).bytesSent]
      await echo(low.connection, 200_000)
      expect(low.path(preferred).bytesSent - before[preferred]!).toBeGreaterThan(200_000)
      expect(low.path(other).bytesSent - before[other]!).toBeLessThan(50_000)
    }
    expect(low.quic.paths()).toMatchObject([
      { id: 0, state: 'open', validated: true },
      { id: 1, state: 'open', validated: true },
    ])
  })

  test('quic.md §5.4: we open a path to a second address of it', async () => {
    const low = await connect()
    const relay = await relayed()
    const path = await low.openPath(relay.address)
    await expect.poll(() => peerSees(low)).toEqual([low.node.addrs[0], relay.clientAddress])
    low.act((quic) => quic.setPathStatus(0, 'backup'))
    await echo(low.connection, 100_000)
    expect(low.path(path).bytesSent).toBeGreaterThan(100_000)
  })

  test('quic.md §5.5: it echoes our PATH_ABANDON and gives the id back, for more paths than there are ids', async () => {
    const low = await connect()
    for (let path = 1; path <= FIRST_MAX_PATH_ID + 5; path++) {
      expect(await low.openPath(address(), 1, 'backup')).toBe(path)
      await echo(low.connection, 1000)
      low.act((quic, now) => quic.abandonPath(path, APPLICATION_ABANDON, now))
      await expect.poll(() => abandonCodes(low.frames.received, path)).toEqual([APPLICATION_ABANDON])
      await expect
        .poll(() => ofType(low.frames.received, 'max_path_id').at(-1)?.maximum_path_id)
        .toBe(FIRST_MAX_PATH_ID + path)
      expect(low.openPaths).toEqual([0])
    }
    await low.waitFor('path-discarded', ({ path }) => path === FIRST_MAX_PATH_ID + 5)
    await echo(low.connection, 10_000)
    await expect.poll(() => peerSees(low)).toEqual([low.node.addrs[0]])
  })

  test('quic.md §5.4: we open all paths that it allows, and hear when we may open more', async () => {
    const low = await connect()
    for (let path = 1; path <= FIRST_MAX_PATH_ID; path++) {
      expect(await low.openPath(address(), 1, 'backup')).toBe(path)
      await expect.poll(() => ofType(low.frames.received, 'path_ack').some((ack) => ack.path_id === path)).toBe(true)
    }
    await echo(low.connection, 100_000)
    await expect.poll(() => peerSees(low)).toHaveLength(FIRST_MAX_PATH_ID + 1)
    const more = low.openPath(address(), 1)
    await expect
      .poll(() => ofType(low.frames.sent, 'paths_blocked')[0])
      .toMatchObject({ maximum_path_id: FIRST_MAX_PATH_ID })
    low.act((quic, now) => quic.abandonPath(3, APPLICATION_ABANDON, now))
    expect(await more).toBe(FIRST_MAX_PATH_ID + 1)
    expect(low.events.some(({ type }) => type === 'paths-available')).toBe(true)
    await echo(low.connection, 100_000)
  })

  test('quic.md §5.5: path 0 is abandoned, and the connection lives on path 1', async () => {
    const low = await connect()
    await low.openPath(address(), 1)
    low.act((quic, now) => quic.abandonPath(0, APPLICATION_ABANDON, now))
    await echo(low.connection, 100_000)
    await expect.poll(() => abandonCodes(low.frames.received, 0)).toEqual([APPLICATION_ABANDON])
    await low.waitFor('path-discarded', ({ path }) => path === 0)
    await echo(low.connection, 100_000)
    await expect.poll(() => peerSees(low)).toEqual([low.node.addrs[1]])
  })

  test.each([0, 1])(
    'quic.md §5.7: path %i is cut in a transfer: it goes on, the path is given up, a new one opened',
    async (cut) => {
      const node = await LowNode.open(QUICK_CLOCKS, 2)
      const relay = await relayed()
      const [first, second] = cut === 0 ? [relay.address, address()] : [address(), relay.address]
      const low = await node.connect(peerNow(), 'tom/sink/1', first)
      await low.openPath(second, 1)
      low.act((quic) => quic.setPathStatus(1 - cut, 'backup'))
      const transfer = toSink(low.connection, 4 * MIB)
      await expect.poll(() => low.path(cut).bytesSent, { interval: 2 }).toBeGreaterThan(MIB / 2)
      relay.dropToServer = true
      relay.dropToClient = true
      await transfer
      expect(await low.waitFor('path-abandoned')).toMatchObject({ path: cut, code: UNSTABLE_OR_POOR, byPeer: false })
      await expect.poll(() => abandonCodes(low.frames.received, cut)).toEqual([UNSTABLE_OR_POOR])
      await expect
        .poll(() => ofType(low.frames.received, 'max_path_id').at(-1)?.maximum_path_id)
        .toBe(FIRST_MAX_PATH_ID + 1)
      relay.dropToServer = false
      relay.dropToClient = false
      expect(await low.openPath(relay.address, 0)).toBe(2)
      await toSink(low.connection, 100_000)
      expect(low.openPaths).toEqual([1 - cut, 2])
    },
  )

  test('quic.md §1.9: keys are updated while two paths carry data', async () => {
    const low = await connect()
    await low.openPath(address(), 1)
    for (let update = 1; update <= 3; update++) {
      const preferred = update % 2
      low.act((quic) => quic.setPathStatus(preferred, 'available'))
      low.act((quic) => quic.setPathStatus(1 - preferred, 'backup'))
      const transfer = echo(low.connection, MIB)
      await expect.poll(() => low.act((quic, now) => quic.updateKeys(now)), { timeout: 5000, interval: 5 }).toBe(true)
      // what is left of it goes over the other path, in the new phase as well
      low.act((quic) => quic.setPathStatus(1 - preferred, 'available'))
      low.act((quic) => quic.setPathStatus(preferred, 'backup'))
      await transfer
      await echo(low.connection, 100_000)
    }
    expect(low.quic.stats().keyUpdates).toBeGreaterThanOrEqual(3)
    for (const path of [0, 1]) expect(low.path(path).bytesSent).toBeGreaterThan(100_000)
    expect(low.quic.paths()).toMatchObject([{ state: 'open' }, { state: 'open' }])
  })

  test('quic.md §5.6: bulk both ways with two available paths', async () => {
    const size = 8 * MIB
    const sink = await connect('tom/sink/1')
    await sink.openPath(address(), 1)
    await toSink(sink.connection, size)
    const source = await connect('tom/source/1')
    await source.openPath(address(), 1)
    await fromSource(source.connection, size)
    for (const low of [sink, source]) {
      expect(low.openPaths).toEqual([0, 1])
      expect(low.connection.closeReason).toBeUndefined()
    }
  })
}

/** Two paths, opened by us, with nothing to say for `ms`. Not within a test: it takes its time beside the others. */
export async function idleOnOurPaths(peer: ReferencePeer, ms: number): Promise<void> {
  const node = await LowNode.bind({}, 2)
  try {
    const low = await node.connect(peer, 'tom/echo/1')
    await low.openPath(v4(peer.addrs), 1)
    await echo(low.connection, 1000)
    await new Promise((resolve) => setTimeout(resolve, ms))
    expect(low.openPaths).toEqual([0, 1])
    for (const path of [0, 1]) {
      low.act((quic) => quic.setPathStatus(path, 'available'))
      low.act((quic) => quic.setPathStatus(1 - path, 'backup'))
      const before = low.path(path).bytesSent
      await echo(low.connection, 50_000)
      expect(low.path(path).bytesSent - before).toBeGreaterThan(50_000)
    }
  } finally {
    await node.close()
  }
}
