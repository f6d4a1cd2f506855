/** Direct paths and relays that die under traffic: what is left, when, and when it comes back. */
import { describe, expect, test } from 'vitest'
import { line } from './support/nat/access-link.ts'
import { Story, type StoryShape } from './support/nat/story.ts'

const BEHIND_BOXES: StoryShape = { client: { nat: 'moderate' }, server: { nat: 'moderate' } }

describe('a direct path dies without a word, with a ping every 100 ms on it', () => {
  test.each([
    { side: 'client', blocked: 'all' },
    { side: 'client', blocked: 'outbound' },
    { side: 'client', blocked: 'inbound' },
    { side: 'server', blocked: 'all' },
    { side: 'server', blocked: 'outbound' },
    { side: 'server', blocked: 'inbound' },
  ] as const)(
    'UDP at the $side: $blocked is dropped: left within 1.5 s, and direct again when it passes',
    async ({ side, blocked }) => {
      const story = await Story.begin(`dies ${side} ${blocked}`, BEHIND_BOXES)
      await story.direct()
      for (let round = 0; round < (blocked === 'all' ? 2 : 1); round++) {
        await story.world.run(4_000)
        story.pinging.reset()
        const { router } = story[side]
        router!.blocked = blocked
        const diedAt = story.world.now
        await story.world.until(() => story.isRelayed, 5_000, 'leaving the path')
        // 1.5 s from the first packet without an answer, and there is one every 100 ms
        expect(story.world.now - diedAt).toBeLessThanOrEqual(1_600)
        await story.stays('relay', 6_000)
        // 1.5 s, the way over the relay, and the time between two pings
        expect(story.pinging.pause).toBeLessThan(1_750)
        router!.blocked = 'nothing'
        story.pinging.reset()
        await story.direct(6_000)
        await story.stays('direct', 2_000)
        expect(story.pinging.pause).toBeLessThan(300)
      }
      await story.end()
    },
  )

  test('where the round trip takes 600 ms three PTOs are more than 1.5 s', async () => {
    const far = line({ delayMs: 150 })
    const story = await Story.begin('dies far away', {
      client: { nat: 'moderate', line: far },
      server: { nat: 'moderate', line: far },
    })
    await story.direct()
    await story.world.run(10_000)
    story.pinging.reset()
    story.client.router!.blocked = 'all'
    const diedAt = story.world.now
    await story.world.until(() => story.isRelayed, 10_000, 'leaving the path')
    const took = story.world.now - diedAt
    expect(took).toBeGreaterThan(1_500)
    expect(took).toBeLessThan(3 * 800)
    await story.end()
  })
})

test('the relay vanishes and comes back under a direct path: nobody notices', async () => {
  const story = await Story.begin('relay gone', BEHIND_BOXES)
  await story.direct()
  story.pinging.reset()
  story.relay.vanish()
  await story.stays('direct', 40_000)
  story.relay.restart()
  await story.stays('direct', 40_000)
  expect(story.pinging.longestPause).toBeLessThan(200)
  await story.end()
})

test('the relay is killed and started again under a pair that has nothing else: the connection and its stream stay', async () => {
  const story = await Story.begin('relay restarted', {
    client: { nat: 'strict' },
    server: { nat: 'strict' },
    options: { birthday: false },
  })
  await story.stays('relay', 3_000)
  for (let round = 0; round < 3; round++) {
    story.relay.kill()
    await story.world.run(4_000)
    story.relay.restart()
    const { received } = story.pinging
    await story.world.until(() => story.pinging.received > received + 1_000, 15_000, 'traffic after the restart')
  }
  await story.end()
})
