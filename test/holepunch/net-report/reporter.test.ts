/** What the reporter does with relays that are measured over HTTPS alone. Address discovery has a file of its own. */
import { describe, expect, test } from 'vitest'
import type { NetReporter } from '../../../src/holepunch/index.ts'
import { VirtualPlatform } from '../../driver/virtual-platform.ts'
import { create, MINUTE, NEVER, settleClose, THREE, url } from './https-relays.ts'
import { pass } from './virtual-net.ts'

describe('the first report', () => {
  test('spec/relay.md §5.7: of relays that answer after 60, 5 and 30 ms the second becomes home, 5 ms after the start', async () => {
    const { platform, reporter, reports, homes } = create(THREE)
    reporter.start()
    await pass(platform, 5)
    expect(homes).toEqual(['b 5'])
    expect(reporter.last).toBeUndefined()
    await pass(platform, 100)
    expect(homes).toEqual(['b 5'])
    expect(reporter.home).toBe(url('b'))
    expect(reports).toEqual([
      {
        udpV4: false,
        udpV6: false,
        relayLatencies: new Map([
          [url('b'), { httpsMs: 5 }],
          [url('c'), { httpsMs: 30 }],
          [url('a'), { httpsMs: 60 }],
        ]),
        preferredRelay: url('b'),
        isFull: true,
        durationMs: 60,
      },
    ])
    expect(reporter.last).toBe(reports[0])
    await settleClose(platform, reporter)
  })

  test('spec/relay.md §6.2: any 2xx is an answer, and nothing else', async () => {
    const { platform, reporter, reports, homes } = create({
      a: { latencyMs: 5, status: 301 },
      b: { latencyMs: 6, status: 404 },
      c: { latencyMs: 7, isRefused: true },
      d: { latencyMs: 40, status: 200 },
    })
    reporter.start()
    await pass(platform, 1000)
    expect(homes).toEqual(['d 40'])
    expect([...reports[0]!.relayLatencies]).toEqual([[url('d'), { httpsMs: 40 }]])
    await settleClose(platform, reporter)
  })

  test('spec/relay.md §6.2: each relay is asked three times while answers are missing, at once first', async () => {
    const { platform, reporter, asked } = create({ a: {}, b: { latencyMs: 1 } })
    reporter.start()
    await pass(platform, 2000)
    expect(asked().filter((line) => !line.includes('generate'))).toEqual([
      'a 0',
      'b 0',
      'a 100',
      'b 100',
      'a 200',
      'b 200',
      expect.stringMatching(/^[ab] 200$/),
    ])
    await settleClose(platform, reporter)
  })

  test('a better answer in the same report moves home only if it is worth it', async () => {
    for (const [latencyMs, expected] of [
      [41, ['a 60']],
      [40, ['a 60', 'b 140']],
    ] as const) {
      const { platform, reporter, web, homes } = create({ a: { latencyMs: 60 }, b: {} })
      reporter.start()
      await pass(platform, 60)
      web.hosts.get(url('b'))!.latencyMs = latencyMs
      await pass(platform, 5000)
      expect(homes).toEqual(expected)
      await settleClose(platform, reporter)
    }
  })

  test('spec/relay.md §5.7: nobody answers: a report all the same, and no home; then one answers', async () => {
    const { platform, reporter, web, reports, reportedAt, homes } = create({
      a: {},
      b: { latencyMs: 20, isRefused: true },
    })
    reporter.start()
    await pass(platform, 100_000)
    expect(homes).toEqual([])
    expect(reports[0]).toMatchObject({ preferredRelay: undefined, relayLatencies: new Map(), isFull: true })
    // each takes 3.2 s; the pauses between them double up to the regular one
    expect(reportedAt.slice(0, 5)).toEqual([3200, 7400, 12_600, 19_800, 31_000])
    expect(reportedAt[6]! - reportedAt[5]!).toBeGreaterThan(20_000)
    web.hosts.get(url('a'))!.latencyMs = 15
    await pass(platform, 30_000)
    expect(homes).toHaveLength(1)
    expect(reports.at(-1)).toMatchObject({ preferredRelay: url('a'), isFull: false })
    await settleClose(platform, reporter)
  })

  test('spec/relay.md §6.2: a question has 3 s, then it is withdrawn', async () => {
    const { platform, web, reporter } = create({ a: {} })
    web.canSetHeaders = false
    reporter.start()
    await pass(platform, 2999)
    expect(web.open).toBe(3)
    await pass(platform, 1)
    expect(web.open).toBe(2)
    await pass(platform, 200)
    expect(web.open).toBe(0)
    await settleClose(platform, reporter)
  })

  test('spec/endpoint.md §6.3: of several samples the least', async () => {
    const { platform, web, reporter, reports } = create({ a: { latencyMs: 60 }, silent: {} })
    reporter.start()
    for (const latencyMs of [20, 40]) {
      await pass(platform, 99)
      web.hosts.get(url('a'))!.latencyMs = latencyMs
    }
    await pass(platform, 4000)
    expect([...reports[0]!.relayLatencies.values()]).toEqual([{ httpsMs: 20 }])
    await settleClose(platform, reporter)
  })

  test('a client that neither answers nor ends does not hold the report up', async () => {
    const { platform, web, reporter, reportedAt } = create({ a: {} })
    web.isDeaf = true
    reporter.start()
    await pass(platform, 4000)
    expect(reportedAt).toEqual([3200])
    await settleClose(platform, reporter)
  })

  test('a client that throws at the call is one that cannot reach the relay', async () => {
    const { platform, web, reporter, reports, errors } = create({ a: {} })
    web.get = () => {
      throw new Error('a defect')
    }
    reporter.start()
    await pass(platform, 1000)
    expect([reports.length, errors]).toEqual([1, []])
    await settleClose(platform, reporter)
  })

  test('without HTTP and UDP there is nothing to ask', async () => {
    const platform = new VirtualPlatform()
    const { reporter, reports, homes } = create(THREE, { platform })
    reporter.start()
    expect([reports, homes]).toMatchObject([[{ preferredRelay: undefined, durationMs: 0 }], []])
    await settleClose(platform, reporter)
  })
})

describe('later reports', () => {
  test('spec/endpoint.md §6.1: an hour: a report 20 to 26 s after each other, a full one every five minutes', async () => {
    const { platform, reporter, reports, reportedAt, homes, asked } = create(THREE)
    reporter.start()
    await pass(platform, 60 * MINUTE)
    const pauses = reportedAt.slice(1).map((at, index) => at - reports[index + 1]!.durationMs - reportedAt[index]!)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(20_000)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(26_000)
    expect(Math.max(...pauses) - Math.min(...pauses)).toBeGreaterThan(3000)
    const fullAt = reportedAt.filter((_at, index) => reports[index]!.isFull)
    expect(fullAt[0]).toBe(60)
    for (const [index, at] of fullAt.slice(1).entries()) {
      expect(at - fullAt[index]!).toBeGreaterThan(5 * MINUTE)
      expect(at - fullAt[index]!).toBeLessThan(5 * MINUTE + 27_000)
    }
    expect(fullAt.length).toBeGreaterThanOrEqual(11)
    // With relays that answer over HTTPS alone about every second report has answers.
    const withAnswers = reports.filter(({ relayLatencies }) => relayLatencies.size > 0)
    expect(withAnswers.length / reports.length).toBeGreaterThan(0.45)
    expect(withAnswers.length / reports.length).toBeLessThan(0.6)
    expect(reports.every(({ preferredRelay }) => preferredRelay === url('b'))).toBe(true)
    expect(homes).toEqual(['b 5'])
    // With a home, the first questions wait for answers over UDP.
    const second = asked().filter((line) => Number(line.split(' ')[1]) > 1000)[0]!
    const [started] = reportedAt.filter((_at, index) => index > 0 && reports[index]!.durationMs > 0)
    expect(Number(second.split(' ')[1])).toBe(started! - 260 + 200)
    await settleClose(platform, reporter)
    expect(platform.nextTimer).toBe(NEVER)
  })

  test('spec/relay.md §5.7: home stays while nobody answers, and moves when only others do', async () => {
    const { platform, reporter, web, homes } = create(THREE)
    reporter.start()
    await pass(platform, 1000)
    for (const name of ['a', 'b', 'c']) delete web.hosts.get(url(name))!.latencyMs
    await pass(platform, 3 * MINUTE)
    expect(homes).toEqual(['b 5'])
    web.hosts.get(url('c'))!.latencyMs = 30
    await pass(platform, 30_000)
    expect(homes).toEqual(['b 5', expect.stringMatching(/^c /)])
    await settleClose(platform, reporter)
  })

  test('spec/endpoint.md §6.1: requests: at once when idle, after the present report else, full if any was', async () => {
    const { platform, reporter, reports, reportedAt, asked } = create(THREE)
    reporter.request('full')
    expect(asked()).toEqual([])
    reporter.start()
    reporter.start()
    reporter.request('incremental')
    reporter.request('full')
    reporter.request('incremental')
    await pass(platform, 59)
    expect(reports).toEqual([])
    await pass(platform, 5000)
    expect(reports.map(({ isFull }) => isFull)).toEqual([true, true])
    expect(reportedAt).toEqual([60, 320])
    reporter.request('incremental')
    await pass(platform, 100)
    expect(reports.map(({ isFull }) => isFull)).toEqual([true, true, false])
    reporter.request('full')
    await pass(platform, 1000)
    expect(reports.map(({ isFull }) => isFull)).toEqual([true, true, false, true])
    // The pause starts anew.
    await pass(platform, 18_500)
    expect(reports).toHaveLength(4)
    await settleClose(platform, reporter)
  })

  test('a request takes the place of the report that was due: never two at once', async () => {
    const { platform, reporter, reportedAt } = create({ a: { latencyMs: 30 } })
    const { random } = platform
    const shortest = { fill: (out: Uint8Array) => (out.length === 4 ? out.fill(0) : random.fill(out)) }
    Object.assign(platform, { random: shortest })
    reporter.start()
    await pass(platform, 19_900)
    reporter.request('full')
    await pass(platform, 8_000)
    // the pause would have ended 20 s after the first
    expect(reportedAt.filter((at) => at > 19_900)).toHaveLength(1)
    await settleClose(platform, reporter)
  })

  test('spec/relay.md §5.7: a full report compares all relays afresh, a first home or not', async () => {
    const { platform, web, reporter, homes } = create({ a: { latencyMs: 30 }, b: { latencyMs: 40 } })
    reporter.start()
    await pass(platform, 1000)
    web.hosts.get(url('b'))!.latencyMs = 25
    reporter.request('full')
    await pass(platform, 1000)
    expect(homes).toEqual(['a 30', 'b 1230'])
    await settleClose(platform, reporter)
  })

  test('a request from inside a callback, while another waits', async () => {
    const made: NetReporter[] = []
    const ends: number[] = []
    const { platform, reporter } = create(THREE, {
      onReport: () => {
        ends.push(platform.time)
        if (ends.length === 1) made[0]!.request('full')
      },
    })
    made.push(reporter)
    reporter.start()
    reporter.request('full')
    await pass(platform, 5000)
    expect(ends).toEqual([1060, 1320, 1580])
    await settleClose(platform, reporter)
  })

  test('requests from inside a callback', async () => {
    const made: NetReporter[] = []
    let count = 0
    const { platform, reporter, errors } = create(THREE, {
      onReport: () => {
        if (++count < 4) made[0]!.request('full')
      },
    })
    made.push(reporter)
    reporter.start()
    await pass(platform, 3000)
    expect([count, errors]).toEqual([4, []])
    await settleClose(platform, reporter)
  })
})

describe('a relay map that changes', () => {
  test('home is taken out: the best of those that are known is home at once', async () => {
    const { platform, reporter, names, homes } = create(THREE)
    reporter.start()
    await pass(platform, 1000)
    names.splice(names.indexOf('b'), 1)
    reporter.request('full')
    expect(homes).toEqual(['b 5', 'c 1000'])
    await pass(platform, 1000)
    expect(homes).toHaveLength(2)
    await settleClose(platform, reporter)
  })

  test('home is taken out and no other is known: none, then the first that answers', async () => {
    const { platform, reporter, web, names, homes } = create({ a: { latencyMs: 10 } })
    reporter.start()
    await pass(platform, 1000)
    names.splice(0, 1, 'd', 'e')
    web.hosts.set(url('d'), { latencyMs: 40 })
    web.hosts.set(url('e'), { latencyMs: 30 })
    reporter.request('full')
    await pass(platform, 1000)
    expect(homes).toEqual(['a 10', 'none 1000', 'e 1030'])
    await settleClose(platform, reporter)
  })

  test('home is taken out while a report is made', async () => {
    const { platform, reporter, names, homes, reports } = create(THREE)
    reporter.start()
    await pass(platform, 20)
    names.splice(names.indexOf('b'), 1)
    await pass(platform, 50)
    expect(homes).toEqual(['b 5', 'c 60'])
    expect(reports[0]!.preferredRelay).toBe(url('c'))
    await settleClose(platform, reporter)
  })

  test('home is taken out while a report is made, and no other answers', async () => {
    const { platform, reporter, names, homes } = create({ a: { latencyMs: 10 }, b: {} })
    reporter.start()
    await pass(platform, 20)
    names.shift()
    await pass(platform, 5000)
    expect(homes).toEqual(['a 10', 'none 3200'])
    await settleClose(platform, reporter)
  })

  test('a nearer one appears', async () => {
    const { platform, reporter, web, names, homes } = create({ a: { latencyMs: 60 }, c: { latencyMs: 30 } })
    reporter.start()
    await pass(platform, 1000)
    names.push('b')
    web.hosts.set(url('b'), { latencyMs: 5 })
    reporter.request('full')
    await pass(platform, 1000)
    expect(homes).toEqual(['c 30', expect.stringMatching(/^b /)])
    await settleClose(platform, reporter)
  })

  test('spec/endpoint.md §6.1: no relays, no reports; and both ways', async () => {
    const { platform, reporter, names, homes, reports, asked } = create({})
    reporter.start()
    await pass(platform, 2 * MINUTE)
    expect([homes, reports, asked()]).toEqual([[], [], []])
    names.push('a')
    platform.web.hosts.set(url('a'), { latencyMs: 7 })
    await pass(platform, 27_000)
    expect(homes).toHaveLength(1)
    names.pop()
    reporter.request('full')
    expect(homes[1]).toMatch(/^none /)
    expect(reporter.last).toBeUndefined()
    const count = asked().length
    await pass(platform, 2 * MINUTE)
    expect(asked()).toHaveLength(count)
    await settleClose(platform, reporter)
    expect(platform.nextTimer).toBe(NEVER)
  })

  test('the same relay twice is one', async () => {
    const { platform, reporter, names, asked, reports } = create({ a: { latencyMs: 10 } })
    names.push('a')
    reporter.start()
    await pass(platform, 50)
    expect(asked()).toEqual(['a 0'])
    expect(reports).toHaveLength(1)
    await settleClose(platform, reporter)
  })
})

describe('the owner', () => {
  test('callbacks that throw are reported and change nothing', async () => {
    const thrown = (what: string) => () => {
      throw new Error(what)
    }
    const { platform, reporter, errors } = create(THREE, {
      onReport: thrown('onReport'),
      onHome: thrown('onHome'),
      trustedRoots: thrown('trustedRoots'),
    })
    platform.interfaces = thrown('interfaces')
    reporter.start()
    await pass(platform, 30_000)
    expect(errors.map((error) => (error as Error).message)).toEqual([
      'trustedRoots',
      'interfaces',
      'onHome',
      'onReport',
      'trustedRoots',
      'interfaces',
      'onReport',
    ])
    expect(reporter.home).toBe(url('b'))
    await settleClose(platform, reporter)
  })

  test('a relay map that cannot be read is an empty one', async () => {
    const { platform, reporter, errors } = create(THREE, {
      relays: () => {
        throw new Error('relays')
      },
    })
    reporter.start()
    await pass(platform, 30_000)
    expect(errors).toHaveLength(2)
    await settleClose(platform, reporter)
  })

  test.each([0, 1, 50, 150, 1000, 25_000])(
    'close after %i ms leaves no timer and no request, and nothing is called',
    async (ms) => {
      const { platform, web, reporter, reports, homes } = create({ ...THREE, d: {} })
      reporter.start()
      await pass(platform, ms)
      const before = [reports.length, homes.length]
      const closed = reporter.close()
      expect(reporter.close()).toBe(closed)
      expect([platform.nextTimer, web.open]).toEqual([NEVER, 0])
      reporter.request('full')
      reporter.start()
      await pass(platform, MINUTE)
      await closed
      expect([reports.length, homes.length]).toEqual(before)
      expect(platform.nextTimer).toBe(NEVER)
    },
  )

  test('close from inside of a callback', async () => {
    for (const callback of ['onHome', 'onReport'] as const) {
      const made: NetReporter[] = []
      let calls = 0
      const { platform, reporter, web } = create(THREE, {
        [callback]: () => {
          calls++
          void made[0]!.close()
        },
      })
      made.push(reporter)
      reporter.start()
      await pass(platform, 2 * MINUTE)
      expect([calls, platform.nextTimer, web.open]).toEqual([1, NEVER, 0])
    }
  })

  test.each([
    ['home is taken out: at the end of a report', 20, false, 0],
    ['home is taken out: at the start of one', 1000, true, 1],
    ['all are taken out', 1000, true, 1],
  ])('close from inside of onHome, %s', async (what, ms, asks, count) => {
    const made: NetReporter[] = []
    let calls = 0
    const { platform, reporter, web, names, reports } = create(THREE, {
      onHome: () => {
        if (++calls === 2) void made[0]!.close()
      },
    })
    made.push(reporter)
    reporter.start()
    await pass(platform, ms)
    names.splice(0, what.startsWith('all') ? 3 : 2)
    if (asks) {
      reporter.request('full')
      expect(platform.nextTimer).toBe(NEVER)
    }
    await pass(platform, 5000)
    expect([calls, reports.length, platform.nextTimer, web.open]).toEqual([2, count, NEVER, 0])
  })

  test('close before start', async () => {
    const { platform, reporter, asked } = create(THREE)
    await settleClose(platform, reporter)
    reporter.start()
    await pass(platform, MINUTE)
    expect([asked(), platform.nextTimer]).toEqual([[], NEVER])
  })
})
