/** Networks that become others while a connection is in use: interfaces, routers, kinds of NAT. The connection and its stream stay. */
import { describe, expect, test } from 'vitest'
import { line } from './support/nat/access-link.ts'
import { FULL_CONE, MASQUERADE } from './support/nat/kinds.ts'
import { type Side, Story } from './support/nat/story.ts'

const CITY = line({ delayMs: 5 })
/** A look at the interfaces a second, 250 ms until they stand still, a way to the peer: and some time to spare. */
const CHANGE_STALL_MS = 2_500

/** The other network of a side: an LTE modem behind a provider's NAT. */
function modem(story: Story, side: Side): { plug(): void } {
  const { internet } = story.world
  const behind = internet.router(`${side.host.name}'s provider`, { behaviour: MASQUERADE, line: CITY, net: '100.64.0' })
  return {
    plug: () => {
      internet.plug(side.host, { name: 'wwan0', behind })
    },
  }
}

describe.each(['client', 'server'] as const)('the %s', (name) => {
  test('loses its network and has another at once: direct again, and the pause is short', async () => {
    const story = await Story.begin(`switch ${name}`, { client: { nat: 'moderate' }, server: { nat: 'moderate' } })
    await story.direct()
    await story.world.run(5_000)
    story.pinging.reset()
    const next = modem(story, story[name])
    story[name].host.unplug('eth0')
    next.plug()
    await story.world.run(10_000)
    expect(story.pinging.longestPause).toBeLessThan(CHANGE_STALL_MS)
    await story.direct(20_000)
    await story.stays('direct', 5_000)
    await story.end()
  })

  test('has a better network besides, and the old one goes later: both changes are survived', async () => {
    const story = await Story.begin(`besides ${name}`, { client: { nat: 'moderate' }, server: { nat: 'moderate' } })
    await story.direct()
    modem(story, story[name]).plug()
    await story.world.run(10_000)
    story[name].host.unplug('eth0')
    await story.world.run(10_000)
    expect(story.pinging.longestPause).toBeLessThan(CHANGE_STALL_MS)
    await story.direct(20_000)
    await story.end()
  })

  test('has no network for eight seconds, then the same again', async () => {
    const story = await Story.begin(`flap ${name}`, { client: { nat: 'moderate' }, server: { nat: 'moderate' } })
    await story.direct()
    await story.world.run(2_000)
    const { host } = story[name]
    const plug = host.unplug('eth0')
    await story.world.run(8_000)
    host.plug(plug)
    story.pinging.reset()
    const { received } = story.pinging
    await story.world.until(() => story.pinging.received > received + 1_000, 10_000, 'traffic again')
    await story.direct(30_000)
    await story.end()
  })

  test('has a router that is restarted, and has another address then', async () => {
    const story = await Story.begin(`reboot ${name}`, { client: { nat: 'moderate' }, server: { nat: 'moderate' } })
    await story.direct()
    await story.world.run(2_000)
    story.pinging.reset()
    story[name].router!.reboot('203.0.113.200')
    await story.world.run(10_000)
    expect(story.pinging.longestPause).toBeLessThan(CHANGE_STALL_MS)
    await story.direct(60_000)
    await story.end()
  })

  test('has a line that is cut for five seconds: all that was sent arrives', async () => {
    const story = await Story.begin(`outage ${name}`, { client: { nat: 'moderate' }, server: { nat: 'moderate' } })
    await story.direct()
    for (const ms of [1_000, 5_000, 15_000]) {
      story[name].router!.link!.cut(true)
      await story.world.run(ms)
      story[name].router!.link!.cut(false)
      const { received } = story.pinging
      await story.world.until(() => story.pinging.received > received + 1_000, 15_000, `traffic after ${ms} ms`)
      await story.direct(60_000)
    }
    await story.end()
  })

  test('has a hard NAT that turns easy: direct as soon as its address is known', async () => {
    const story = await Story.begin(`turns easy ${name}`, {
      client: { nat: 'moderate' },
      server: { nat: 'moderate' },
      [name]: { nat: 'strict' },
      options: { birthday: false },
    })
    await story.stays('relay', 10_000)
    story[name].router!.replace(FULL_CONE)
    await story.direct(60_000)
    await story.end()
  })
})
