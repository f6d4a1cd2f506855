/** More addresses than either side takes, most of them of nobody: a direct path all the same, and a bounded number of packets to the others. */
import { createSocket, type Socket } from 'node:dgram'
import { expect, onTestFinished, test } from 'vitest'
import {
  addressesIn,
  dialByRelay,
  dialledByRelay,
  openOurs,
  type PunchSetup,
  roundOf,
  stays,
} from '../../test/interop/holepunch/punch-suite.ts'
import { type NativePeer, startListener } from '../peer.ts'

const MANY = 40
/** What each side says that it takes (spec/endpoint.md §3.1). */
const TAKEN = 32
/** spec/endpoint.md §3.4. */
const PROBES_EACH = 9
const ROUND_MS = 4_500

/** Addresses of this host where datagrams are counted and nothing answers. */
class Nobody {
  readonly addresses: readonly string[]
  readonly received = new Map<string, number>()
  readonly #sockets: readonly Socket[]

  private constructor(sockets: readonly Socket[]) {
    this.#sockets = sockets
    this.addresses = sockets.map((socket) => {
      const { address, port } = socket.address()
      const text = `${address}:${port}`
      socket.on('message', () => this.received.set(text, (this.received.get(text) ?? 0) + 1))
      return text
    })
  }

  static async open(count: number): Promise<Nobody> {
    const sockets = await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const socket = createSocket('udp4')
        await new Promise<void>((resolve, reject) => {
          socket.once('error', reject)
          socket.bind(0, `127.1.0.${index + 1}`, resolve)
        })
        return socket
      }),
    )
    const nobody = new Nobody(sockets)
    onTestFinished(() => nobody.close())
    return nobody
  }

  close(): void {
    for (const socket of this.#sockets) socket.close()
  }
}

// Elsewhere than on Linux 127.1.0.1 is nobody's address.
const isLinux = process.platform === 'linux'

export function candidatesSuite(setupNow: () => PunchSetup, binary: string): void {
  test.skipIf(!isLinux)(`quic.md §5.8: we have ${MANY} more addresses, and it dials us`, async () => {
    const setup = setupNow()
    const nobody = await Nobody.open(MANY)
    const ours = await openOurs(setup)
    for (const address of nobody.addresses) ours.endpoint.addExternalAddress(address)
    const { log, theirs } = await dialledByRelay(ours, setup)
    await log.goes('direct')
    // repeated where an acknowledgement was late
    await expect.poll(async () => (await theirs.paths()).received!.addAddress).toBeGreaterThanOrEqual(TAKEN)
    const told = addressesIn(ours.frames.sent, 'add_address')
    expect(told).toHaveLength(TAKEN)
    expect(told).toEqual(expect.arrayContaining(ours.endpoint.boundAddresses()))
    await stays(log, theirs)
  })

  test.skipIf(!isLinux)(`quic.md §5.8: it has ${MANY} more addresses, and we dial it`, async () => {
    const setup = setupNow()
    const nobody = await Nobody.open(MANY)
    const peer: NativePeer = await startListener({ binary, relays: [setup.url], relayQuicPorts: [setup.quicPort] })
    onTestFinished(() => peer.stop())
    await peer.waitFor('online')
    for (const address of nobody.addresses) await peer.addAddress(address)
    const ours = await openOurs(setup)
    const { log, theirs } = await dialByRelay(ours, { ...setup, peer })
    await log.goes('direct')
    await expect.poll(() => addressesIn(ours.frames.received, 'add_address').length).toBe(TAKEN)
    await expect.poll(() => nobody.received.size, { timeout: 10_000 }).toBeGreaterThan(0)
    await new Promise((resolve) => setTimeout(resolve, ROUND_MS))
    await stays(log, theirs)
    const rounds = roundOf(ours.frames.sent)
    expect(nobody.received.size).toBeLessThanOrEqual(TAKEN)
    for (const count of nobody.received.values()) expect(count).toBeLessThanOrEqual(rounds * PROBES_EACH)
  })
}
