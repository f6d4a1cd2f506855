/** `tom bridge` in this process, between real nodes on the loopback and a signalling server with real sockets. */
import { afterEach, expect, test } from 'vitest'
import { type BridgeCommandOptions, bridge } from '../../../src/cli/bridge.ts'
import { JsonBridgeReporter, TextBridgeReporter } from '../../../src/cli/bridge-events.ts'
import { type BridgeEvent, readBridged, readBridgedNotice, writeBridged } from '../../../src/envelope/bridge/index.ts'
import type { IncomingMessage } from '../../../src/envelope/index.ts'
import { TomNode } from '../../../src/envelope/node.ts'
import { TopicId } from '../../../src/gossip/index.ts'
import { EndpointId, SecretKey } from '../../../src/identity/index.ts'
import { until } from '../../platform/support/loopback.ts'
import { SignallingServer } from './support/signalling-server.ts'
import { V1Client } from './support/v1-client.ts'

const bobKey = SecretKey.fromBytes(new Uint8Array(32).fill(51))
const bridgeKey = SecretKey.fromBytes(new Uint8Array(32).fill(50))
const opened: { close(): unknown }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

const closing = <T extends { close(): unknown }>(one: T): T => {
  opened.push(one)
  return one
}

function optionsFor(url: string, rest: Partial<BridgeCommandOptions> = {}): BridgeCommandOptions {
  return {
    relays: [],
    bind: ['127.0.0.1:0'],
    secretKey: bridgeKey,
    url,
    peers: [{ id: bobKey.id, name: 'Bob' }],
    isOpen: false,
    isSealed: true,
    join: [],
    name: 'bridge',
    topic: TopicId.parse('bridges'),
    topicText: 'bridges',
    storage: undefined,
    ...rest,
  }
}

/** The command, until `close`; its lines in `lines`, warnings in `notes`. */
function started(options: BridgeCommandOptions, isJson = true) {
  const [lines, notes]: [string[], string[]] = [[], []]
  const output = { stdout: (line: string) => lines.push(line), stderr: (line: string) => notes.push(line) }
  const reporter = isJson ? new JsonBridgeReporter(output, () => 7) : new TextBridgeReporter(output)
  const interruption = new AbortController()
  const done = bridge(options, { output, reporter, interrupted: interruption.signal })
  const close = async (): Promise<void> => {
    interruption.abort()
    await done
  }
  return closing({ lines, notes, close, done })
}

test('V1-4: a text and its acknowledgement cross both ways, between a v1 client and a real node', async () => {
  const server = await SignallingServer.start()
  opened.push({ close: () => server.stop() })
  const bob = closing(await TomNode.start({ secretKey: bobKey, relays: [], bind: ['127.0.0.1:0'], name: 'Bob' }))
  const mail = bob.messages({ signal: AbortSignal.timeout(10_000) })
  const next = async (): Promise<IncomingMessage> => (await mail.next()).value as IncomingMessage
  const command = started(optionsFor(server.url, { join: [bob.endpoint.addr()] }))
  const alice = closing(new V1Client(server.url, 1))
  await alice.sees(bobKey.id)

  const id = alice.write(bobKey.id, 'from the earlier stack')
  const message = await next()
  expect(message.from.equals(bridgeKey.id)).toBe(true)
  expect(readBridged(message.bytes, { secretKey: bobKey })).toMatchObject({
    id,
    author: alice.id,
    text: 'from the earlier stack',
    signatureState: 'absent',
    isEncrypted: true,
  })
  await until(() => alice.acks.includes(`received ${id}`), 'the v1 ack')
  message.markRead()
  await until(() => alice.acks.includes(`read ${id}`), 'the v1 read receipt')

  const { platform } = bob.endpoint
  const back = writeBridged({ to: EndpointId.parse(alice.id), text: 'and back', secretKey: bobKey, platform })
  const receipt = await bob.send(bridgeKey.id, back.bytes)
  await receipt.delivered({ timeoutMs: 10_000 })
  const notice = await next()
  expect(readBridgedNotice(notice.bytes, { secretKey: bobKey })).toEqual({
    kind: 'received',
    originalId: back.id,
    by: alice.id,
    signatureState: 'absent',
  })
  expect(alice.texts).toEqual([{ from: bobKey.id.toString(), text: 'and back', isEncrypted: false }])

  await command.close()
  const events = command.lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  expect(events[0]).toEqual({ event: 'started', time: 7, name: 'bridge', id: bridgeKey.id.toString(), url: server.url })
  expect(events.at(-1)).toMatchObject({ event: 'ended', textsToV1: 1, textsToV2: 1, acksToV1: 1, acksToV2: 1 })
  for (const event of ['up', 'presented', 'ticket', 'joined'])
    expect(events.filter((line) => line.event === event)).toHaveLength(1)
  expect(events).toContainEqual({
    event: 'text',
    time: 7,
    direction: 'to-v2',
    id,
    from: alice.id,
    to: bobKey.id.toString(),
    signatureState: 'absent',
  })
  expect(command.notes).toEqual([])
})

test('without a server the command goes on trying, and says so once; options that make no sense end it', async () => {
  const command = started(optionsFor('ws://127.0.0.1:1'), false)
  await until(() => command.lines.some((line) => line.startsWith('no signalling server: ')), 'news of the server')
  await command.close()
  expect(command.lines.filter((line) => line.startsWith('no signalling server: '))).toHaveLength(1)
  expect(command.lines.at(-1)).toBe('0 texts to this stack (0 acknowledged), 0 to the earlier one (0); 0 not delivered')
  const wrong = started(optionsFor('http://127.0.0.1:1'))
  await expect(wrong.done).rejects.toMatchObject({ name: 'TomError', code: 'INVALID_OPTION' })
  opened.pop()
})

test('for people: who, whereto, and what proves it; names are safe for a terminal', () => {
  const lines: string[] = []
  const reporter = new TextBridgeReporter({ stdout: (line) => lines.push(line), stderr: (line) => lines.push(line) })
  const participant = { id: 'ab', name: '\u001b[31mred', encryptionKey: undefined }
  const text = { kind: 'text', direction: 'to-v1', id: 'x', from: '0123456789abcdef', to: 'fedcba9876543210' } as const
  const events: BridgeEvent[] = [
    { kind: 'up' },
    { kind: 'down', reason: 'gone\u0007' },
    { kind: 'joined', participant },
    { kind: 'left', participant },
    { kind: 'presented', peer: 'ab' },
    { kind: 'withdrawn', peer: 'ab' },
    { ...text, signatureState: 'valid' },
    { ...text, direction: 'to-v2', signatureState: 'absent' },
    { ...text, signatureState: 'unverifiable' },
    { kind: 'delivered', direction: 'to-v1', id: 'x' },
    { kind: 'read', direction: 'to-v2', id: 'x' },
    { kind: 'undelivered', direction: 'to-v1', id: 'x', reason: 'absent' },
  ]
  for (const event of events) reporter.bridged(event)
  reporter.note('a note')
  expect(lines).toEqual([
    'the signalling server is there',
    'no signalling server: gone\ufffd; trying again',
    'ab (\ufffd[31mred) joined',
    'ab (\ufffd[31mred) left',
    'ab is presented',
    'ab is not presented any more',
    '0123456789 → fedcba9876 to-v1: text x, signed',
    '0123456789 → fedcba9876 to-v2: text x, unsigned',
    '0123456789 → fedcba9876 to-v1: text x, signature unverifiable',
    'text x delivered',
    'text x read',
    'text x not delivered: absent',
    'a note',
  ])
})
