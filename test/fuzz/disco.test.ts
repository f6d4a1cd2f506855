import { expect, test } from 'vitest'
import { parseIp, type SocketAddress, sameBytes } from '../../src/bytes/index.ts'
import { boxKey, sealBox, x25519PublicOf, x25519SecretOf } from '../../src/crypto/index.ts'
import { DiscoBox } from '../../src/holepunch/disco/box.ts'
import { MAX_PATHS } from '../../src/holepunch/disco/constants.ts'
import { DiscoMachine } from '../../src/holepunch/disco/machine.ts'
import {
  type DiscoAddress,
  type DiscoMessage,
  decodeDiscoMessage,
  encodeDiscoMessage,
} from '../../src/holepunch/disco/message.ts'
import { EndpointId } from '../../src/identity/index.ts'
import { hex } from '../crypto/hex.ts'
import { ALICE, BOB, VECTORS } from '../holepunch/disco/vectors.ts'
import { SimRandom } from '../sim/support/random.ts'
import { FACTOR, SEED, TIMEOUT } from './support/budget.ts'
import { mutate } from './support/mutate.ts'

const PLAINTEXTS = 10_000 * FACTOR
const PACKETS = 1_500 * FACTOR
const STEPS = 10_000 * FACTOR

function addressAt(bytes: Uint8Array, at: number): SocketAddress {
  const isMapped = bytes.subarray(at, at + 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff))
  const ip = bytes.slice(isMapped ? at + 12 : at, at + 16)
  return { ip, port: bytes[at + 16]! + 256 * bytes[at + 17]! }
}

function isPoint(key: Uint8Array): boolean {
  try {
    return EndpointId.fromBytes(key) !== undefined
  } catch {
    return false
  }
}

/** The obvious twin of `decodeDiscoMessage`, after the table of spec/disco-stun-nat.md §1.3. */
function decodePlainly(plain: Uint8Array): DiscoMessage | undefined {
  const [type, version] = plain
  const body = plain.subarray(2)
  if (version !== 0) return undefined
  if (type === 1) {
    if (body.length < 44 || !isPoint(body.slice(12, 44))) return undefined
    return { type: 'ping', transactionId: body.slice(0, 12), key: body.slice(12, 44) }
  }
  if (type === 2) {
    if (body.length < 15) return undefined
    const transactionId = body.slice(0, 12)
    if (body[12] === 0 && body.length === 31)
      return { type: 'pong', transactionId, observed: { kind: 'udp', ...addressAt(body, 13) } }
    if (body[12] !== 1) return undefined
    const url = Buffer.from(body.subarray(13)).toString()
    return Buffer.from(url).equals(body.subarray(13))
      ? { type: 'pong', transactionId, observed: { kind: 'relay', url } }
      : undefined
  }
  if (type !== 3 || body.length % 18 !== 0) return undefined
  return {
    type: 'call-me-maybe',
    addresses: Array.from({ length: body.length / 18 }, (_, index) => addressAt(body, 18 * index)),
  }
}

const genuine = VECTORS.map(({ message }) => encodeDiscoMessage(message))

test(
  'spec/disco-stun-nat.md §1.3: whatever a peer seals, the reader says the same as a slow one, and writes it again',
  () => {
    const random = new SimRandom(`disco plaintexts/${SEED}`)
    const seen = { taken: 0, refused: 0 }
    for (let round = 0; round < PLAINTEXTS; round++) {
      const plain = mutate(random, random.pick(genuine), random.pick(genuine))
      if (plain.length > 1 && random.chance(0.5)) plain.set([random.int(0, 4), 0])
      const message = decodeDiscoMessage(plain, ALICE.id.toBytes())
      const expected = decodePlainly(plain)
      if (JSON.stringify(message) !== JSON.stringify(expected)) throw new Error(Buffer.from(plain).toString('hex'))
      if (message === undefined) {
        seen.refused++
        continue
      }
      seen.taken++
      const again = encodeDiscoMessage(message)
      const isSame = sameBytes(again, plain.subarray(0, again.length))
      if (!isSame || (again.length !== plain.length && message.type !== 'ping'))
        throw new Error(`written otherwise: ${Buffer.from(plain).toString('hex')}`)
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(PLAINTEXTS / 20)
  },
  TIMEOUT,
)

test(
  'spec/disco-stun-nat.md §1.1: changed packets are none; only a turned sign of the sender’s key is not seen',
  () => {
    const random = new SimRandom(`disco packets/${SEED}`)
    const packets = VECTORS.filter(({ from }) => from === ALICE).map(({ packet }) => hex(packet))
    const box = new DiscoBox(BOB, random)
    let opened = 0
    for (let round = 0; round < PACKETS; round++) {
      const packet = mutate(random, random.pick(packets), random.pick(packets))
      const result = box.open(packet, '192.0.2.1', round * 100)
      const original = packets.some((one) => {
        const copy = packet.slice()
        if (copy.length > 37) copy[37] = (copy[37]! & 0x7f) | (one[37]! & 0x80)
        return sameBytes(copy, one)
      })
      if ((result !== undefined) !== original) throw new Error(Buffer.from(packet).toString('hex'))
      if (original) opened++
    }
    expect(opened).toBeGreaterThan(PACKETS / 50)
    expect(box.stats.failedOpens).toBeGreaterThan(PACKETS / 20)
  },
  TIMEOUT,
)

const PEERS = Array.from({ length: 40 }, (_, index) => new Uint8Array(32).fill(index + 1))

function someAddress(random: SimRandom): DiscoAddress {
  if (random.chance(0.2)) return { kind: 'relay', url: `https://relay${random.int(0, 3)}.example./` }
  const ip = parseIp(random.chance(0.7) ? `192.0.2.${random.int(0, 255)}` : `2001:db8::${random.int(0, 99)}`)
  return { kind: 'udp', ip, port: random.int(0, 40) }
}

test(
  'spec/disco-stun-nat.md §3.5: peers that follow no rule: nothing throws, nothing grows without bound, and answers are few',
  () => {
    const random = new SimRandom(`disco machine/${SEED}`)
    const machine = new DiscoMachine({ ownId: PEERS[0]!, random })
    let now = 1_000
    let sent = 0
    const pinged: { transactionId: Uint8Array; to: DiscoAddress; peer: Uint8Array }[] = []
    for (let step = 0; step < STEPS; step++) {
      now += random.pick([0, 1, 50, 1_000, 5_000])
      if (machine.deadline() <= now) machine.tick(now)
      if (machine.deadline() <= now) throw new Error(`still due at ${now}`)
      const peer = random.pick(PEERS)
      const from = someAddress(random)
      const drawn = random.pick(genuine)
      let message = decodeDiscoMessage(mutate(random, drawn, random.pick(genuine)), ALICE.id.toBytes())
      const last = pinged.at(-1)
      if (random.chance(0.2) && last !== undefined)
        message = { type: 'pong', transactionId: last.transactionId, observed: someAddress(random) }
      const input = random.int(0, 9)
      if (input === 0) machine.addPeer(peer, [from, someAddress(random)], now)
      else if (input === 1) machine.payloadTo(peer, now)
      else if (input === 2) machine.payloadFrom(from, peer, now)
      else if (input === 3 && random.chance(0.05)) machine.networkChanged()
      else if (input === 4) machine.setOwnAddresses(from.kind === 'udp' ? [from] : [], now)
      else if (message !== undefined) machine.receive(last?.peer ?? peer, last?.to ?? from, message, now)
      if (random.chance(0.5)) pinged.pop()
      for (let output = machine.nextOutput(); output !== undefined; output = machine.nextOutput()) {
        if (output.type !== 'send') continue
        sent++
        const isUdp = output.to.kind === 'udp'
        if (output.to.kind === 'udp' && output.to.port === 0) throw new Error('to port 0')
        if (isUdp && output.message.type === 'call-me-maybe') throw new Error('a CallMeMaybe by UDP')
        if (output.message.type === 'ping')
          pinged.push({ transactionId: output.message.transactionId, to: output.to, peer: output.peer })
      }
    }
    expect(machine.peerCount).toBeLessThanOrEqual(PEERS.length)
    expect(machine.pingCount).toBeLessThanOrEqual(PEERS.length * (MAX_PATHS + 1) * 2)
    expect(sent).toBeGreaterThan(STEPS / 4)
  },
  TIMEOUT,
)

test('a peer’s sealed nonsense reaches the reader: the box opens, the message is none', () => {
  const key = boxKey(x25519SecretOf(ALICE.toBytes()), x25519PublicOf(BOB.id.toBytes())!)!
  const nonce = new Uint8Array(24)
  const head = [...hex('5453f09f92ac'), ...ALICE.id.toBytes()]
  const box = new DiscoBox(BOB, new SimRandom('x'))
  expect(
    box.open(Uint8Array.from([...head, ...sealBox(key, nonce, Uint8Array.of(9)), ...nonce]), '', 0),
  ).toBeUndefined()
  expect(box.stats.malformed).toBe(1)
})
