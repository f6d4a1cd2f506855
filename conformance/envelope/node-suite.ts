/** A `TomNode` among ToM nodes of native iroh: found by gossip from one ticket, messages and acknowledgements, both ways, through hops and relays (spec/envelope.md §3 to §5). */
import { describe, expect, onTestFinished, test } from 'vitest'
import { EndpointId } from '../../src/index.ts'
import { RelayServer } from '../../src/relay/server/index.ts'
import { RealRelay } from '../relay-server.ts'
import { until } from '../until.ts'
import { hexOf } from './envelope-program.ts'
import { announcedBy, knows, type NodeLab, talk, utf8 } from './node-lab.ts'
import { OurTom } from './our-tom.ts'
import { Random } from './setup.ts'
import type { NativeTom } from './tom-program.ts'

/** What fits into an envelope when it is encrypted (spec/envelope.md §1.9): 2.5 bytes for one. */
const LARGEST = 104_000
/** It takes as many as ours does; what is faster it refuses, without a word. */
const BURST = 60
/** Ours takes 20 at once from somebody it knows nothing of, and then 10 a second (spec/envelope.md §5.2). */
const THEIR_BURST = 40

export function nodeSuite(lab: NodeLab): void {
  test.each(['it', 'we'])(
    'spec/envelope.md §5.4: one ticket, which %s have: each hears of the other, and of a third',
    async (who) => {
      const first = who === 'it' ? await lab.ours({ name: 'ours' }) : await lab.native({ name: 'native' })
      const bootstrap = [first.ticket]
      const second =
        who === 'it' ? await lab.native({ name: 'native', bootstrap }) : await lab.ours({ name: 'ours', bootstrap })
      const [us, them] = first instanceof OurTom ? [first, second as NativeTom] : [second as OurTom, first]
      const third = await lab.native({ name: 'third', bootstrap })
      await Promise.all([announcedBy(them, us.id, 'ours'), announcedBy(third, us.id, 'ours')])
      await until('the native one known', () => knows(us, them.id, 'native'))
      await until('the third known', () => knows(us, third.id, 'third'))
      await talk(us, them)
      // announcements of native nodes say no addresses: where the third is no neighbour, a message goes by way of the other
      const receipt = await us.node.send(third.id, utf8('to the third'))
      await receipt.delivered({ timeoutMs: 10_000 })
      expect(third.all('message')).toHaveLength(1)
      expect(us.errors).toEqual([])
    },
  )

  test('spec/envelope.md §3.1: gossip under the name of the fork', async () => {
    const them = await lab.native({ alpn: '/tom-gossip/1', name: 'fork' })
    const us = await lab.ours({ name: 'ours', bootstrap: [them.ticket] })
    await announcedBy(them, us.id, 'ours')
    const another = await lab.native({ alpn: '/tom-gossip/1', name: 'another', bootstrap: [us.ticket] })
    await until('both known', () => knows(us, them.id, 'fork') && knows(us, another.id, 'another'))
    await talk(us, another)
  })

  test('spec/envelope.md §4.3: messages and acknowledgements, many times', async () => {
    const { us, them } = await lab.pair()
    for (let round = 0; round < 20; round++) await talk(us, them, `${round}`)
    expect(us.messages).toHaveLength(20)
    expect(them.all('message')).toHaveLength(20)
    expect(them.all('duplicate')).toEqual([])
    expect(us.node.metrics()).toMatchObject({ refused: {}, failed: 0, delivered: 20, received: 20 })
    // one connection each way, and one for gossip
    expect((await them.status()).connections).toBe(1)
  })

  test('ACK-3: receipts that somebody has read it, both ways', async () => {
    const { us, them } = await lab.pair()
    const receipt = await us.node.send(them.id, utf8('read me'))
    await receipt.delivered({ timeoutMs: 10_000 })
    await them.markRead(us.id, receipt.id)
    await until('read', () => receipt.state === 'read')
    const { id } = await them.send({ to: us.id, payload: utf8('read me too') })
    await until('its message', () => us.messages.length === 1)
    us.messages[0]!.markRead()
    const read = await them.waitFor('read', ({ original }) => original === id)
    expect(read).toMatchObject({ from: us.id, signature: 'valid' })
    expect(Math.abs(read.readAt - Date.now())).toBeLessThan(60_000)
  })

  test('spec/envelope.md §3.6: pings and bursts of the responder', async () => {
    const { us, them } = await lab.pair({}, { isResponder: true })
    for (const text of ['PING:1', 'BURST:7', 'anything']) await us.node.send(them.id, utf8(text))
    await until('three answers', () => us.messages.length === 3)
    expect(us.texts.toSorted()).toEqual(['BURST-ACK:7', 'ECHO:anything', 'PONG:1'])
  })

  test('spec/envelope.md §1.9: the largest messages, and none, both ways', async () => {
    const { us, them } = await lab.pair()
    for (const length of [0, 1, 70_000, LARGEST]) {
      const bytes = new Random(length + 1).bytes(length)
      const receipt = await us.node.send(them.id, bytes)
      const heard = await them.waitFor('message', ({ id }) => id === receipt.id)
      expect(heard.hex === hexOf(bytes)).toBe(true)
      await receipt.delivered({ timeoutMs: 10_000 })
      const { id } = await them.send({ to: us.id, payload: bytes })
      await until('its message', () => us.messages.some((message) => message.id === id))
      expect(hexOf(us.messages.find((message) => message.id === id)!.bytes) === hexOf(bytes)).toBe(true)
    }
    await expect(us.node.send(them.id, new Uint8Array(LARGEST * 1.1))).rejects.toThrow(
      expect.objectContaining({ code: 'MESSAGE_TOO_LARGE' }),
    )
  })

  test(`spec/envelope.md §3.2: ${BURST} messages at once, ${THEIR_BURST} back, each once`, async ({ task }) => {
    const { us, them } = await lab.pair({}, { isRateLimited: true })
    await until('it known by its announcement', () => knows(us, them.id, 'native'))
    const begin = performance.now()
    const receipts = await Promise.all(
      Array.from({ length: BURST }, (_, index) => us.node.send(them.id, utf8(`ours ${index}`))),
    )
    await Promise.all(receipts.map((receipt) => receipt.delivered({ timeoutMs: 30_000 })))
    const ourMs = performance.now() - begin
    const sent = await Promise.all(
      Array.from({ length: THEIR_BURST }, (_, index) => them.send({ to: us.id, payload: utf8(`native ${index}`) })),
    )
    await until('all of them', () => us.messages.length >= THEIR_BURST, 30_000)
    await Promise.all(sent.map(({ id }) => them.waitFor('ack', ({ original }) => original === id, 30_000)))
    const theirMs = performance.now() - begin - ourMs
    task.meta.note = `ours delivered in ${ourMs.toFixed(0)} ms, its in ${theirMs.toFixed(0)} ms`
    const texts = (kind: string, count: number): string[] =>
      Array.from({ length: count }, (_, index) => `${kind} ${index}`)
    expect(us.texts.toSorted()).toEqual(texts('native', THEIR_BURST).toSorted())
    const heard = them.all('message').map(({ hex }) => Buffer.from(hex, 'hex').toString())
    expect(heard.toSorted()).toEqual(texts('ours', BURST).toSorted())
    expect(them.all('refused')).toEqual([])
  })

  describe('spec/envelope.md §4.1: through hops', () => {
    test('ours, a native hop, ours', async () => {
      const { us, them: hop } = await lab.pair()
      const other = await lab.ours({ name: 'other', bootstrap: [hop.ticket] })
      await announcedBy(hop, other.id, 'other')
      const receipt = await us.node.send(other.id, utf8('by way of it'), { via: [EndpointId.parse(hop.id)] })
      await receipt.delivered({ timeoutMs: 10_000 })
      expect(await hop.waitFor('forwarded', ({ id }) => id === receipt.id)).toMatchObject({
        ...{ from: us.id, to: other.id, next: other.id, listed: true, link: us.id },
      })
      const [message] = other.messages
      expect(message).toMatchObject({ isEncrypted: true, isAuthorBound: true })
      expect([message!.from, message!.broughtBy, ...message!.via].map(String)).toEqual([us.id, hop.id, hop.id])
      expect(other.texts).toEqual(['by way of it'])
      // the acknowledgement takes the same way back
      await hop.waitFor('forwarded', ({ type, from, next }) => type === 'Ack' && from === other.id && next === us.id)
      expect(receipt.history.map(({ state }) => state)).toContain('sent')
      // upstream acknowledges acknowledgements that it passes on; they change nothing
      expect(us.node.metrics().failed).toBe(0)
    })

    test('native, a hop of ours, native', async () => {
      const { us: hop, them } = await lab.pair()
      const other = await lab.native({ name: 'other', bootstrap: [hop.ticket] })
      await announcedBy(other, hop.id, 'ours')
      const { id } = await them.send({ to: other.id, via: [hop.id], payload: utf8('by way of us') })
      const message = await other.waitFor('message', (event) => event.id === id)
      expect(message).toMatchObject({ from: them.id, link: hop.id, via: [hop.id], ttl: 3, signature: 'valid' })
      const acks = [
        await them.waitFor('ack', ({ kind }) => kind === 'RelayForwarded'),
        await them.waitFor('ack', ({ kind }) => kind === 'RecipientReceived'),
      ]
      expect(acks.map(({ original, from, signature }) => [original, from, signature])).toEqual([
        [id, hop.id, 'valid'],
        [id, other.id, 'valid'],
      ])
      expect(acks.map(({ link }) => link)).toEqual([hop.id, hop.id])
      expect(hop.messages).toEqual([])
      expect(hop.node.metrics().forwarded).toBe(2)
    })

    test('ours, a native hop, a hop of ours, native', async () => {
      const { us, them: first } = await lab.pair()
      const second = await lab.ours({ name: 'second', bootstrap: [first.ticket] })
      const other = await lab.native({ name: 'other', bootstrap: [second.ticket] })
      await Promise.all([announcedBy(first, second.id, 'second'), announcedBy(other, second.id, 'second')])
      // a sign of life: for somebody who seems to be away, others would be asked to keep the message, and bring it first
      await other.send({ to: us.id, via: [second.id, first.id], payload: utf8('I am here') })
      await until('heard of it', () => us.messages.length === 1)
      const via = [EndpointId.parse(first.id), second.node.id]
      const receipt = await us.node.send(other.id, utf8('far'), { via })
      const message = await other.waitFor('message', ({ id }) => id === receipt.id)
      expect(message).toMatchObject({ from: us.id, link: second.id, ttl: 2, via: [first.id, second.id] })
      await receipt.delivered({ timeoutMs: 10_000 })
      expect(receipt.history.map(({ state }) => state)).toEqual(['pending', 'sent', 'relayed', 'delivered'])
    })

    test('native, a native hop, a hop of ours, ours: the acknowledgement takes the same way back', async () => {
      const { us, them: first } = await lab.pair()
      const hop = await lab.ours({ name: 'hop', bootstrap: [first.ticket] })
      const them = await lab.native({ name: 'far', bootstrap: [first.ticket] })
      await Promise.all([announcedBy(first, hop.id, 'hop'), announcedBy(first, us.id, 'ours')])
      await announcedBy(first, them.id, 'far')
      await until('where we are', () => knows(hop, us.id, 'ours'))
      const { id } = await them.send({ to: us.id, via: [first.id, hop.id], payload: utf8('far') })
      const ack = await them.waitFor('ack', ({ original, kind }) => original === id && kind === 'RecipientReceived')
      expect(ack).toMatchObject({ from: us.id, link: first.id, via: [hop.id, first.id], ttl: 2, signature: 'valid' })
      expect(us.messages.map(({ broughtBy }) => broughtBy.toString())).toEqual([hop.id])
    })

    test('RTR-4: what names no hop is not passed on', async () => {
      const { us, them } = await lab.pair()
      const other = await lab.native({ name: 'other', bootstrap: [us.ticket] })
      await announcedBy(other, us.id, 'ours')
      const stray = await other.send({ to: them.id, payload: utf8('stray') })
      await them.waitFor('message', ({ id }) => id === stray.id)
      await other.sendFrame(us.id, stray.wire)
      await until('refused', () => us.node.metrics().refused.STRANGER === 1)
      expect(us.node.metrics().forwarded).toBe(0)
      expect(them.all('duplicate')).toEqual([])
      await talk(us, them)
    })
  })

  describe('through a relay alone', () => {
    const overRelay = async (url: string): Promise<void> => {
      const them = await lab.native({ name: 'native', relay: url, ip: false })
      const options = { bind: [], relays: [{ url, quicPort: null }] }
      const us = await lab.ours({ ...options, name: 'ours', bootstrap: [them.ticket] })
      await us.node.online()
      const third = await lab.native({ name: 'third', relay: url, ip: false, bootstrap: [us.ticket] })
      await Promise.all([announcedBy(them, us.id, 'ours'), announcedBy(third, us.id, 'ours')])
      await talk(us, them)
      await talk(us, third)
      const hop = await us.node.send(third.id, utf8('by way of it'), { via: [EndpointId.parse(them.id)] })
      await hop.delivered({ timeoutMs: 10_000 })
      expect(us.node.peer(EndpointId.parse(them.id))?.path?.kind).toBe('relay')
    }
    test('iroh-relay', async () => {
      const relay = await RealRelay.start({ binary: lab.programs.relay })
      onTestFinished(() => relay.stop())
      await overRelay(relay.url)
    })
    test('our relay', async () => {
      const relay = await RelayServer.start({ httpBind: '127.0.0.1:0' })
      onTestFinished(() => relay.close())
      await overRelay(relay.url.href)
    })
  })
}
