import { expect, test } from 'vitest'
import { formatSocketAddress, parseSocketAddress } from '../../src/bytes/index.ts'
import { decodeStun, encodeStun, type StunMessage, StunType } from '../../src/holepunch/stun/message.ts'
import { StunClient } from '../../src/holepunch/stun/stun-client.ts'
import { vectorBytes } from '../holepunch/stun/vectors.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'

const MESSAGES = 20_000 * FACTOR
const SERVERS = ['192.0.2.1:3478', '192.0.2.2:3479', '[2001:db8::1]:3478'].map(parseSocketAddress)
const OURS = parseSocketAddress('203.0.113.5:4100')
const OURS_V6 = parseSocketAddress('[2001:db8::5]:4100')
const NOWHERE = parseSocketAddress('203.0.113.5:0')

/** Whatever decodes must be what a message can be. */
function check(message: StunMessage): void {
  expect(message.type).toBeLessThan(0x4000)
  expect(message.transactionId).toHaveLength(12)
  for (const address of [message.mapped, message.otherAddress, message.responseOrigin]) {
    if (address === undefined) continue
    expect([4, 16]).toContain(address.ip.length)
    expect(address.port >= 0 && address.port <= 65_535).toBe(true)
  }
  for (const type of message.unknownRequired) expect(type).toBeLessThan(0x8000)
  if (message.error !== undefined) expect(message.error.code >= 300 && message.error.code <= 699).toBe(true)
}

test(
  'spec/disco-stun-nat.md §6.1: replies that never were throw nothing, and what they say is an address or nothing',
  () => {
    const random = new SimRandom(`stun/${SEED}`)
    const client = new StunClient<number>(random.fork('client'))
    const genuine = vectorBytes()
    let now = 0
    let decoded = 0
    let answered = 0
    for (let index = 0; index < MESSAGES; index++) {
      if (client.pending < 4) {
        const change = random.chance(0.3) ? { change: { ip: random.chance(0.5), port: random.chance(0.5) } } : {}
        client.ask({ socket: random.int(0, 1), server: random.pick(SERVERS), ...change }, now)
      }
      const due = client.poll(now)
      const id = due === undefined ? undefined : decodeStun(due.bytes)?.transactionId
      if (id !== undefined) {
        const isV6 = due!.question.server.ip.length === 16
        genuine[random.int(0, genuine.length - 1)] = encodeStun({
          type: random.pick([StunType.success, StunType.success, StunType.error]),
          transactionId: id,
          // a server can say what it likes
          mapped: random.chance(0.7) ? (isV6 ? OURS_V6 : OURS) : random.pick([OURS, OURS_V6, NOWHERE]),
          ...(random.chance(0.2) ? { error: { code: random.int(0, 799), reason: '' } } : {}),
          withFingerprint: random.chance(0.3),
          ...(random.chance(0.3) ? { software: 'x'.repeat(random.int(0, 9)) } : {}),
          ...(random.chance(0.3) ? { otherAddress: random.pick(SERVERS) } : {}),
        })
      }
      const data = mutate(random, random.pick(genuine), random.pick(genuine))
      const message = decodeStun(data)
      if (message !== undefined) {
        decoded++
        check(message)
      }
      const pending = client.pending
      client.receive(data, random.pick(SERVERS), random.int(0, 1))
      for (let end = client.nextEnd(); end !== undefined; end = client.nextEnd()) {
        const { outcome, transaction } = end
        // Nobody but a message with its id ends a transaction.
        expect(message?.transactionId).toEqual(transaction.id)
        if (outcome.kind === 'answered') {
          answered++
          expect(formatSocketAddress(outcome.mapped)).toMatch(/^(?:[\d.]+|\[[\da-f:.]+\]):[1-9]\d*$/)
          expect(outcome.mapped.ip.length).toBe(transaction.question.server.ip.length)
        }
      }
      expect(client.pending).toBeLessThanOrEqual(pending)
      if (random.chance(0.05)) {
        now += random.between(0, 1500)
        client.tick(now)
        while (client.nextEnd() !== undefined);
        while (random.chance(0.5) && client.poll(now) !== undefined);
      }
    }
    expect([decoded > MESSAGES / 30, answered > MESSAGES / 2000]).toEqual([true, true])
  },
  TIMEOUT,
)
