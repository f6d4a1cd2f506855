import { expect, test } from 'vitest'
import { SignallingLink } from '../../../src/envelope/bridge/signalling-link.ts'
import type { SignallingMessage } from '../../../src/envelope/bridge/signalling-message.ts'
import { BRIDGE_DEFAULTS, type BridgeSettings } from '../../../src/envelope/bridge/types.ts'
import { type FakeLink, WebPlatform } from '../../relay/client/support.ts'
import { ALICE, BOB } from '../v1/support.ts'

const LIST = '{"type":"participants","participants":[]}'
const REGISTER = `{"type":"register","nodeId":"${ALICE}","username":"Alice","publicKey":"${ALICE}"}`
const HEARTBEAT = '{"type":"heartbeat"}'
const PROBE = `{"type":"signal","from":"${ALICE}","to":"${ALICE}","payload":{"type":"tom-bridge-probe"}}`

/** A link in virtual time, dialled once. */
class Scene {
  readonly platform = new WebPlatform()
  readonly news: string[] = []
  readonly messages: SignallingMessage[] = []
  readonly link: SignallingLink

  constructor(settings: Partial<BridgeSettings> = {}, readsParticipants = true) {
    this.link = new SignallingLink({
      platform: this.platform,
      url: 'ws://signalling.test',
      self: { id: ALICE, name: 'Alice', encryptionKey: undefined },
      readsParticipants,
      settings: { ...BRIDGE_DEFAULTS, ...settings },
      handler: {
        onUp: () => this.news.push('up'),
        onDown: (reason, wasUp) => this.news.push(`${wasUp ? 'lost' : 'not there'}: ${reason}`),
        onMessage: (message) => this.messages.push(message),
        onRefused: () => this.news.push('refused'),
      },
    })
  }

  get dials() {
    return this.platform.web!.dials
  }

  /** Accepts the newest dial; with an answer to the registration, unless told otherwise. */
  async accept(answers = true): Promise<FakeLink> {
    await this.platform.run(0)
    const dial = this.dials.at(-1)!
    dial.accept()
    await this.platform.run(0)
    if (answers) dial.link.onText(LIST)
    return dial.link
  }
}

test('spec/envelope.md §2.5: registers, is up when the server answers with a list, beats every 5 s and asks for a sign every 15', async () => {
  const scene = new Scene()
  const socket = await scene.accept(false)
  expect([socket.texts, scene.link.isUp, scene.link.send('x')]).toEqual([[REGISTER], false, false])
  socket.onText(HEARTBEAT)
  expect(scene.news).toEqual([])
  socket.onText(LIST)
  expect([scene.news, scene.link.isUp, scene.messages]).toEqual([
    ['up'],
    true,
    [{ kind: 'participants', participants: [] }],
  ])
  await scene.platform.run(15_000)
  expect(socket.texts.slice(1)).toEqual([HEARTBEAT, HEARTBEAT, HEARTBEAT, PROBE])
  socket.onText(PROBE)
  await scene.platform.run(15_000)
  expect(socket.texts.filter((text) => text === PROBE)).toHaveLength(2)
  expect(scene.dials).toHaveLength(1)
})

test('a server that answers nothing any more, or for somebody else, is left after 10 s and dialled again', async () => {
  const scene = new Scene()
  const socket = await scene.accept()
  await scene.platform.run(15_000)
  socket.onText(PROBE.replaceAll(ALICE, BOB))
  socket.onText(LIST)
  await scene.platform.run(10_000)
  expect([scene.news, socket.isTerminated]).toEqual([['up', 'lost: the signalling server does not answer'], true])
  await scene.platform.run(20)
  expect(scene.dials).toHaveLength(2)
  await scene.accept()
  expect(scene.news.at(-1)).toBe('up')
})

test('a server that accepts and never answers the registration, or the dial, is given up after 10 s; told once', async () => {
  const scene = new Scene()
  const socket = await scene.accept(false)
  await scene.platform.run(10_000)
  expect([socket.isTerminated, scene.news]).toEqual([true, ['not there: the signalling server does not answer']])
  await scene.platform.run(50)
  expect(scene.dials).toHaveLength(2)
  await scene.platform.run(10_000)
  expect(scene.dials[1]!.options.signal!.aborted).toBe(true)
  expect(scene.news).toHaveLength(1)
})

test('refused dials follow each other slower and slower, 32 s apart at most; a connection that lasted starts anew', async () => {
  const scene = new Scene()
  scene.platform.web!.onDial = (dial) => dial.reject(new Error('refused'))
  await scene.platform.run(600_000)
  const waits = scene.dials.slice(1).map((dial, index) => dial.at - scene.dials[index]!.at)
  expect(waits[0]).toBeLessThan(20)
  for (const wait of waits) expect(wait).toBeLessThanOrEqual(32_000)
  expect(waits.at(-1)).toBeGreaterThanOrEqual(16_000)
  expect(scene.news).toEqual(['not there: refused'])
  scene.platform.web!.onDial = () => {}
  await scene.platform.run(32_000)
  const short = await scene.accept()
  short.end(1001, 'going away')
  expect(scene.news.at(-1)).toBe('lost: going away')
  const [at, dialled] = [scene.platform.time, scene.dials.length]
  await scene.platform.run(32_000)
  expect(scene.dials[dialled]!.at - at).toBeGreaterThanOrEqual(16_000)
  const long = await scene.accept()
  await scene.platform.run(5_000)
  long.end(1006)
  expect(scene.news.at(-1)).toBe('lost: the server closed the connection (1006)')
  const count = scene.dials.length
  await scene.platform.run(20)
  expect(scene.dials).toHaveLength(count + 1)
})

test('a server that sends too fast is not read for a while, and loses nothing', async () => {
  const scene = new Scene({ readBytesPerSecond: 1_000 })
  const socket = await scene.accept()
  for (let count = 0; count < 100; count++) if (!socket.isPaused) socket.onText(HEARTBEAT.padEnd(100))
  expect([socket.isPaused, scene.messages.length]).toEqual([true, 41])
  await scene.platform.run(100)
  expect(socket.isPaused).toBe(false)
  for (let count = 0; count < 100; count++) if (!socket.isPaused) socket.onText(HEARTBEAT.padEnd(100))
  expect([socket.isPaused, scene.messages.length]).toEqual([true, 42])
})

test('a server that does not read what it is sent is left', async () => {
  const scene = new Scene({ maxQueuedBytes: 1_000 })
  const socket = await scene.accept()
  socket.queuedBytes = 1_000
  expect(scene.link.send('still')).toBe(true)
  socket.queuedBytes = 1_001
  expect([scene.link.send('no more'), socket.isTerminated]).toEqual([false, true])
  expect(socket.texts.at(-1)).toBe('still')
})

test('what cannot be read is counted, what comes before the answer is not believed, lists are only read where they are wanted', async () => {
  const scene = new Scene({}, false)
  const socket = await scene.accept(false)
  socket.onText(`{"type":"presence","action":"join","nodeId":"${BOB}"}`)
  socket.onText('{"type":"participants","participants":"unread"}')
  for (const text of ['', 'no JSON', '7', 'null', '[]', '['.repeat(100), '{"type":"presence"}']) socket.onText(text)
  expect([scene.messages, scene.news]).toEqual([[], ['up', ...Array<string>(7).fill('refused')]])
})

test('closing says goodbye, during the dial too, and nothing follows', async () => {
  const scene = new Scene()
  const socket = await scene.accept()
  await Promise.all([scene.link.close(), scene.link.close()])
  expect([socket.closedWith, scene.link.send('x')]).toEqual([1000, false])
  const dialling = new Scene()
  // a socket that opens all the same
  dialling.platform.web!.onDial = (dial) => {
    dial.reject = () => {}
  }
  await dialling.platform.run(0)
  await dialling.link.close()
  expect(dialling.dials[0]!.options.signal!.aborted).toBe(true)
  const late = await dialling.accept(false)
  expect([late.texts, late.isTerminated]).toEqual([[], true])
  await dialling.platform.run(100_000)
  expect([scene.news, dialling.news, dialling.dials.length]).toEqual([['up'], [], 1])
})
