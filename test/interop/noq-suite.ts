/**
 * Multipath in both roles against noq, the QUIC library under iroh: what iroh does with paths only when NAT traversal or a relay asks for it, noq does on
 * request. In INTEROP.md these tests stand with those of native iroh.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { NativePeer } from '../../conformance/peer.ts'
import type { NativeConnection } from '../../conformance/peer-connection.ts'
import { ofType } from './frame-log.ts'
import { type LowConnection, LowNode } from './low-node.ts'
import { echo, v4 } from './our-node.ts'
import { idleOnTheirPaths, pathEvent, peerOpensPaths, type StartNoq } from './peer-opens-paths.ts'
import { IDLE_MS } from './peer-suite.ts'
import { connectionFrom } from './reference-peer.ts'
import { MIB } from './sizes.ts'
import { APPLICATION_ABANDON, FIRST_MAX_PATH_ID, idleOnOurPaths, weOpenPaths } from './we-open-paths.ts'

export function describeNoq(name: string, version: string, start: StartNoq): void {
  describe(name, () => {
    let peer: NativePeer
    let idle: { readonly ours: Promise<void>; readonly theirs: Promise<void> }

    beforeAll(async () => {
      peer = await start()
      // Beside all the others.
      idle = { ours: idleOnOurPaths(peer, IDLE_MS), theirs: idleOnTheirPaths(peer, IDLE_MS) }
      for (const run of Object.values(idle)) run.catch(() => {})
    })
    afterAll(() => peer.stop())

    const group = `with noq ${version} alone`
    describe('we dial', () => {
      describe(group, () => {
        weOpenPaths(() => peer)
        peerHasItsSay(() => peer, start)
      })
    })
    describe('it dials', () => {
      describe(group, () => peerOpensPaths(() => peer, start))
    })
    // Last, when most of the time has passed anyway.
    const name = 'quic.md §5.7: nothing to say for 40 s, and two paths live'
    describe('we dial', () => {
      describe(group, () => test(name, () => idle.ours))
    })
    describe('it dials', () => {
      describe(group, () => test(name, () => idle.theirs))
    })
  })
}

/** We are the client, and the peer does something about the paths. */
function peerHasItsSay(peerNow: () => NativePeer, start: StartNoq): void {
  const connect = async (): Promise<{ low: LowConnection; theirs: NativeConnection }> => {
    const node = await LowNode.open({}, 2)
    const low = await node.connect(peerNow(), 'tom/echo/1')
    const { connection } = await connectionFrom(peerNow(), node.id)
    return { low, theirs: peerNow().connection(connection) }
  }
  const address = (): string => v4(peerNow().addrs)

  test('quic.md §5.5: it abandons the paths we open, more than there are ids; we echo', async () => {
    const { low, theirs } = await connect()
    for (let path = 1; path <= FIRST_MAX_PATH_ID + 3; path++) {
      expect(await low.openPath(address(), 1, 'backup')).toBe(path)
      await pathEvent(peerNow(), theirs, (event) => event.change === 'opened' && event.path === path)
      await theirs.closePath(path)
      const abandoned = await low.waitFor('path-abandoned', (event) => event.path === path)
      expect(abandoned).toMatchObject({ code: APPLICATION_ABANDON, byPeer: true })
      // noq forgets a path after the other side's PATH_ABANDON only
      await pathEvent(peerNow(), theirs, (event) => event.change === 'discarded' && event.path === path)
    }
    await echo(low.connection, 100_000)
    expect(low.openPaths).toEqual([0])
  })

  test('quic.md §5.6: it hears what we prefer of a path, and we what it prefers', async () => {
    const { low, theirs } = await connect()
    await low.openPath(address(), 1, 'backup')
    await pathEvent(peerNow(), theirs, (event) => event.change === 'status' && event.status === 'backup')
    await theirs.setPathStatus(1, 'backup')
    expect(await low.waitFor('path-status')).toMatchObject({ path: 1, status: 'backup' })
    low.act((quic) => quic.setPathStatus(1, 'available'))
    await pathEvent(
      peerNow(),
      theirs,
      ({ change, path, status }) => change === 'status' && path === 1 && status === 'available',
    )
    // noq reports a status of the past as well, and goes by the sequence alone
    const sequences = (status: string): unknown[] =>
      ofType(low.frames.sent, `path_status_${status}`, 1).map((frame) => frame.path_status_sequence_number)
    expect([...new Set([...sequences('backup'), ...sequences('available')])]).toEqual([1, 2])
  })

  test('quic.md §1.9: it updates keys while two paths carry data', async () => {
    const { low, theirs } = await connect()
    await low.openPath(address(), 1)
    const transfer = echo(low.connection, 8 * MIB)
    for (let update = 1; update <= 3; update++) {
      const before = low.quic.stats().keyUpdates
      // noq does nothing while it still keeps the keys before the last update
      const updated = async (): Promise<number> => {
        await theirs.updateKeys()
        await echo(low.connection, 1000)
        return low.quic.stats().keyUpdates
      }
      await expect.poll(updated, { timeout: 5000 }).toBeGreaterThan(before)
    }
    await transfer
    expect(low.openPaths).toEqual([0, 1])
    for (const path of [0, 1]) expect(low.path(path).bytesSent).toBeGreaterThan(100_000)
  })

  test('quic.md §5.9: each side tells the other its address on both paths', async () => {
    const peer = await start({ observedRole: 2 })
    onTestFinished(() => peer.stop())
    const node = await LowNode.open({ observedAddressRole: 2 }, 2)
    const low = await node.connect(peer, 'tom/echo/1')
    await low.openPath(v4(peer.addrs), 1)
    for (const path of [0, 1]) {
      const { address } = await low.waitFor('observed-address', (event) => event.path === path)
      expect(`${address.ip.join('.')}:${address.port}`).toBe(node.addrs[path])
    }
    const { connection } = await connectionFrom(peer, node.id)
    const theirs = peer.connection(connection)
    // counted there, not heard as an event: its events begin when it has accepted the connection, which may be later
    await expect.poll(async () => (await theirs.paths()).received!.observedAddress).toBeGreaterThanOrEqual(2)
    expect((await theirs.paths()).observed).toBe(v4(peer.addrs))
    expect(ofType(low.frames.sent, 'observed_address').map(({ on }) => on)).toEqual(expect.arrayContaining([0, 1]))
  })
}
