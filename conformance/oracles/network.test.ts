/** The simulated network by itself: what it does to datagrams, and that a seed repeats it. */
import { expect, test } from 'vitest'
import { SimRandom } from '../../test/sim/support/random.ts'
import { CrossTraffic } from './cross-traffic.ts'
import { Link, type LinkSettings, type Passage, USUAL_LINK } from './link.ts'

function link(settings: Partial<LinkSettings> = {}, seed = 'seed'): Link {
  return new Link({ ...USUAL_LINK, ...settings }, new SimRandom(seed))
}

function fates(passages: readonly Passage[]): string[] {
  return passages.map(({ fate }) => fate)
}

test('a rate of 10 Mbit/s, a delay of 15 ms, a queue of 25 packets before the one that is sent', () => {
  const way = link()
  // 1,222 bytes and 28 of headers are 10,000 bits
  const passages = Array.from({ length: 27 }, () => way.pass(1222, 100))
  expect(passages.slice(0, 26).map(({ at }) => at)).toEqual(Array.from({ length: 26 }, (_, index) => 116 + index))
  expect(fates(passages.slice(25))).toEqual(['delivered', 'queue-full'])
  expect(way.pass(1222, 101).at).toBeCloseTo(142, 6)
  expect(fates([way.pass(1472, 500), way.pass(1473, 500)])).toEqual(['delivered', 'too-big'])
})

test('loss and corruption: about their share, never more than 3 in a row, the same from the same seed', () => {
  for (const [share, fate] of [
    [{ loss: 0.3 }, 'lost'],
    [{ corruption: 0.3 }, 'corrupted'],
  ] as const) {
    const draw = (seed: string): string[] => {
      const way = link({ ...share, rate: Number.POSITIVE_INFINITY }, seed)
      return fates(Array.from({ length: 10_000 }, (_, index) => way.pass(100, index)))
    }
    const drawn = draw('one')
    const unlucky = drawn.filter((each) => each === fate).length
    // a run that would be longer ends at 3, so a little less than 3,000
    expect(unlucky).toBeGreaterThan(2800)
    expect(unlucky).toBeLessThan(3100)
    const runs = drawn.map((each) => (each === fate ? 'x' : '.')).join('')
    expect([runs.includes('xxx'), runs.includes('xxxx')]).toEqual([true, false])
    expect(draw('one')).toEqual(drawn)
    expect(draw('two')).not.toEqual(drawn)
  }
})

test('a damaged datagram differs in one byte', () => {
  const way = link()
  const data = new Uint8Array(100)
  for (let count = 0; count < 300; count++) expect(way.corrupt(data).filter((byte) => byte !== 0).length).toBe(1)
  expect(data).toEqual(new Uint8Array(100))
})

test('the competing flow fills the link alone, and leaves about half to another like it', () => {
  const seconds = 20
  const alone = link()
  const flow = new CrossTraffic(alone, 15)
  for (const now of [0, 1000 * seconds]) flow.advance(now)
  const rate = (bytes: number): number => (bytes * 8) / (1000 * seconds)
  expect(rate(flow.bytes)).toBeGreaterThan(8500)
  expect(rate(flow.bytes)).toBeLessThan(10_001)
  const shared = link()
  const flows = [new CrossTraffic(shared, 15), new CrossTraffic(shared, 15)] as const
  for (let now = 0; now < 1000 * seconds; now++) for (const each of flows) each.advance(now)
  for (const { bytes } of flows) {
    expect(rate(bytes)).toBeGreaterThan(2000)
    expect(rate(bytes)).toBeLessThan(8000)
  }
})
