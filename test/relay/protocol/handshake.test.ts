import { ed25519 } from '@noble/curves/ed25519.js'
import { describe, expect, test } from 'vitest'
import { SecretKey } from '../../../src/identity/index.ts'
import {
  ClientHandshake,
  type ClientHandshakeState,
  challengeMessage,
  clientAuthHeader,
  RelayProtocolError,
  ServerHandshake,
  type ServerHandshakeState,
} from '../../../src/relay/index.ts'
import { counting, hex, toHex } from '../../crypto/hex.ts'
import { CLIENT_ID, CLIENT_SEED, fixedRandom, MASK, NO_POINT, onTheWire, PROVIDERS, reasonOf } from './support.ts'

const CHALLENGE = counting(0, 16)
const CHALLENGE_FRAME = '00000102030405060708090a0b0c0d0e0f'
const SIGNATURE =
  '4d5e2e27b1f48ba67554ffa68589791ddfec1529574c3f26e4356bc075cee0a3ddaedea5fb0b3de1359d135dce06aa7f192562e48df781df865c77f1d716f00d'
const AUTH_FRAME = `01${CLIENT_ID}40${SIGNATURE}`
const AUTH_ON_THE_WIRE = `
  82e237fa213d3670a9deea8e28cca20773e61ac69b604530463488e7b52f2c0955b5364e2e526bba6c6319dd
  90c9bc5c5469c85ca4b44ee7fed122d3767108dcc5085c3a54f3d759fc93e95fda360a1b14a024a7ef3b9d85
  3818551eaccab625a761400bf62bc7f7`
const CONFIRM = '02'
const NOT_AUTHORIZED = '030e6e6f7420617574686f72697a6564'
const SIGNATURE_INVALID = '03117369676e617475726520696e76616c6964'
const PING = '092a2a2a2a2a2a2a2a'

const crypto = PROVIDERS[0]!
const signer = crypto.signer(CLIENT_SEED)
const exporter = () => counting(1, 32)

const client = () => new ClientHandshake(signer)
const server = (provider = crypto) => new ServerHandshake({ crypto: provider, random: fixedRandom(CHALLENGE) })
const serverByHeader = () =>
  new ServerHandshake({
    crypto,
    random: fixedRandom(CHALLENGE),
    authHeader: clientAuthHeader(signer, exporter),
    exporter,
  })

describe('spec/relay.md §8.1: a full handshake with a challenge', () => {
  test.each(PROVIDERS)('$name', (provider) => {
    expect(toHex(challengeMessage(CHALLENGE))).toBe('b7b16e505d2cb5dbaf494800092c3b05a6c45d8d3fd4f1b888c6a77240b876c0')
    const theServer = server(provider)
    const providerSigner = provider.signer(CLIENT_SEED)
    const theClient = new ClientHandshake(providerSigner)

    const challenge = theServer.start()!
    expect(toHex(challenge)).toBe(CHALLENGE_FRAME)
    expect(toHex(onTheWire(challenge))).toBe(`8211${CHALLENGE_FRAME}`)
    expect(theServer.id).toBeUndefined()

    const answer = theClient.receive(challenge)!
    expect(toHex(answer)).toBe(AUTH_FRAME)
    expect(onTheWire(answer, MASK)).toEqual(hex(AUTH_ON_THE_WIRE))

    expect(theServer.receive(answer)).toBeUndefined()
    expect([theServer.state, theServer.isByHeader]).toEqual(['proven', false])
    expect(theServer.id?.toString()).toBe(CLIENT_ID)

    const confirm = theServer.confirm()
    expect(toHex(onTheWire(confirm))).toBe('820102')
    expect(theClient.receive(confirm)).toBeUndefined()
    expect([theClient.state, theServer.state]).toEqual(['done', 'done'])
    providerSigner.free()
  })

  test('denials', () => {
    const denying = server()
    denying.start()
    denying.receive(hex(AUTH_FRAME))
    expect(toHex(denying.deny())).toBe(NOT_AUTHORIZED)
    expect(denying.state).toBe('denied')

    const doubting = server()
    doubting.start()
    expect(toHex(doubting.receive(hex(AUTH_FRAME.replace(/0d$/, '0c')))!)).toBe(SIGNATURE_INVALID)
    expect([doubting.state, doubting.id]).toEqual(['denied', undefined])
    for (const [frame, reason] of [
      [NOT_AUTHORIZED, 'not authorized'],
      [SIGNATURE_INVALID, 'signature invalid'],
    ] as const) {
      const denied = client()
      denied.receive(hex(frame))
      expect([denied.state, denied.reason]).toEqual(['denied', reason])
    }
  })
})

/** What a state machine makes of an input: what it sends and where it goes, or why not. */
function outcome(machine: { readonly state: string }, act: () => Uint8Array | undefined): string {
  try {
    const sent = act()
    return sent === undefined ? machine.state : `${toHex(sent.subarray(0, 2))}… ${machine.state}`
  } catch (error) {
    return error instanceof RelayProtocolError ? `! ${machine.state}` : `misuse ${machine.state}`
  }
}

describe('spec/relay.md §2.2: the client, state × input', () => {
  const REACH: Record<ClientHandshakeState, () => ClientHandshake> = {
    waiting: client,
    answered: () => after(client(), CHALLENGE_FRAME),
    done: () => after(client(), CONFIRM),
    denied: () => after(client(), NOT_AUTHORIZED),
    failed: () => {
      const failed = client()
      reasonOf(() => failed.receive(hex(PING)))
      return failed
    },
  }
  const STATES = Object.keys(REACH) as ClientHandshakeState[]
  const ENDED = { done: '! failed', denied: '! failed', failed: '! failed' }
  const INPUTS: Record<string, Record<ClientHandshakeState, string>> = {
    [CHALLENGE_FRAME]: { waiting: '018a… answered', answered: '! failed', ...ENDED },
    [AUTH_FRAME]: { waiting: '! failed', answered: '! failed', ...ENDED },
    [CONFIRM]: { waiting: 'done', answered: 'done', ...ENDED },
    [NOT_AUTHORIZED]: { waiting: 'denied', answered: 'denied', ...ENDED },
    [PING]: { waiting: '! failed', answered: '! failed', ...ENDED },
    '': { waiting: '! failed', answered: '! failed', ...ENDED },
  }

  function after(machine: ClientHandshake, input: string): ClientHandshake {
    machine.receive(hex(input))
    return machine
  }

  test.each(Object.entries(INPUTS))('%s', (input, expected) => {
    for (const state of STATES) {
      const machine = REACH[state]()
      expect(machine.state).toBe(state)
      expect([state, outcome(machine, () => machine.receive(hex(input)))]).toEqual([state, expected[state]])
    }
  })

  test('only a denial has a reason', () => {
    for (const state of STATES) expect(REACH[state]().reason).toBe(state === 'denied' ? 'not authorized' : '')
  })
})

describe('spec/relay.md §2.2: the server, state × input', () => {
  const REACH: Record<ServerHandshakeState, () => ServerHandshake> = {
    new: server,
    challenged: () => {
      const machine = server()
      machine.start()
      return machine
    },
    proven: () => {
      const machine = REACH.challenged()
      machine.receive(hex(AUTH_FRAME))
      return machine
    },
    done: () => {
      const machine = REACH.proven()
      machine.confirm()
      return machine
    },
    denied: () => {
      const machine = REACH.proven()
      machine.deny()
      return machine
    },
    failed: () => {
      const machine = REACH.challenged()
      reasonOf(() => machine.receive(hex(PING)))
      return machine
    },
  }
  const STATES = Object.keys(REACH) as ServerHandshakeState[]
  const UNASKED = { new: '! failed', proven: '! failed', done: '! failed', denied: '! failed', failed: '! failed' }
  const misuse = (state: ServerHandshakeState) => `misuse ${state}`
  const MISUSE = Object.fromEntries(STATES.map((state) => [state, misuse(state)])) as Record<
    ServerHandshakeState,
    string
  >

  const receives = (text: string) => (machine: ServerHandshake) => machine.receive(hex(text))
  const INPUTS: readonly [
    name: string,
    act: (machine: ServerHandshake) => Uint8Array | undefined,
    Record<ServerHandshakeState, string>,
  ][] = [
    ['start', (machine) => machine.start(), { ...MISUSE, new: '0000… challenged' }],
    ['the answer', receives(AUTH_FRAME), { ...UNASKED, challenged: 'proven' }],
    ['a bad signature', receives(AUTH_FRAME.replace('404d', '404e')), { ...UNASKED, challenged: '0311… denied' }],
    ['a key that is none', receives(`01${NO_POINT}40${SIGNATURE}`), { ...UNASKED, challenged: '! failed' }],
    ['a challenge', receives(CHALLENGE_FRAME), { ...UNASKED, challenged: '! failed' }],
    ['a confirmation', receives(CONFIRM), { ...UNASKED, challenged: '! failed' }],
    ['a denial', receives(NOT_AUTHORIZED), { ...UNASKED, challenged: '! failed' }],
    ['a ping', receives(PING), { ...UNASKED, challenged: '! failed' }],
    ['an empty message', receives(''), { ...UNASKED, challenged: '! failed' }],
    ['confirm', (machine) => machine.confirm(), { ...MISUSE, proven: '02… done' }],
    ['deny', (machine) => machine.deny(), { ...MISUSE, proven: '030e… denied' }],
  ]

  test.each(INPUTS)('%s', (_name, act, expected) => {
    for (const state of STATES) {
      const machine = REACH[state]()
      expect(machine.state).toBe(state)
      expect([state, outcome(machine, () => act(machine))]).toEqual([state, expected[state]])
    }
  })

  test('§2.4: a good header spares the challenge', () => {
    const machine = serverByHeader()
    expect([machine.state, machine.isByHeader, machine.id]).toEqual(['new', true, undefined])
    expect(machine.start()).toBeUndefined()
    expect([machine.state, machine.id?.toString()]).toEqual(['proven', CLIENT_ID])
    expect(toHex(machine.confirm())).toBe(CONFIRM)
  })

  test('§2.4: any other header is as none', () => {
    const good = clientAuthHeader(signer, exporter)
    for (const [authHeader, theirs] of [
      [`${good}A`, exporter],
      ['', exporter],
      [good, undefined],
      [good, () => counting(2, 32)],
    ] as const) {
      const machine = new ServerHandshake({ crypto, random: fixedRandom(CHALLENGE), authHeader, exporter: theirs })
      expect(toHex(machine.start()!)).toBe(CHALLENGE_FRAME)
      expect([machine.state, machine.isByHeader]).toEqual(['challenged', false])
    }
  })

  test('§2.3: each connection has a challenge of its own, and an answer to another does not count', () => {
    const other = new ServerHandshake({ crypto, random: fixedRandom(counting(1, 16)) })
    expect(toHex(other.start()!)).toBe('000102030405060708090a0b0c0d0e0f10')
    expect(toHex(other.receive(hex(AUTH_FRAME))!)).toBe(SIGNATURE_INVALID)
  })
})

describe('spec/relay.md §2.1: encodings', () => {
  const refusedByServer = (text: string) => reasonOf(() => REACHED().receive(hex(text)))
  const refusedByClient = (text: string) => reasonOf(() => client().receive(hex(text)))
  const REACHED = () => {
    const machine = server()
    machine.start()
    return machine
  }

  test('longer forms of the type and bytes after the body are taken', () => {
    expect(toHex(client().receive(hex(`4000${CHALLENGE_FRAME.slice(2)}ffff`))!)).toBe(AUTH_FRAME)
    const machine = REACHED()
    machine.receive(hex(`80000001${AUTH_FRAME.slice(2)}00`))
    expect(machine.state).toBe('proven')
    const confirmed = client()
    confirmed.receive(hex('4002ff'))
    expect(confirmed.state).toBe('done')
  })

  test('frames that end early say so', () => {
    expect(refusedByClient(CHALLENGE_FRAME.slice(0, -2))).toBe('ServerChallenge (0) ends too early')
    expect(refusedByClient('03')).toBe('ServerDeniesAuth (3) ends too early')
    expect(refusedByClient('030561')).toBe('ServerDeniesAuth (3) ends too early')
    expect(refusedByClient('40')).toBe('a message of the handshake ends too early')
    expect(refusedByClient('')).toBe('an empty message during the handshake')
    expect(refusedByServer(AUTH_FRAME.slice(0, -2))).toBe('ClientAuth (1) ends too early')
    expect(refusedByServer(AUTH_FRAME.slice(0, 50))).toBe('ClientAuth (1) ends too early')
  })

  test('the length of a signature is 64', () => {
    expect(refusedByServer(`01${CLIENT_ID}3f${SIGNATURE}`)).toBe('ClientAuth (1): a signature of 63 bytes')
    expect(refusedByServer(`01${CLIENT_ID}41${SIGNATURE}00`)).toBe('ClientAuth (1): a signature of 65 bytes')
    expect(refusedByServer(`01${CLIENT_ID}ffffffffffffffffff01${SIGNATURE}`)).toContain('ClientAuth (1)')
  })

  test('frames of the wrong side, of later, of nobody', () => {
    expect(refusedByClient(AUTH_FRAME)).toBe('ClientAuth (1) from a server')
    expect(refusedByServer(CHALLENGE_FRAME)).toBe('ServerChallenge (0) from a client')
    expect(refusedByClient(PING)).toBe('Ping (9) during the handshake')
    expect(refusedByServer('ffffffffffffffff')).toContain('unknown frame type')
    expect(refusedByClient(`02${'00'.repeat(65_537)}`)).toContain('too many')
  })

  test('a reason is one line, bounded, and UTF-8', () => {
    const denied = (reason: Uint8Array) => {
      const length = reason.length < 128 ? [reason.length] : [(reason.length & 0x7f) | 0x80, reason.length >>> 7]
      const machine = client()
      machine.receive(Uint8Array.from([3, ...length, ...reason]))
      return machine.reason
    }
    const utf8 = (text: string) => new TextEncoder().encode(text)
    expect(denied(utf8('zu viele Köche'))).toBe('zu viele Köche')
    expect(denied(utf8('no\r\n2026 INFO all is well\u2028\u001b[2J'))).toBe('no 2026 INFO all is well [2J')
    expect(denied(utf8('x'.repeat(1000)))).toBe(`${'x'.repeat(255)}…`)
    expect(denied(utf8(''))).toBe('')
    expect(refusedByClient('0301ff')).toContain('not UTF-8')
  })

  test('what a server says is bounded too', () => {
    const machine = serverByHeader()
    machine.start()
    const denied = client()
    const frame = machine.deny(`${'é'.repeat(300)}\n`)
    // type, length, 255 characters of two bytes, an ellipsis of three
    expect(frame).toHaveLength(1 + 2 + 2 * 255 + 3)
    denied.receive(frame)
    expect(denied.reason).toBe(`${'é'.repeat(255)}…`)
  })
})

describe('spec/relay.md §2.3: verification is strict', () => {
  test.each(PROVIDERS)('$name: small-order keys and S beyond the order are refused', (provider) => {
    const answer = (frame: Uint8Array) => {
      const machine = server(provider)
      machine.start()
      return outcome(machine, () => machine.receive(frame))
    }
    // the neutral element as key and as R, S = 0: holds for every message where verification is not strict
    const neutral = `01${'00'.repeat(31)}`
    expect(answer(hex(`01${neutral}40${neutral}${'00'.repeat(32)}`))).toBe('0311… denied')
    const { ORDER } = ed25519.Point.Fn
    const s = BigInt(`0x${toHex(hex(SIGNATURE).slice(32).reverse())}`)
    const beyond = hex((s + ORDER).toString(16).padStart(64, '0')).reverse()
    expect(answer(hex(`01${CLIENT_ID}40${SIGNATURE.slice(0, 64)}${toHex(beyond)}`))).toBe('0311… denied')
    expect(answer(hex(AUTH_FRAME))).toBe('proven')
  })

  test('the signer is asked for one signature and stays alive', () => {
    const own = SecretKey.fromBytes(CLIENT_SEED)
    let signatures = 0
    const counted = {
      publicKey: own.id.toBytes(),
      sign: (message: Uint8Array) => {
        signatures++
        return signer.sign(message)
      },
      free: () => expect.unreachable('the handshake does not own the signer'),
    }
    const machine = new ClientHandshake(counted)
    machine.receive(hex(CHALLENGE_FRAME))
    reasonOf(() => machine.receive(hex(CHALLENGE_FRAME)))
    expect(signatures).toBe(1)
  })
})
