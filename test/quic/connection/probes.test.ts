import { describe, expect, test } from 'vitest'
import { frameTypes, Pair } from './pair.ts'

describe('probes of the handshake', () => {
  test('RFC 9002 §6.2.4: each probe of a client whose hello is not acknowledged carries it', () => {
    const pair = new Pair({ wire: () => [] })
    pair.until(() => pair.sentBy('client').length >= 7)
    const probes = pair.sentBy('client').map(({ packets }) => frameTypes(packets))
    // aioquic closes the connection when the first Initial packet that reaches it has no CRYPTO frame
    expect(probes.filter((types) => !types.includes('crypto'))).toEqual([])
  })

  test('RFC 9002 §6.2.4: each probe of a server whose flight is not acknowledged carries some of it', () => {
    const pair = new Pair({ wire: (datagram) => (datagram.from === 'client' ? [datagram] : []) })
    pair.until(() => pair.server.connection !== undefined)
    pair.run(3000)
    const probes = pair.sentBy('server').map(({ packets }) => frameTypes(packets))
    expect(probes.filter((types) => types.includes('crypto')).length).toBeGreaterThan(3)
    // the others acknowledge what the client says again
    expect(probes.filter((types) => types.includes('ping'))).toEqual([])
  })
})
