/** `tom chat` as processes over loopback: two who talk, what a pipe does, how it ends. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type ChatCommandOptions, chat, inputCommands, talkCommand } from '../../src/cli/chat.ts'
import { writeKeyFile } from '../../src/cli/key-file.ts'
import type { TalkEvent } from '../../src/cli/tom-node-events.ts'
import { TomNode } from '../../src/envelope/node.ts'
import { TopicId } from '../../src/gossip/index.ts'
import { EndpointAddr, EndpointTicket, SecretKey } from '../../src/identity/index.ts'
import { events } from './events.ts'
import { Talker } from './support/talker.ts'
import { folder, runEach, useTom } from './tom.ts'

useTom()

const LOOPBACK = ['--bind', '127.0.0.1:0']

async function waiting(...args: string[]): Promise<{ tom: Talker; ticket: string; id: string }> {
  const tom = new Talker('chat', ...LOOPBACK, ...args)
  const [ticket] = await tom.match(/endpoint[a-z2-7]{20,}/)
  return { tom, ticket, id: EndpointTicket.parse(ticket).addr.id.toString() }
}

test('two who know one ticket talk: JSON, both ways, read; the end of the input ends it with code 0', async () => {
  const alice = await waiting('--json', '--name', 'Alice')
  const bob = new Talker('chat', alice.ticket, ...LOOPBACK, '--json', '-n', 'Bob')
  bob.type('{"text":"/hello\\nAlice"}\n')
  const [, inbound] = await alice.tom.match(/"event":"message".*?"id":"([^"]+)"/)
  // whoever came first is whom the talk is with
  alice.tom.type(`hi Bob\n{"read":"${inbound}"}\n`)
  await bob.match(/"event":"message"/)
  await bob.match(/"state":"read"/)
  await alice.tom.match(/"state":"delivered"/)
  // the name comes by gossip
  await alice.tom.match(/"event":"peer".*"name":"Bob"/)
  bob.endInput()
  const his = await bob.ended
  expect({ code: his.code, stderr: his.stderr }).toEqual({ code: 0, stderr: '' })
  alice.tom.endInput()
  const hers = await alice.tom.ended
  expect({ code: hers.code, stderr: hers.stderr }).toEqual({ code: 0, stderr: '' })

  const bobs = events(his.stdout)
  expect(bobs[0]).toEqual({
    event: 'started',
    time: expect.any(Number),
    name: 'Bob',
    id: expect.stringMatching(/^[0-9a-f]{64}$/),
    topic: Buffer.from('tom-protocol-gossip-discovery-v1').toString('hex'),
    storage: false,
  })
  const bobsId = bobs[0]!.id
  expect(bobs.find(({ event }) => event === 'to')).toMatchObject({ id: alice.id })
  expect(bobs.find(({ event }) => event === 'said')).toMatchObject({ id: inbound, to: alice.id, text: '/hello\nAlice' })
  const states = bobs.filter(({ event }) => event === 'state').map(({ state }) => state)
  expect(states[0]).toBe('pending')
  expect(states.at(-1)).toBe('read')
  expect(bobs.find(({ event }) => event === 'path')).toMatchObject({
    id: alice.id,
    path: { kind: 'direct', remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
  })
  expect(bobs.at(-1)).toEqual({
    event: 'ended',
    time: expect.any(Number),
    said: 1,
    delivered: 1,
    kept: 0,
    undelivered: 0,
    received: 1,
  })
  const alices = events(hers.stdout)
  expect(alices[1]).toMatchObject({ event: 'ticket', command: `npx tom chat ${alice.ticket}` })
  expect(alices.find(({ event }) => event === 'message')).toEqual({
    event: 'message',
    time: expect.any(Number),
    id: inbound,
    from: bobsId,
    name: expect.stringMatching(/^(Bob)?$/),
    text: '/hello\nAlice',
    bytes: 12,
    sent_at: expect.any(Number),
    encrypted: true,
    author_bound: true,
    via: [],
    brought_by: bobsId,
    path: 'direct',
  })
  expect(alices.find(({ event, name }) => event === 'peer' && name === 'Bob')).toMatchObject({
    id: bobsId,
    liveness: 'online',
    verified: true,
  })
})

test('readable on a pipe: who, the ticket, the other, the message, its delivery', async () => {
  const alice = await waiting('--name', 'Alice')
  await alice.tom.match(/^Alice: [0-9a-f]{64}\nticket: endpoint.*\nothers talk to you with: npx tom chat endpoint/)
  const bob = new Talker('chat', alice.ticket, ...LOOPBACK, '-n', 'Bob')
  bob.type('hello\n')
  bob.endInput()
  const { code, stdout, stderr } = await bob.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(new RegExp(`talking to (Alice \\()?${alice.id.slice(0, 10)}`))
  expect(stdout).toMatch(/message [0-9a-f]{8} to .*: delivered \(.* ms\)/)
  expect(stdout).toMatch(/\n1 said, 1 delivered; 0 received\n$/)
  await alice.tom.match(/^\d\d:\d\d:\d\d .*: hello$/m)
  alice.tom.interrupt()
  const ended = await alice.tom.ended
  expect(ended.code).toBe(0)
  expect(ended.stdout).toMatch(/\n0 said, 0 delivered; 1 received\n$/)
})

const OPTIONS: ChatCommandOptions = {
  relays: [],
  bind: ['127.0.0.1:0'],
  name: '',
  topic: TopicId.parse('tom-protocol-gossip-discovery-v1'),
  topicText: 'tom-protocol-gossip-discovery-v1',
  join: [],
  storage: undefined,
  partner: undefined,
  bridge: undefined,
  isStaying: false,
  waitMs: 10_000,
}

interface Talked {
  readonly isSuccess: boolean
  readonly events: readonly TalkEvent[]
  readonly notes: readonly string[]
}

/** The command in this process, with these lines as its input. */
async function talked(options: Partial<ChatCommandOptions>, ...lines: string[]): Promise<Talked> {
  const events: TalkEvent[] = []
  const notes: string[] = []
  const input = (async function* (): AsyncGenerator<Uint8Array> {
    for (const line of lines) yield new TextEncoder().encode(`${line}\n`)
  })()
  const isSuccess = await chat(
    { ...OPTIONS, ...options },
    {
      output: { stdout: () => {}, stderr: (line) => void notes.push(line) },
      reporter: { event: (event) => void events.push(event), note: (line) => void notes.push(line) },
      terminal: undefined,
      commands: inputCommands(input, false),
      isRead: false,
      interrupted: new AbortController().signal,
    },
  )
  return { isSuccess, events, notes }
}

test('what was not delivered is a failure and said; nothing to say is none', async () => {
  const partner = new EndpointAddr(SecretKey.generate().id)
  const [lonely, unheard, silent] = await Promise.all([
    talked({ waitMs: 50 }, 'anybody there?'),
    talked({ waitMs: 50, partner }, 'hello'),
    talked({}),
  ])
  expect(lonely.isSuccess).toBe(false)
  expect(lonely.events.at(-1)).toMatchObject({ event: 'ended', said: 0, undelivered: 1 })
  expect(unheard.isSuccess).toBe(false)
  expect(unheard.events.at(-1)).toMatchObject({ event: 'ended', said: 1, delivered: 0, kept: 0, undelivered: 1 })
  expect(unheard.events.at(-2)).toEqual({
    event: 'unsettled',
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    text: 'hello',
    holders: 0,
  })
  expect(silent.isSuccess).toBe(true)
})

test('with a storage folder what was not delivered is delivered by the next run', async () => {
  const alice = SecretKey.generate()
  const bob = { storage: join(folder, 'bob'), secretKey: SecretKey.generate() }
  const first = await talked({ ...bob, partner: new EndpointAddr(alice.id), waitMs: 50 }, 'for later')
  expect(first.isSuccess).toBe(false)
  expect(first.notes.at(-1)).toBe(`${bob.storage} has them, too: start again with it to go on`)
  const node = await TomNode.start({ bind: ['127.0.0.1:0'], secretKey: alice })
  try {
    const texts: string[] = []
    const reading = (async () => {
      for await (const { bytes } of node.messages()) if (texts.push(new TextDecoder().decode(bytes)) === 2) return
    })()
    const second = await talked({ ...bob, partner: node.endpoint.addr() }, 'and now')
    await reading
    expect(second.isSuccess).toBe(true)
    expect(texts.sort()).toEqual(['and now', 'for later'])
  } finally {
    await node.close()
  }
})

test('the command for others: the same topic, quoted for a shell', () => {
  expect(talkCommand({ topicText: 'tom-protocol-gossip-discovery-v1' }, 'endpointab')).toBe('npx tom chat endpointab')
  expect(talkCommand({ topicText: "it's" }, 'endpointab')).toBe("npx tom chat --topic 'it'\\''s' endpointab")
})

test('wrong usage is exit code 2 and one line on stderr', async () => {
  const key = join(folder, 'own.key')
  const own = SecretKey.generate()
  await writeKeyFile(key, own)
  const cases: string[][] = [
    ['chat', 'nonsense'],
    ['chat', 'endpointaaaa'],
    ['chat', '--topic', ''],
    ['chat', '--name', 'é'.repeat(33)],
    ['chat', '--join', 'nonsense'],
    ['chat', '--storage', ''],
    ['chat', '--wait', 'long'],
    ['chat', '--bind', 'localhost'],
    ['chat', own.id.toString(), '--secret-file', key],
    ['chat', '--secret-file', '/nowhere/key'],
  ]
  const results = await runEach(cases)
  for (const [index, { code, stdout, stderr }] of results.entries()) {
    expect({ args: cases[index], code, stdout }).toEqual({ args: cases[index], code: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
  }
})
