/**
 * From the relay to a direct path with a real iroh node, in both roles, written once: `npm test` runs it with the npm package over our relay, `npm run
 * conformance` with the native program over ours and over the real one. All on loopback; our end has a gate (gated-platform.ts), so that a stream surely runs
 * over the relay before there is anything else.
 */
import { describe, expect, onTestFinished, test } from 'vitest'
import type { NativePath, NativePeer } from '../../../conformance/peer.ts'
import type { NativeConnection } from '../../../conformance/peer-connection.ts'
import { messageOf } from '../../../src/bytes/index.ts'
import { type Endpoint, EndpointAddr, EndpointId, EndpointTicket } from '../../../src/index.ts'
import { abandonCodes, FrameLog, type LoggedFrame, ofType } from '../frame-log.ts'
import { echo, LOOPBACK, openServer, portOf, v4, v6 } from '../our-node.ts'
import { connectionFrom } from '../reference-peer.ts'
import { UdpRelay } from '../udp-relay.ts'
import { APPLICATION_ABANDON } from '../we-open-paths.ts'
import { GatedPlatform, NETWORK_DOWN } from './gated-platform.ts'
import { PathLog } from './path-log.ts'
import { RunningEcho } from './running-echo.ts'

const KIB = 1024
/** By then it is clear that the relay carries the stream. */
const RELAYED = 128 * KIB
const LIMIT = { timeout: 20_000, interval: 5 }

export interface PunchSetup {
  readonly url: string
  readonly quicPort: number | null
  /** PEM text of the relay's authority. */
  readonly ca?: string
  /** At home at the relay, with sockets on loopback. */
  readonly peer: NativePeer
  /** What it echoes while the path changes, bytes: enough for a second or so. */
  readonly echoBytes: number
}

/** Our end of a test. */
export interface Ours {
  readonly endpoint: Endpoint
  readonly platform: GatedPlatform
  readonly frames: FrameLog
  /** What peers dialled. */
  readonly accepted: PathLog[]
}

export interface OursOptions {
  readonly bind?: readonly string[]
  /** Let direct datagrams through from the start. Default true. */
  readonly isOpen?: boolean
}

/** Online at the relay, serving; closed with the test. */
export async function openOurs(
  { url, quicPort, ca }: Omit<PunchSetup, 'peer' | 'echoBytes'>,
  { bind = LOOPBACK, isOpen = true }: OursOptions = {},
): Promise<Ours> {
  const platform = new GatedPlatform(isOpen, ca)
  const frames = new FrameLog()
  const accepted: PathLog[] = []
  const faults: unknown[] = []
  onTestFinished(() => expect(faults.filter((fault) => messageOf(fault) !== NETWORK_DOWN)).toEqual([]))
  const options = {
    bind,
    relays: [{ url, quicPort }],
    runtime: { platform },
    trace: () => frames,
    onError: (error: unknown) => faults.push(error),
    ...(ca === undefined ? {} : { caCertificates: [ca] }),
  }
  const { endpoint } = await openServer(options, (connection) => accepted.push(new PathLog(connection)))
  await endpoint.online()
  return { endpoint, platform, frames, accepted }
}

/** Names the relay and no address. */
export function relayTicket(id: string, url: string): string {
  return String(new EndpointTicket(new EndpointAddr(EndpointId.parse(id)).withRelay(url)))
}

/** We dial; both ends are on the relay when it resolves, whatever comes next. */
export async function dialByRelay(
  ours: Ours,
  { url, peer }: Pick<PunchSetup, 'url' | 'peer'>,
): Promise<{ log: PathLog; theirs: NativeConnection }> {
  const log = new PathLog(await ours.endpoint.connect(relayTicket(peer.id, url), 'tom/echo/1'))
  const { connection } = await connectionFrom(peer, String(ours.endpoint.id))
  return { log, theirs: peer.connection(connection) }
}

/** The peer dials us. */
export async function dialledByRelay(
  ours: Ours,
  { url, peer }: Pick<PunchSetup, 'url' | 'peer'>,
): Promise<{ log: PathLog; theirs: NativeConnection }> {
  const theirs = await peer.connect({ ticket: relayTicket(String(ours.endpoint.id), url), alpn: 'tom/echo/1' })
  await expect.poll(() => ours.accepted.length, LIMIT).toBe(1)
  return { log: ours.accepted[0]!, theirs }
}

/** The peer's view, once it is `kinds`. */
export async function theySee(theirs: NativeConnection, ...kinds: string[]): Promise<void> {
  const text = ({ kind, selected }: NativePath): string => `${kind}${selected ? ', selected' : ''}`
  await expect.poll(async () => (await theirs.paths()).paths.map(text).sort(), LIMIT).toEqual(kinds)
}

/** Of the newest round. */
export function roundOf(frames: readonly LoggedFrame[]): number {
  return Math.max(0, ...ofType(frames, 'reach_out').map(({ round }) => Number(round)))
}

export function addressesIn(frames: readonly LoggedFrame[], type: string): unknown[] {
  return [...new Set(ofType(frames, type).map(({ address }) => address))]
}

const SETTLED = ['direct, selected', 'relay'] as const

export function punchSuite(setupNow: () => PunchSetup): void {
  const forwarder = async (target: string): Promise<UdpRelay> => {
    const relay = await UdpRelay.open(`127.0.0.1:${portOf(target)}`)
    onTestFinished(() => relay.close())
    return relay
  }

  test('endpoint.md §3.4: we dial by a ticket that names the relay alone, and go direct under a running stream', async () => {
    const setup = setupNow()
    const ours = await openOurs(setup, { isOpen: false })
    const { log, theirs } = await dialByRelay(ours, setup)
    expect(log.first).toMatchObject([{ kind: 'relay', selected: true }])
    const running = await RunningEcho.start(log.connection)
    await running.runs(RELAYED)
    await theySee(theirs, 'relay, selected')
    ours.platform.isOpen = true
    await log.goes('direct')
    await running.runs(2 * RELAYED)
    await log.settles()
    await theySee(theirs, ...SETTLED)
    expect(await running.end()).toBeGreaterThan(3 * RELAYED)
    // on a busy machine a path may be in doubt for a moment
    expect(log.selections.slice(0, 2)).toEqual(['relay', 'direct'])
    expect(log.bytes('relay', 'bytesSent')).toBeGreaterThan(RELAYED)
    expect(log.bytes('direct', 'bytesSent')).toBeGreaterThan(RELAYED)
    expect(log.bytes('direct', 'bytesReceived')).toBeGreaterThan(RELAYED)
  })

  test('endpoint.md §3.4: it dials by a ticket that names our relay alone, and goes direct under a running stream', async () => {
    const setup = setupNow()
    const ours = await openOurs(setup, { isOpen: false })
    const { log, theirs } = await dialledByRelay(ours, setup)
    expect(log.first).toMatchObject([{ kind: 'relay', selected: true }])
    const running = theirs.run({ action: 'echo', size: setup.echoBytes })
    await expect.poll(() => log.bytes('relay', 'bytesReceived'), LIMIT).toBeGreaterThan(RELAYED)
    await theySee(theirs, 'relay, selected')
    ours.platform.isOpen = true
    await log.goes('direct')
    await log.settles()
    await theySee(theirs, ...SETTLED)
    expect(await running).toMatchObject({ bytes: setup.echoBytes, verified: true, reason: null })
    // on a busy machine a path may be in doubt for a moment
    expect(log.selections.slice(0, 2)).toEqual(['relay', 'direct'])
    expect(log.bytes('direct', 'bytesReceived')).toBeGreaterThan(RELAYED)
    expect(log.bytes('direct', 'bytesSent')).toBeGreaterThan(RELAYED)
  })

  // both have both families, so there are two ways at least
  const families = ['127.0.0.1:0', '[::1]:0']
  const isDual = (): boolean => v6(setupNow().peer.addrs) !== undefined

  test('endpoint.md §4.2: of several direct paths the client, we, closes all but one', async ({ skip }) => {
    if (!isDual()) skip('there is no IPv6 on loopback')
    const setup = setupNow()
    const ours = await openOurs(setup, { bind: families })
    const { log, theirs } = await dialByRelay(ours, setup)
    await log.goes('direct')
    await expect.poll(() => codesIn(ours.frames.sent), LIMIT).toContain(APPLICATION_ABANDON)
    await log.settles()
    await theySee(theirs, ...SETTLED)
    await stays(log, theirs)
  })

  test('endpoint.md §4.2: of several direct paths the client, it, closes all but one', async ({ skip }) => {
    if (!isDual()) skip('there is no IPv6 on loopback')
    const setup = setupNow()
    const ours = await openOurs(setup, { bind: families })
    const { log, theirs } = await dialledByRelay(ours, setup)
    await log.goes('direct')
    await expect.poll(() => codesIn(ours.frames.received), LIMIT).toContain(APPLICATION_ABANDON)
    await log.settles()
    await theySee(theirs, ...SETTLED)
    await stays(log, theirs)
  })

  describe('addresses that come and go', () => {
    test('quic.md §5.8: it announces one more and takes it back: ADD_ADDRESS, a round of ours, REMOVE_ADDRESS', async () => {
      const setup = setupNow()
      const { peer } = setup
      const ours = await openOurs(setup)
      const { frames } = ours
      const { log, theirs } = await dialByRelay(ours, setup)
      await log.goes('direct')
      expect(addressesIn(frames.received, 'add_address')).toContain(v4(peer.addrs))
      const { address } = await forwarder(v4(peer.addrs))
      const before = roundOf(frames.sent)
      expect(before).toBeGreaterThanOrEqual(1)
      await peer.addAddress(address)
      await expect.poll(() => addressesIn(frames.received, 'add_address'), LIMIT).toContain(address)
      await expect.poll(() => roundOf(frames.sent), LIMIT).toBeGreaterThan(before)
      expect(addressesIn(frames.sent, 'reach_out')).toEqual(ours.endpoint.boundAddresses())
      await expect
        .poll(() => log.changes, LIMIT)
        .toContainEqual(expect.objectContaining({ type: 'opened', remote: address }))
      await log.settles()
      const added = ofType(frames.received, 'add_address').find((frame) => frame.address === address)
      await peer.removeAddress(address)
      await expect
        .poll(() => ofType(frames.received, 'remove_address').map((frame) => frame.sequence_number), LIMIT)
        .toContain(added!.sequence_number)
      await stays(log, theirs)
    })

    test('quic.md §5.8: we announce one more and take it back: ADD_ADDRESS, a round of its, REMOVE_ADDRESS', async () => {
      const setup = setupNow()
      const ours = await openOurs(setup)
      const { endpoint, frames } = ours
      const { log, theirs } = await dialledByRelay(ours, setup)
      await log.goes('direct')
      const [own] = endpoint.boundAddresses()
      expect(addressesIn(frames.sent, 'add_address')).toEqual([own])
      const relay = await forwarder(own!)
      const before = roundOf(frames.received)
      expect(before).toBeGreaterThanOrEqual(1)
      endpoint.addExternalAddress(relay.address)
      await expect.poll(() => addressesIn(frames.sent, 'add_address'), LIMIT).toEqual([own, relay.address])
      await expect.poll(() => roundOf(frames.received), LIMIT).toBeGreaterThan(before)
      // it tries the address and finds us there, but may have closed the path before we proved it
      const tried = (): boolean => log.changes.some(({ remote }) => remote === relay.clientAddress)
      await expect.poll(tried, LIMIT).toBe(true)
      await log.settles()
      endpoint.removeExternalAddress(relay.address)
      const added = ofType(frames.sent, 'add_address').find((frame) => frame.address === relay.address)
      await expect
        .poll(() => ofType(frames.sent, 'remove_address').map((frame) => frame.sequence_number), LIMIT)
        .toContain(added!.sequence_number)
      await expect.poll(async () => (await theirs.paths()).received?.removeAddress ?? 1, LIMIT).toBe(1)
      await stays(log, theirs)
    })
  })
}

/** The codes of all PATH_ABANDON. */
function codesIn(frames: readonly LoggedFrame[]): unknown[] {
  const paths = new Set(ofType(frames, 'path_abandon').map((frame) => Number(frame.path_id)))
  return [...paths].flatMap((path) => abandonCodes(frames, path))
}

/** The connection is as it was, and works. */
export async function stays(log: PathLog, theirs: NativeConnection): Promise<void> {
  await echoOnce(log, theirs)
  await log.settles()
  expect(log.connection.closeReason).toBeUndefined()
}

/** Asked for by whoever dialled: the other end serves. */
export async function echoOnce({ connection }: PathLog, theirs: NativeConnection): Promise<void> {
  const size = 64 * KIB
  if (connection.side === 'client') await echo(connection, size)
  else expect(await theirs.run({ action: 'echo', size })).toMatchObject({ verified: true })
}
