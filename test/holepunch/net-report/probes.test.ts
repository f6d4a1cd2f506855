/** The probes by themselves: what is dialled and asked, and what their callers hear. */
import { describe, expect, test } from 'vitest'
import type { ConnectionHandler, DialOptions, Driver } from '../../../src/driver/index.ts'
import { portalWitness, probeCaptivePortal } from '../../../src/holepunch/net-report/captive-portal.ts'
import { probeHttps } from '../../../src/holepunch/net-report/https-probe.ts'
import { QadConnection, qadTarget } from '../../../src/holepunch/net-report/qad-probe.ts'
import { RelayUrl } from '../../../src/identity/index.ts'
import { TrustedRoots } from '../../../src/quic/index.ts'
import { NetPlatform, pass } from './virtual-net.ts'

const HREF = 'https://relay.test./'

/** A driver that dials nobody and lets the test play the relay. */
function dial(family: 4 | 6 = 4, connect?: () => void) {
  const dialled: DialOptions[] = []
  const handlers: ConnectionHandler[] = []
  const closed: unknown[][] = []
  const heard: string[] = []
  const connection = { rttMs: 12 }
  const driver = {
    route: (host: string, port: number) => (host === '192.0.2.1' && port === 7842 ? 5 : undefined),
    connect: (options: DialOptions, handler: ConnectionHandler) => {
      connect?.()
      dialled.push(options)
      handlers.push(handler)
      return connection
    },
    closeConnection: (...args: unknown[]) => closed.push(args),
  } as unknown as Driver
  const attempt = (address = '192.0.2.1') =>
    QadConnection.dial({
      driver,
      target: qadTarget({ url: RelayUrl.parse(HREF) })!,
      family,
      address,
      roots: new TrustedRoots([]),
      nowUnixSeconds: 1_893_456_000.5,
      listener: {
        onObserved: (each) =>
          heard.push(`${each.url} ${each.rttMs} ${each.address!.ip.join('.')}:${each.address!.port}`),
        onEnded: () => heard.push('ended'),
      },
    })
  const observe = (ip: readonly number[], port: number) =>
    handlers[0]!.onEvent({ type: 'observed-address', path: 0, address: { ip: Uint8Array.from(ip), port } })
  return { attempt, dialled, handlers, closed, heard, connection, observe }
}

describe('address discovery', () => {
  test('spec/relay.md §6.1: how a relay is dialled', () => {
    const { attempt, dialled } = dial()
    attempt()
    expect(dialled).toHaveLength(1)
    const { authentication, alpns, routes, settings } = dialled[0]!
    expect(authentication).toMatchObject({ kind: 'x509', serverName: 'relay.test', nowUnixSeconds: 1_893_456_000.5 })
    expect(alpns.map((alpn) => new TextDecoder().decode(alpn))).toEqual(['/iroh-qad/0'])
    expect(routes).toEqual([5])
    expect(settings).toMatchObject({
      initialRttMs: 111,
      keepAliveMs: 25_000,
      maxIdleTimeoutMs: 35_000,
      observedAddressRole: 1,
      maxStreamsBidi: 0,
      maxStreamsUni: 0,
    })
    expect('maxPathId' in settings! && settings.maxPathId === undefined).toBe(true)
  })

  test('spec/relay.md §6.1: the first address, changes of it, and nothing that is none', () => {
    const { attempt, heard, observe } = dial()
    const connection = attempt()!
    observe([203, 0, 113, 5], 0)
    observe(new Array(16).fill(1), 4100)
    expect([heard, connection.address]).toEqual([[], undefined])
    observe([203, 0, 113, 5], 4100)
    observe([203, 0, 113, 5], 4100)
    observe([203, 0, 113, 5], 4101)
    expect(heard).toEqual([`${HREF} 12 203.0.113.5:4100`, `${HREF} 12 203.0.113.5:4101`])
  })

  test('an IPv4 address is none of ours over IPv6', () => {
    const { attempt, heard, observe } = dial(6)
    attempt()
    observe([203, 0, 113, 5], 4100)
    expect(heard).toEqual([])
  })

  test('its end is told once, unless it is ours', () => {
    const theirs = dial()
    const first = theirs.attempt()!
    theirs.handlers[0]!.onEvent({ type: 'closed', reason: { kind: 'idle-timeout' } })
    theirs.handlers[0]!.onEvent({ type: 'drained' })
    first.close()
    expect([theirs.heard, theirs.closed]).toEqual([['ended'], []])

    const ours = dial()
    const second = ours.attempt()!
    second.close()
    second.close()
    ours.observe([203, 0, 113, 5], 4100)
    ours.handlers[0]!.onEvent({ type: 'drained' })
    expect([ours.heard, ours.closed]).toEqual([[], [[ours.connection, 1, 'finished']]])
  })

  test('what cannot be dialled', () => {
    expect(dial().attempt('192.0.2.2')).toBeUndefined()
    const failing = dial(4, () => {
      throw new RangeError('no such name')
    })
    expect(failing.attempt()).toBeUndefined()
  })

  test.each([
    ['https://relay.test/', undefined, { host: 'relay.test', port: 7842 }],
    ['https://relay.test./', 0, { host: 'relay.test.', port: 7842 }],
    ['http://127.0.0.1:3340/', 7000, { host: '127.0.0.1', port: 7000 }],
    ['https://[2001:db8::1]:443/', undefined, { host: '2001:db8::1', port: 7842 }],
    ['https://relay.test/', null, undefined],
    ['data:,x', undefined, undefined],
  ])('spec/relay.md §6.1: where it is: %s, port %s', (href, quicPort, expected) => {
    const url = RelayUrl.parse(href)
    const target = qadTarget(quicPort === undefined ? { url } : { url, quicPort })
    expect(target).toEqual(expected && { url: url.href, ...expected })
  })
})

describe('HTTP', () => {
  const create = () => {
    const platform = new NetPlatform()
    platform.web.hosts.set('http', { latencyMs: 20 })
    return { platform, controller: new AbortController(), heard: [] as unknown[] }
  }

  test('spec/relay.md §6.2: nothing is heard of a question that was withdrawn', async () => {
    const { platform, controller, heard } = create()
    const relay = RelayUrl.parse('https://relay.test/')
    probeHttps(platform, platform.web, relay, controller.signal, (ms) => heard.push(ms))
    await pass(platform, 20)
    expect(heard).toEqual([20])
    probeHttps(platform, platform.web, relay, controller.signal, (ms) => heard.push(ms))
    await pass(platform, 10)
    controller.abort()
    await pass(platform, 100)
    expect(heard).toHaveLength(1)
  })

  test('spec/relay.md §6.3: nor of a portal', async () => {
    const { platform, controller, heard } = create()
    probeCaptivePortal(platform.web, 'relay.test', controller.signal, (isCaptive) => heard.push(isCaptive))
    await pass(platform, 20)
    expect(heard).toEqual([true])
    probeCaptivePortal(platform.web, 'relay.test', controller.signal, (isCaptive) => heard.push(isCaptive))
    controller.abort()
    await pass(platform, 100)
    expect(heard).toHaveLength(1)
  })

  test('spec/relay.md §6.3: any relay may be the witness that fits a challenge', () => {
    const random = (byte: number) => ({ fill: (out: Uint8Array) => void out.fill(byte) })
    const relays = ['https://[::1]/', 'https://a.test/', `https://${'b'.repeat(61)}/`, 'https://c.test./'].map(
      (href) => ({
        url: RelayUrl.parse(href),
      }),
    )
    expect(portalWitness(random(0), relays)).toBe('a.test')
    expect(portalWitness(random(255), relays)).toBe('c.test.')
    expect(portalWitness(random(0), [relays[0]!, relays[2]!])).toBeUndefined()
  })
})
