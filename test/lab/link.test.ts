/** The link program: its loss, and a ping through a running link. */
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { LADDER, LINK_PROGRAM, Link } from './link.ts'
import { canMakeNamespaces, Namespaces } from './namespaces.ts'
import { Probe } from './udp-probe.ts'

function chain(lossPct: number, burst: number, count: number, seed: number): string {
  const args = [LINK_PROGRAM, 'chain', lossPct, burst, count, seed].map(String)
  return execFileSync('python3', args, { encoding: 'utf8' }).trim()
}

test.each(LADDER)('Gilbert-Elliott: $label loses $lossPct % in bursts of $burst', ({ lossPct = 0, burst = 1 }) => {
  const packets = chain(lossPct, burst, 100_000, 7)
  const bursts = packets.match(/1+/g)!.map((run) => run.length)
  const lost = bursts.reduce((sum, length) => sum + length, 0)
  // enough bursts for either mean to lie within a quarter of what was asked for
  expect(lost / packets.length / (lossPct / 100)).toBeGreaterThan(0.75)
  expect(lost / packets.length / (lossPct / 100)).toBeLessThan(1.25)
  expect(lost / bursts.length / burst).toBeGreaterThan(0.75)
  expect(lost / bursts.length / burst).toBeLessThan(1.25)
})

test('Gilbert-Elliott: no loss is no loss, and the same seed gives the same loss', () => {
  expect(chain(0, 8, 10_000, 1)).not.toContain('1')
  expect(chain(5, 8, 10_000, 1)).toBe(chain(5, 8, 10_000, 1))
  expect(chain(5, 8, 10_000, 1)).not.toBe(chain(5, 8, 10_000, 2))
})

if (!canMakeNamespaces())
  throw new Error('the lab needs root on Linux and the commands `ip` (iproute2) and `nft` (nftables)')

test('a link delays, is cut, and loses what it is told to lose', async () => {
  const spaces = new Namespaces('link')
  try {
    await spaces.add('near')
    await spaces.add('far')
    const link = await Link.start(spaces, 'near', 'eth0', 'tomfar', { rttMs: 40 })
    await spaces.ip('near', [
      `link set tomfar netns ${spaces.full('far')} name eth0`,
      'address add 10.0.0.1/24 dev eth0',
      'link set eth0 up',
    ])
    await spaces.ip('far', ['address add 10.0.0.2/24 dev eth0', 'link set eth0 up'])
    const echo = await Probe.start(spaces, 'far', '0.0.0.0', 'echo')
    const probe = await Probe.start(spaces, 'near', '0.0.0.0')
    const ping = (): Promise<number | undefined> => probe.ask(`10.0.0.2:${echo.port}`, 1_000)
    expect(await ping()).toBeGreaterThanOrEqual(40)
    link.cut()
    expect(await ping()).toBeUndefined()
    link.restore()
    expect(await ping()).toBeGreaterThanOrEqual(40)
    link.set({ lossPct: 99, burst: 100 }, 'down')
    let answers = 0
    for (let tries = 0; tries < 5; tries++) if ((await ping()) !== undefined) answers++
    expect(answers).toBeLessThan(5)
    const { up, down } = await link.counts()
    expect(up.forwarded).toBeGreaterThanOrEqual(7)
    expect(down.lost).toBeGreaterThanOrEqual(5 - answers)
  } finally {
    await spaces.close()
  }
})
