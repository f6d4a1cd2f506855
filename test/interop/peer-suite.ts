/**
 * The interop suite, written once over `ReferencePeer`: run against the npm node by `npm test` and against the native program by
 * `npm run conformance`. The names of its tests are the rows of INTEROP.md.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Connection, Endpoint } from '../../src/index.ts'
import { addrOf, echo, LOOPBACK, serve } from './our-node.ts'
import { peerDials } from './peer-dials.ts'
import type { PeerKind, ReferencePeer } from './reference-peer.ts'
import { weDial } from './we-dial.ts'
import { idleOnOurPaths, weOpenPaths } from './we-open-paths.ts'

/** Longer than the idle timeout of both sides, which is 30 s. */
export const IDLE_MS = 40_000

export function describePeer(kind: PeerKind): void {
  describe(kind.name, () => {
    let peer: ReferencePeer
    /** Has its own process: the others close all connections now and then. */
    let idlePeer: ReferencePeer
    let idle: Record<'weDial' | 'peerDials' | 'paths', Promise<void>>

    beforeAll(async () => {
      ;[peer, idlePeer] = await Promise.all([kind.start(), kind.start()])
      // First, and beside all the others.
      idle = {
        weDial: idleDialled(idlePeer),
        peerDials: idleAccepted(idlePeer),
        paths: idleOnOurPaths(idlePeer, IDLE_MS),
      }
      for (const run of Object.values(idle)) run.catch(() => {})
    })
    afterAll(() => Promise.all([peer.stop(), idlePeer.stop()]))

    describe('we dial', () => {
      weDial(() => peer)
      describe('several paths', () => weOpenPaths(() => peer))
    })
    describe('it dials', () => peerDials(() => peer))
    // Last, when most of the time has passed anyway.
    const name = 'RFC 9000 §10.1: nothing to say for 40 s, and the connection lives'
    describe('we dial', () => test(name, () => idle.weDial))
    describe('it dials', () => test(name, () => idle.peerDials))
    describe('we dial', () => {
      describe('several paths', () =>
        test('quic.md §5.7: nothing to say for 40 s, and two paths live', () => idle.paths))
    })
  })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function idleDialled(peer: ReferencePeer): Promise<void> {
  const endpoint = await Endpoint.bind({ bind: LOOPBACK })
  try {
    const connection = await endpoint.connect(addrOf(peer), 'tom/echo/1')
    await echo(connection, 1000)
    await pause(IDLE_MS)
    await echo(connection, 1000)
    expect(connection.closeReason).toBeUndefined()
  } finally {
    await endpoint.close()
  }
}

async function idleAccepted(peer: ReferencePeer): Promise<void> {
  const endpoint = await Endpoint.bind({ bind: LOOPBACK, alpns: ['tom/echo/1'] })
  try {
    const held = peer.dial({
      id: String(endpoint.id),
      addrs: endpoint.boundAddresses(),
      action: 'hold',
      timeoutMs: IDLE_MS + 20_000,
    })
    const connection = (await endpoint.accept()) as Connection
    void serve(connection)
    await pause(IDLE_MS)
    expect(connection.closeReason).toBeUndefined()
    // What it reports back it can only know if the connection still stood.
    connection.close(40, 'long enough')
    expect((await held).closed).toEqual({ kind: 'peer-application', code: 40, reason: 'long enough' })
  } finally {
    await endpoint.close()
  }
}
