/** What a `TomNode` does with unsigned, forged and broken traffic that a node of native iroh brings: it counts it, and nothing else changes (spec/envelope.md §10, SIG-2, ACK-1 to ACK-3). */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Refusal } from '../../src/envelope/core/metrics.ts'
import { encodeAck } from '../../src/envelope/wire/body-codec.ts'
import type { Envelope } from '../../src/envelope/wire/envelope.ts'
import { decodeEnvelope, encodeEnvelope, envelopeSigningBytes } from '../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../src/envelope/wire/known-keys.ts'
import { EndpointId } from '../../src/index.ts'
import { until } from '../until.ts'
import { type EnvelopeProgram, hexOf } from './envelope-program.ts'
import { announcedBy, type NodeLab, talk, utf8 } from './node-lab.ts'
import { OurTom } from './our-tom.ts'
import { person } from './samples.ts'
import { crypto, type EnvelopeLab, Random, sealerOf } from './setup.ts'
import { NativeTom } from './tom-program.ts'

/** Who has no node. */
const MALLORY = person(66)
const STRANGER = person(67)
const HOUR_MS = 3_600_000
const keys = new KnownKeys()

interface Scene {
  readonly us: OurTom
  readonly them: NativeTom
  readonly rust: EnvelopeProgram
}

interface Case {
  readonly what: string
  readonly code: Refusal
  readonly frame: (scene: Scene) => Promise<Uint8Array> | Uint8Array
}

/** Mallory's, to us, by Rust; `change` is made and signed again. */
async function chat(
  { us, rust }: Scene,
  options: Partial<Parameters<EnvelopeProgram['build']>[0]> = {},
): Promise<Uint8Array> {
  const draft = { seed: MALLORY.seed, to: us.id, type: 'Chat', payload: utf8('x'), timestamp: Date.now() } as const
  return (await rust.build({ ...draft, isEncrypted: true, ...options })).wire
}

const changed = (wire: Uint8Array, change: (envelope: Envelope) => Partial<Envelope>): Uint8Array => {
  const envelope = decodeEnvelope(wire, keys)
  return encodeEnvelope({ ...envelope, ...change(envelope) })
}

const resigned = (envelope: Envelope, seed: Uint8Array): Uint8Array =>
  encodeEnvelope({ ...envelope, signature: crypto.signer(seed).sign(envelopeSigningBytes(envelope)) })

const CASES: readonly Case[] = [
  { what: 'SIG-2: unsigned', code: 'UNSIGNED', frame: (scene) => chat(scene, { isUnsigned: true }) },
  {
    what: 'SIG-2: signed by another than it names',
    code: 'BAD_SIGNATURE',
    frame: async (scene) => changed(await chat(scene), () => ({ from: STRANGER.key })),
  },
  {
    what: 'SIG-2: another recipient than was signed',
    code: 'BAD_SIGNATURE',
    frame: async (scene) => changed(await chat(scene, { to: STRANGER.key }), () => ({ to: scene.us.id })),
  },
  {
    what: 'SIG-2: another path than was signed',
    code: 'BAD_SIGNATURE',
    frame: async (scene) => changed(await chat(scene), () => ({ via: [STRANGER.key] })),
  },
  {
    what: 'SIG-1: from a key of small order',
    code: 'BAD_SIGNATURE',
    frame: async (scene) => changed(await chat(scene), () => ({ from: `01${'00'.repeat(31)}` })),
  },
  {
    what: 'ENC-3: encrypted to another',
    code: 'DECRYPT_FAILED',
    frame: (scene) => {
      const sealer = sealerOf(MALLORY, new Random(5))
      const draft = { to: STRANGER.key, type: 'Chat', payload: utf8('x'), timestamp: Date.now() } as const
      return resigned({ ...sealer.seal({ ...draft, isEncrypted: true }).envelope, to: scene.us.id }, MALLORY.seed)
    },
  },
  {
    what: 'L2c: older than a day',
    code: 'EXPIRED',
    frame: (scene) => chat(scene, { timestamp: Date.now() - 25 * HOUR_MS }),
  },
  {
    what: 'W3: from tomorrow',
    code: 'FROM_FUTURE',
    frame: (scene) => chat(scene, { timestamp: Date.now() + HOUR_MS }),
  },
  {
    what: 'RTR-8: to be passed on without hops left',
    code: 'NO_HOPS_LEFT',
    frame: (scene) => chat(scene, { to: scene.them.id, via: [scene.us.id], ttl: 0 }),
  },
  {
    what: 'RTR-6: a hop twice',
    code: 'INVALID_FIELD',
    frame: (scene) => chat(scene, { via: [STRANGER.key, STRANGER.key] }),
  },
  {
    what: 'spec/envelope.md §1.3: bytes after it',
    code: 'MALFORMED',
    frame: async (scene) => Uint8Array.of(...(await chat(scene)), 0),
  },
  { what: 'TRN-1: neither v1 nor v2', code: 'MALFORMED', frame: () => Uint8Array.of(0x9a, 0xc0) },
  { what: 'ENV-6: more than 256 KiB', code: 'TOO_LARGE', frame: () => new Uint8Array(262_145).fill(0x9a) },
  {
    what: 'ENV-6: an id of 65 characters',
    code: 'INVALID_FIELD',
    frame: (scene) => chat(scene, { id: 'x'.repeat(65) }),
  },
  {
    what: 'spec/envelope.md §1.8: an Ack that says something else',
    code: 'UNREADABLE_BODY',
    frame: (scene) => chat(scene, { type: 'Ack', isEncrypted: false }),
  },
  {
    what: 'spec/envelope.md §7: a group',
    code: 'UNSUPPORTED_TYPE',
    frame: (scene) => chat(scene, { type: 'GroupHubPing', isEncrypted: false }),
  },
  {
    what: 'ACK-1: an Ack for what was never sent',
    code: 'NOT_ENTITLED',
    frame: (scene) => {
      const payload = encodeAck({ originalId: 'nothing', kind: 'RecipientReceived' })
      return chat(scene, { type: 'Ack', payload, isEncrypted: false })
    },
  },
]

export function refusalSuite(lab: NodeLab, envelopesNow: () => EnvelopeLab): void {
  describe('traffic that is refused', () => {
    let us: OurTom
    let them: NativeTom
    beforeAll(async () => {
      them = await NativeTom.start(lab.programs.native, { name: 'native' })
      us = await OurTom.start({ name: 'ours', bootstrap: [them.ticket] })
      await announcedBy(them, us.id, 'ours')
      await talk(us, them)
    })
    afterAll(() => Promise.all([us?.stop(), them?.stop()]))

    test.each(CASES)('$what', async ({ code, frame }) => {
      const before = us.node.metrics()
      const events = them.all('ack').length
      await them.sendFrame(us.id, await frame({ us, them, rust: envelopesNow().rust }))
      const refused = { ...before.refused, [code]: (before.refused[code] ?? 0) + 1 }
      await until(code, () => us.node.metrics().refused[code] === refused[code])
      await talk(us, them, 'and after it')
      const { sent, received, forwarded, acknowledgementsSent, ...now } = us.node.metrics()
      expect(now.refused).toEqual(refused)
      expect({ sent, received, forwarded, acknowledgementsSent }).toEqual({
        sent: before.sent + 1,
        received: before.received + 1,
        forwarded: before.forwarded,
        acknowledgementsSent: before.acknowledgementsSent + 1,
      })
      // of the good ones alone
      expect(them.all('ack').length).toBe(events + 1)
      expect(us.errors).toEqual([])
    })

    test('spec/envelope.md §3.2: frames of v1 are handed over as they are', async () => {
      const text = JSON.stringify({
        id: 'x',
        from: MALLORY.key,
        to: us.id,
        via: [],
        type: 'chat',
        payload: { text: 'hi' },
      })
      const frames = us.node.v1Frames()
      await them.sendFrame(us.id, utf8(text))
      const { value } = await frames.next()
      expect([hexOf(value!.frame), value!.from.toString()]).toEqual([hexOf(utf8(text)), them.id])
      await frames.return?.()
    })
  })

  describe('acknowledgements that are forged', () => {
    /** A message of ours to somebody who is not there. */
    const awaiting = async () => {
      const { us, them } = await lab.pair()
      const { rust } = envelopesNow()
      const receipt = await us.node.send(STRANGER.key, utf8('are you there?'))
      const ack = (seed: Uint8Array, kind: 'RecipientReceived' | 'RelayForwarded', isUnsigned = false) =>
        rust.build({
          ...{ seed, to: us.id, type: 'Ack', timestamp: Date.now(), isUnsigned },
          payload: encodeAck({ originalId: receipt.id, kind }),
        })
      /** It still counts; and a node without hopes closes at once. */
      const finish = async (): Promise<void> => {
        await them.sendFrame(us.id, (await ack(STRANGER.seed, 'RecipientReceived')).wire)
        await receipt.delivered({ timeoutMs: 10_000 })
      }
      return { us, them, receipt, ack, finish }
    }
    const settle = (us: OurTom, code: Refusal): Promise<void> =>
      until(code, () => (us.node.metrics().refused[code] ?? 0) > 0)

    test('ACK-1: by anybody but the recipient', async () => {
      const { us, them, receipt, ack, finish } = await awaiting()
      await them.sendFrame(us.id, (await ack(MALLORY.seed, 'RecipientReceived')).wire)
      await settle(us, 'NOT_ENTITLED')
      expect([receipt.isDelivered, us.node.metrics().delivered]).toEqual([false, 0])
      await finish()
    })

    test('ACK-1: in the name of the recipient', async () => {
      const { us, them, receipt, ack, finish } = await awaiting()
      await them.sendFrame(us.id, (await ack(STRANGER.seed, 'RecipientReceived', true)).wire)
      await settle(us, 'UNSIGNED')
      const { wire } = await ack(MALLORY.seed, 'RecipientReceived')
      await them.sendFrame(
        us.id,
        changed(wire, () => ({ from: STRANGER.key })),
      )
      await settle(us, 'BAD_SIGNATURE')
      expect(receipt.isDelivered).toBe(false)
      await finish()
    })

    test('ACK-2: by a hop that was not asked', async () => {
      const { us, them, receipt, ack, finish } = await awaiting()
      await them.sendFrame(us.id, (await ack(MALLORY.seed, 'RelayForwarded')).wire)
      await settle(us, 'NOT_ENTITLED')
      // hops that were asked may have said so
      expect(receipt.isDelivered).toBe(false)
      await finish()
    })

    test('lock 1: that of the recipient counts, whoever brings it, and is taken once', async () => {
      const { us, them, receipt, ack } = await awaiting()
      const { wire } = await ack(STRANGER.seed, 'RecipientReceived')
      await them.sendFrame(us.id, wire)
      await receipt.delivered({ timeoutMs: 10_000 })
      await them.sendFrame(us.id, wire)
      await talk(us, them)
      expect(us.node.metrics().delivered).toBe(2)
    })
  })

  describe('recipients that are away', () => {
    test('BAK-1, BAK-7: their mail waits at ours, goes to no native node, and is theirs when they return', async () => {
      const { us, them } = await lab.pair()
      const another = await lab.native({ name: 'another', bootstrap: [them.ticket] })
      await announcedBy(another, us.id, 'ours')
      const receipt = await us.node.send(STRANGER.key, utf8('for later'))
      const other = await us.node.send(STRANGER.key, utf8('and this'))
      // the time after which nodes of ours would be asked to keep it
      await until('asked nobody', () => Date.now() - receipt.history[0]!.at > 2_500)
      // by way of hops, perhaps, which say so
      expect([receipt.isDelivered, other.isDelivered, receipt.holders]).toEqual([false, false, 0])
      const returned = await lab.native({ secret: hexOf(STRANGER.seed), name: 'back', bootstrap: [us.ticket] })
      expect(returned.id).toBe(STRANGER.key)
      await Promise.all([receipt, other].map((each) => each.delivered({ timeoutMs: 20_000 })))
      const messages = returned.all('message')
      expect(messages.map(({ id }) => id).toSorted()).toEqual([receipt.id, other.id].toSorted())
      for (const { from, signature, encrypted } of messages)
        expect([from, signature, encrypted]).toEqual([us.id, 'valid', true])
      expect([...them.all('other'), ...another.all('other'), ...returned.all('other')]).toEqual([])
      expect(us.node.metrics().stored).toBe(0)
    })

    test('TRN-10: a native node that vanishes and comes back with its key and another port', async ({ task }) => {
      const secret = hexOf(person(68).seed)
      const { us, them } = await lab.pair()
      const first = await lab.native({ secret, name: 'first', bootstrap: [them.ticket] })
      await until('known', () => us.node.peer(EndpointId.parse(first.id)) !== undefined)
      await talk(us, first)
      await first.stop()
      const receipt = await us.node.send(first.id, utf8('where are you?'))
      const second = await lab.native({ secret, name: 'second', bootstrap: [us.ticket] })
      const begin = performance.now()
      await receipt.delivered({ timeoutMs: 20_000 })
      task.meta.note = `delivered ${((performance.now() - begin) / 1000).toFixed(1)} s after it was back`
      expect(second.all('message').map(({ id }) => id)).toEqual([receipt.id])
      await talk(us, second)
      onTestFinished(() => expect(us.errors).toEqual([]))
    })
  })
}
