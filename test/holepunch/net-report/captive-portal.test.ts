import { describe, expect, test } from 'vitest'
import { RelayUrl } from '../../../src/identity/index.ts'
import type { FakeHost } from './fake-web.ts'
import { create, MINUTE, settleClose } from './https-relays.ts'
import { pass } from './virtual-net.ts'

describe('captive portals', () => {
  const portal = (host: FakeHost) => {
    const world = create({ a: {} })
    world.web.hosts.set('http://a.relay.test/generate_204', host)
    return world
  }
  const good = { 'x-iroh-response': 'response ts_a.relay.test' }

  test.each([
    ['the relay itself', { latencyMs: 10, status: 204, headers: good }, false],
    ['another status', { latencyMs: 10, status: 200, headers: good }, true],
    ['no response to the challenge', { latencyMs: 10, status: 204 }, true],
    ['another response', { latencyMs: 10, headers: { 'x-iroh-response': 'response ts_b.relay.test' } }, true],
    ['no answer', {}, undefined],
    ['refused', { latencyMs: 10, isRefused: true }, undefined],
  ])('spec/relay.md §6.3: %s', async (_what, host, expected) => {
    const { platform, web, reporter, reports } = portal(host)
    reporter.start()
    await pass(platform, 10_000)
    const asked = web.requests.filter(({ url }) => url.startsWith('http:')).slice(0, 1)
    expect(asked).toEqual([
      {
        at: 1200,
        url: 'http://a.relay.test/generate_204',
        headers: { 'X-Iroh-Challenge': 'ts_a.relay.test' },
      },
    ])
    expect(reports[0]!.captivePortal).toBe(expected)
    await settleClose(platform, reporter)
  })

  test('spec/endpoint.md §6.1: while there is a portal and no UDP, every report is a full one', async () => {
    const { platform, web, reporter, reports } = portal({ latencyMs: 10, status: 200 })
    reporter.start()
    await pass(platform, 2 * MINUTE)
    expect(reports.every(({ isFull, captivePortal }) => isFull && captivePortal)).toBe(true)
    expect(reports.length).toBeGreaterThan(3)
    web.hosts.set('http://a.relay.test/generate_204', { latencyMs: 10, headers: good })
    await pass(platform, MINUTE)
    expect(reports.at(-1)).toMatchObject({ isFull: false })
    await settleClose(platform, reporter)
  })

  test('spec/relay.md §6.3: not asked when the report is complete before', async () => {
    const { platform, web, reporter, reports } = create({ a: { latencyMs: 10 } })
    reporter.start()
    await pass(platform, 5000)
    expect(web.requests.filter(({ url }) => url.startsWith('http:'))).toEqual([])
    expect('captivePortal' in reports[0]!).toBe(false)
    await settleClose(platform, reporter)
  })

  test('spec/relay.md §6.3: when every probe has failed, the portal has the last word', async () => {
    const { platform, web, reporter, reports, reportedAt } = create({ a: { latencyMs: 5, isRefused: true } })
    web.hosts.set('http://a.relay.test/generate_204', { latencyMs: 300, status: 200 })
    reporter.start()
    await pass(platform, 5000)
    expect(reports[0]!.captivePortal).toBe(true)
    expect(reportedAt[0]).toBe(500)
    await settleClose(platform, reporter)
  })

  test('spec/relay.md §6.3: limited to 2 s', async () => {
    const { platform, web, reporter, reportedAt } = create({ a: { latencyMs: 5, isRefused: true } })
    web.hosts.set('http://a.relay.test/generate_204', {})
    reporter.start()
    await pass(platform, 5000)
    expect(reportedAt[0]).toBe(2200)
    await settleClose(platform, reporter)
  })

  test('spec/relay.md §6.3: hosts that a relay would not echo are not asked, nor is anybody by a browser', async () => {
    const literal = create({}, { relays: () => [{ url: RelayUrl.parse('https://[2001:db8::1]/') }] })
    literal.reporter.start()
    await pass(literal.platform, 3000)
    expect(literal.web.requests.map(({ url }) => url)).toEqual(new Array(3).fill('https://[2001:db8::1]/ping'))
    await settleClose(literal.platform, literal.reporter)

    const { platform, web, reporter } = portal({ latencyMs: 10 })
    web.canSetHeaders = false
    reporter.start()
    await pass(platform, 3000)
    expect(web.requests.every(({ url }) => url.startsWith('https:'))).toBe(true)
    await settleClose(platform, reporter)
  })
})
