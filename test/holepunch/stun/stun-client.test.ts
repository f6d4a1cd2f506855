import { describe, expect, test } from 'vitest'
import { formatSocketAddress, parseSocketAddress } from '../../../src/bytes/index.ts'
import {
  type ChangeRequest,
  decodeStun,
  encodeStun,
  type StunEncoding,
  StunType,
} from '../../../src/holepunch/stun/message.ts'
import { StunClient } from '../../../src/holepunch/stun/stun-client.ts'
import { SimRandom } from '../../sim/support/random.ts'

const SERVER = parseSocketAddress('192.0.2.1:3478')
const MAPPED = parseSocketAddress('203.0.113.5:4100')
const START = 5000

type Socket = 'ours' | 'other'

function create(question: { server?: string; change?: ChangeRequest } = {}) {
  const client = new StunClient<Socket>(new SimRandom('stun-client'))
  const server = parseSocketAddress(question.server ?? '192.0.2.1:3478')
  const ask = () =>
    client.ask({ socket: 'ours', server, ...(question.change === undefined ? {} : { change: question.change }) }, START)
  const transaction = ask()
  const answer = (change: Partial<StunEncoding> = {}) =>
    encodeStun({ type: StunType.success, transactionId: transaction.id, mapped: MAPPED, ...change })
  const ends = () => {
    const found: string[] = []
    for (let end = client.nextEnd(); end !== undefined; end = client.nextEnd()) {
      const { outcome } = end
      if (outcome.kind === 'answered') found.push(formatSocketAddress(outcome.mapped))
      else found.push(outcome.kind === 'refused' ? `refused: ${outcome.reason}` : outcome.kind)
    }
    return found
  }
  /** Sent at `now`. */
  const sent = (now: number) => {
    const bytes: Uint8Array[] = []
    for (let due = client.poll(now); due !== undefined; due = client.poll(now)) bytes.push(due.bytes)
    return bytes
  }
  return { client, ask, transaction, answer, ends, sent }
}

describe('timers', () => {
  test('spec/disco-stun-nat.md §6.2: sent at 0, 250, 750 and 1750 ms, given up after 3 s', () => {
    const { client, ends, sent } = create()
    const log: string[] = []
    for (let now = START; client.deadline() < Number.POSITIVE_INFINITY; now = client.deadline()) {
      client.tick(now)
      for (const _bytes of sent(now)) log.push(`sent ${now - START}`)
      for (const end of ends()) log.push(`${end} ${now - START}`)
      if (client.deadline() === now) throw new Error('time stands still')
    }
    expect(log).toEqual(['sent 0', 'sent 250', 'sent 750', 'sent 1750', 'silent 3000'])
    expect(client.pending).toBe(0)
  })

  test('spec/disco-stun-nat.md §6.2: not a millisecond earlier', () => {
    const { client, ends, sent } = create()
    expect(sent(START)).toHaveLength(1)
    for (const at of [250, 750, 1750]) {
      expect(sent(START + at - 1)).toHaveLength(0)
      expect(sent(START + at)).toHaveLength(1)
    }
    client.tick(START + 2999)
    expect(ends()).toEqual([])
    client.tick(START + 3000)
    expect(ends()).toEqual(['silent'])
  })

  test('RFC 8489 §6.2.1: what is sent again is the same request, and each question has an id of its own', () => {
    const { client, ask, sent } = create()
    const [first] = sent(START)
    expect(sent(START + 250)).toEqual([first])
    const { type, transactionId, hasFingerprint } = decodeStun(first!)!
    expect([type, transactionId.length, hasFingerprint]).toEqual([StunType.request, 12, true])
    const other = ask()
    expect(other.id).not.toEqual(transactionId)
    expect(client.pending).toBe(2)
  })

  test('after a pause of the process one request goes out, not all that were missed', () => {
    const { client, sent } = create()
    expect(sent(START + 1000)).toHaveLength(1)
    expect(client.deadline()).toBe(START + 1750)
  })

  test('what was cancelled sends nothing and has no end', () => {
    const { client, transaction, answer, ends, sent } = create()
    sent(START)
    client.cancel(transaction)
    expect(sent(START + 250)).toEqual([])
    client.receive(answer(), SERVER, 'ours')
    client.tick(START + 3000)
    expect([ends(), client.deadline()]).toEqual([[], Number.POSITIVE_INFINITY])
  })
})

describe('answers', () => {
  test('RFC 8489 §6.3: the first answer ends it, later ones change nothing', () => {
    const { client, answer, ends, sent } = create()
    sent(START)
    client.receive(answer(), SERVER, 'ours')
    client.receive(answer({ mapped: parseSocketAddress('203.0.113.66:1') }), SERVER, 'ours')
    expect(ends()).toEqual(['203.0.113.5:4100'])
    expect([sent(START + 250), client.deadline()]).toEqual([[], Number.POSITIVE_INFINITY])
    client.receive(answer(), SERVER, 'ours')
    expect(ends()).toEqual([])
  })

  test('spec/disco-stun-nat.md §6.1: an answer that is too late changes nothing', () => {
    const { client, answer, ends } = create()
    client.tick(START + 3000)
    client.receive(answer(), SERVER, 'ours')
    expect(ends()).toEqual(['silent'])
  })

  const forged: [string, (answer: ReturnType<typeof create>['answer']) => [Uint8Array, string?, Socket?]][] = [
    ['an id that nobody asked with', (answer) => [answer({ transactionId: new Uint8Array(12) })]],
    ['another host', (answer) => [answer(), '192.0.2.2:3478']],
    ['another port of the server', (answer) => [answer(), '192.0.2.1:3479']],
    ['another socket of ours', (answer) => [answer(), '192.0.2.1:3478', 'other']],
    ['a request', (answer) => [answer({ type: StunType.request })]],
    ['an indication', (answer) => [answer({ type: StunType.indication })]],
    ['an answer to another method', (answer) => [answer({ type: 0x0103 })]],
    ['a wrong checksum', (answer) => [answer().map((byte, index) => (index === 25 ? byte ^ 1 : byte))]],
    ['noise', () => [new Uint8Array(40).fill(7)]],
    ['nothing', () => [new Uint8Array()]],
  ]
  test.each(forged)('spec/disco-stun-nat.md §6.1: %s changes nothing', (_what, forge) => {
    const { client, answer, ends } = create()
    const [data, source = '192.0.2.1:3478', socket = 'ours'] = forge(answer)
    client.receive(data, parseSocketAddress(source), socket)
    expect([ends(), client.pending]).toEqual([[], 1])
    client.receive(answer(), SERVER, 'ours')
    expect(ends()).toEqual(['203.0.113.5:4100'])
  })

  test('an IPv4 server that is known, or heard, as IPv6 is the same server', () => {
    const { client, answer, ends } = create({ server: '[::ffff:192.0.2.1]:3478' })
    client.receive(answer(), SERVER, 'ours')
    expect(ends()).toEqual(['203.0.113.5:4100'])
    const again = create()
    again.client.receive(again.answer(), parseSocketAddress('[::ffff:192.0.2.1]:3478'), 'ours')
    expect(again.ends()).toEqual(['203.0.113.5:4100'])
  })

  test('without FINGERPRINT, as iroh 0.35 answers', () => {
    const { client, answer, ends } = create()
    client.receive(answer({ withFingerprint: false }), SERVER, 'ours')
    expect(ends()).toEqual(['203.0.113.5:4100'])
  })

  test('RFC 8489 §6.3: what is no use ends it, and says why', () => {
    const unknown = (answer: Uint8Array) => {
      // SOFTWARE becomes an attribute that must be understood, behind a mapped address of 12 bytes
      const changed = answer.slice(0, -8)
      changed.set([0x7f, 0xff], 32)
      changed[3]! -= 8
      return changed
    }
    const cases: [Partial<StunEncoding>, string, ((answer: Uint8Array) => Uint8Array)?][] = [
      [{ type: StunType.error, error: { code: 300, reason: 'Try Alternate' } }, 'error 300 Try Alternate'],
      [{ type: StunType.error, error: { code: 500, reason: '' } }, 'error 500'],
      [{ type: StunType.error }, 'an error'],
      [{ software: 'abcd' }, 'its answer needs what we do not know', unknown],
      [{ mapped: parseSocketAddress('[2001:db8::1]:4100') }, 'its answer holds no address of ours'],
      [{ mapped: parseSocketAddress('203.0.113.5:0') }, 'its answer holds no address of ours'],
    ]
    for (const [change, reason, edit = (bytes: Uint8Array) => bytes] of cases) {
      const { client, answer, ends } = create()
      client.receive(edit(answer(change)), SERVER, 'ours')
      expect([ends(), client.pending]).toEqual([[`refused: ${reason}`], 0])
    }
    const { client, transaction, ends } = create()
    client.receive(encodeStun({ type: StunType.success, transactionId: transaction.id }), SERVER, 'ours')
    expect(ends()).toEqual(['refused: its answer holds no address of ours'])
  })
})

describe('RFC 5780 §4.4: answers from another address', () => {
  const SOURCES = ['192.0.2.1:3478', '192.0.2.1:3479', '192.0.2.2:3478', '192.0.2.2:3479']
  const NOT = 'refused: it answers from where it was asked'

  test.each([
    ['both', { ip: true, port: true }, [NOT, undefined, undefined, '203.0.113.5:4100']],
    ['the port', { ip: false, port: true }, [NOT, '203.0.113.5:4100', undefined, undefined]],
    ['the address', { ip: true, port: false }, [NOT, undefined, '203.0.113.5:4100', undefined]],
  ])('asked to change %s', (_what, change, expected) => {
    const found = SOURCES.map((source) => {
      const { client, answer, ends } = create({ change })
      client.receive(answer(), parseSocketAddress(source), 'ours')
      return ends()[0]
    })
    expect(found).toEqual(expected)
  })

  test('another address is one of the same family', () => {
    const { client, answer, ends } = create({ change: { ip: true, port: true } })
    client.receive(answer(), parseSocketAddress('[2001:db8::2]:3479'), 'ours')
    expect([ends(), client.pending]).toEqual([[], 1])
  })

  test('a server that does not know CHANGE-REQUEST says so', () => {
    const { client, answer, ends } = create({ change: { ip: true, port: true } })
    const error = { code: 420, reason: 'Unknown Attribute' }
    client.receive(answer({ type: StunType.error, error, unknownAttributes: [3] }), SERVER, 'ours')
    expect(ends()).toEqual(['refused: error 420 Unknown Attribute'])
  })
})
