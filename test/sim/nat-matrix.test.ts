/** Who reaches whom: real endpoints behind each pair of NATs. */
import { describe, expect, test } from 'vitest'
import { boxesOf, isDirectPossible, KIND_NAMES, type Kind, MASQUERADE, SYMMETRIC } from './support/nat/kinds.ts'
import type { NatBehaviour } from './support/nat/nat-table.ts'
import { Story } from './support/nat/story.ts'

const PAIRS = KIND_NAMES.flatMap((client) => KIND_NAMES.map((server) => ({ client, server })))

function pair(client: Kind, server: Kind, birthday: boolean): Promise<Story> {
  return Story.begin(`${client} and ${server}`, {
    client: { nat: client },
    server: { nat: server },
    options: { birthday },
  })
}

describe('spec/endpoint.md §3.6: as iroh does it', () => {
  test.each(PAIRS)('a client behind $client and a server behind $server', async ({ client, server }) => {
    const isDirect = isDirectPossible(boxesOf(client), boxesOf(server))
    const story = await pair(client, server, false)
    if (isDirect) await story.direct()
    await story.stays(isDirect ? 'direct' : 'relay', 7_000)
    expect(story.pinging.pause).toBeLessThan(400)
    await story.end()
  })
})

describe('spec/disco-stun-nat.md §8.5: with birthday probing', () => {
  test.each([
    { client: 'strict', server: 'moderate' },
    { client: 'moderate', server: 'strict' },
  ] as const)('a client behind $client and a server behind $server', async ({ client, server }) => {
    const story = await pair(client, server, true)
    await story.direct(10_000)
    await story.stays('direct', 10_000)
    expect(story.pinging.longestPause).toBeLessThan(400)
    await story.end()
  })

  test('strict and strict: the relay stays, and no ping is lost', async () => {
    const story = await pair('strict', 'strict', true)
    await story.stays('relay', 30_000)
    expect(story.pinging.longestPause).toBeLessThan(400)
    await story.end()
  })
})

describe('other places', () => {
  /** What the client sends on. */
  const remoteOf = (story: Story): string | undefined =>
    story.connection.paths().find(({ selected }) => selected)?.remote

  test('spec/disco-stun-nat.md §8.5: two hosts behind one hard NAT meet on their network', async () => {
    const story = await Story.begin('household', { client: { nat: 'strict' }, isOneHousehold: true })
    await story.direct(1_000)
    expect(remoteOf(story)).toMatch(/^192\.168\.1\.11:/)
    await story.stays('direct', 5_000)
    await story.end()
  })

  test.each([
    { provider: MASQUERADE, isDirect: true },
    { provider: SYMMETRIC, isDirect: false },
  ])(
    'spec/disco-stun-nat.md §8.4: behind a provider whose NAT is $provider.mapping: direct $isDirect',
    async ({ provider, isDirect }) => {
      const shape = { client: { nat: MASQUERADE, provider }, server: { nat: MASQUERADE }, options: { birthday: false } }
      const story = await Story.begin(`provider ${provider.mapping}`, shape)
      if (isDirect) await story.direct()
      await story.stays(isDirect ? 'direct' : 'relay', 7_000)
      await story.end()
    },
  )

  test.each([
    { v4: 'strict', nat: SYMMETRIC },
    { v4: 'moderate', nat: MASQUERADE },
  ])('IPv6 behind firewalls is taken at once, however IPv4 is: $v4', async ({ v4, nat }) => {
    const at = (v6: string): { nat: NatBehaviour; v6: string } => ({ nat, v6 })
    const story = await Story.begin(`v6 and ${v4}`, { client: at('2001:db8:1::1'), server: at('2001:db8:2::1') })
    await story.direct(1_000)
    await story.world.run(500)
    expect(remoteOf(story)).toMatch(/^\[2001:db8:2::1\]:/)
    await story.stays('direct', 5_000)
    await story.end()
  })
})
