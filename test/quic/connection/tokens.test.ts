import { describe, expect, test } from 'vitest'
import { frameTypes, Pair } from './pair.ts'

/** A client that got a token from its first connection, which is over. */
function withToken(): { pair: Pair; token: Uint8Array; validated: boolean[] } {
  const validated: boolean[] = []
  const pair = new Pair({
    server: { issueTokens: true },
    onIncoming: (incoming, self) => {
      validated.push(incoming.validated)
      self.server.connection = incoming.accept(self.now)
    },
  }).connect()
  pair.run(100)
  const token = pair.client.of('token')[0]!.token
  pair.client.connection!.close(0, '', pair.now)
  pair.run(2_000)
  pair.client.events.length = 0
  pair.server.events.length = 0
  validated.length = 0
  return { pair, token, validated }
}

describe('NEW_TOKEN', () => {
  test('RFC 9000 §8.1.3: a token from before proves the address, at once', () => {
    const { pair, token, validated } = withToken()
    pair.dial({ token })
    pair.connect()
    expect(validated).toEqual([true])
    expect(pair.server.of('connected').length).toBe(1)
  })

  test('RFC 9000 §8.1.3: from another host, or damaged, it is as good as none', () => {
    const { pair, token, validated } = withToken()
    pair.dial({ token, routes: [200] })
    pair.connect()
    const damaged = token.slice()
    damaged[20] = damaged[20]! ^ 1
    pair.client.events.length = 0
    pair.server.events.length = 0
    pair.dial({ token: damaged })
    pair.connect()
    pair.client.events.length = 0
    pair.server.events.length = 0
    pair.dial({ token: Uint8Array.of(1, 2, 3) })
    pair.connect()
    expect(validated).toEqual([false, false, false])
  })

  test('RFC 9000 §8.1.3: after a day it is too old', () => {
    const { pair, token, validated } = withToken()
    pair.now += 86_400_000
    pair.dial({ token })
    pair.connect()
    expect(validated).toEqual([false])
  })

  test('spec §2.5: none is given unless the settings say so', () => {
    const pair = new Pair().connect()
    pair.run(500)
    expect(frameTypes(pair.server.tap.sent)).not.toContain('new_token')
    expect(pair.client.of('token')).toEqual([])
  })

  test('RFC 9000 §13.3: a token that was lost is sent again', () => {
    const pair = new Pair({ server: { issueTokens: true } })
    let lost = 0
    pair.wire = (datagram) => (frameTypes(datagram.packets).includes('new_token') && lost++ === 0 ? [] : [datagram])
    pair.until(() => pair.client.of('token').length > 0)
    expect(lost).toBeGreaterThan(1)
    expect(pair.client.of('token').length).toBe(1)
  })
})
