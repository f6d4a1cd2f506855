/** The talk of `tom chat` on a node that the test moves by hand. */
import { expect, test } from 'vitest'
import type { ChatCommand } from '../../src/cli/chat-command.ts'
import { Talk, type TalkOptions } from '../../src/cli/chat-session.ts'
import type { TalkEvent } from '../../src/cli/tom-node-events.ts'
import { EndpointAddr, EndpointTicket } from '../../src/identity/index.ts'
import { FakeNode, Feed, idOf } from './support/fake-node.ts'

const A = idOf(2)
const B = idOf(3)

interface Stage {
  readonly node: FakeNode
  readonly input: Feed<ChatCommand>
  readonly events: TalkEvent[]
  readonly notes: string[]
  readonly talk: Talk
  readonly done: Promise<void>
  say(text: string, to?: string): void
  interrupt(): void
  /** Turns of the event loop: whatever can happen has. */
  settle(): Promise<void>
}

function stage(options: Partial<TalkOptions> = {}): Stage {
  const node = new FakeNode()
  const input = new Feed<ChatCommand>()
  const events: TalkEvent[] = []
  const notes: string[] = []
  const interruption = new AbortController()
  const talk = new Talk({
    node,
    reporter: { event: (event) => events.push(event), note: (line) => notes.push(line) },
    isRead: false,
    waitMs: 5_000,
    keptGraceMs: 20,
    isStaying: false,
    interrupted: interruption.signal,
    now: () => 0,
    showTicket: () => notes.push('TICKET'),
    ...options,
  })
  return {
    node,
    input,
    events,
    notes,
    talk,
    done: talk.run(input),
    say: (text, to) => input.push(to === undefined ? { kind: 'say', text } : { kind: 'say', text, to }),
    interrupt: () => interruption.abort(new Error('interrupted')),
    async settle() {
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

const named = (events: readonly TalkEvent[], event: TalkEvent['event']): TalkEvent[] =>
  events.filter((one) => one.event === event)

test('without a ticket: lines wait for the first who is verified to be there, in order', async () => {
  const { node, events, say, settle, input, done, talk } = stage()
  say('one')
  say('two')
  await settle()
  expect(named(events, 'queued')).toEqual([
    { event: 'queued', text: 'one', waiting: 1 },
    { event: 'queued', text: 'two', waiting: 2 },
  ])
  // unsigned gossip is no reason to talk to somebody
  node.peerIs(B, 'Bob', 'online', false)
  await settle()
  expect(node.sent).toEqual([])
  node.peerIs(A, 'Alice', 'online')
  await settle()
  expect(node.sent.map(({ to, text }) => [to, text])).toEqual([
    [A.toString(), 'one'],
    [A.toString(), 'two'],
  ])
  expect(named(events, 'to')).toEqual([{ event: 'to', id: A.toString(), name: 'Alice' }])
  for (const { receipt } of node.sent) receipt.become('delivered')
  input.end()
  await done
  expect(talk.counts).toEqual({ said: 2, delivered: 2, kept: 0, undelivered: 0, received: 0 })
})

test('with a ticket the first line leaves at once; states are told with what is known', async () => {
  const { node, events, say, settle, interrupt, done } = stage({ partner: new EndpointAddr(A) })
  say('hello')
  await settle()
  expect(node.sent.length).toBe(1)
  const { receipt } = node.sent[0]!
  receipt.become('sent')
  receipt.become('sent', 2)
  receipt.become('read')
  await settle()
  const fields = { event: 'state', id: 'm0', to: A.toString(), name: '', path: null, after_ms: 0 }
  expect(named(events, 'state')).toEqual([
    { ...fields, state: 'pending', holders: 0 },
    { ...fields, state: 'sent', holders: 0 },
    { ...fields, state: 'sent', holders: 2 },
    { ...fields, state: 'read', holders: 2 },
  ])
  interrupt()
  await done
})

test('the end of the input waits for delivery; what others keep need not be waited for', async () => {
  const { node, say, settle, input, done, talk } = stage({ partner: new EndpointAddr(A) })
  say('one')
  say('two')
  input.end()
  await settle()
  let isDone = false
  done.then(() => {
    isDone = true
  })
  node.sent[0]!.receipt.become('delivered')
  await settle()
  expect(isDone).toBe(false)
  node.sent[1]!.receipt.become('sent', 1)
  await done
  expect(talk.counts).toEqual({ said: 2, delivered: 1, kept: 1, undelivered: 0, received: 0 })
  expect(talk.rest).toEqual([{ id: 'm1', text: 'two', holders: 1 }])
})

test('what is not delivered in time counts, and a late acknowledgement counts as delivered', async () => {
  const { node, say, settle, input, done, talk } = stage({ partner: new EndpointAddr(A), waitMs: 50 })
  say('one')
  say('two')
  say('three')
  await settle()
  node.sent[0]!.receipt.become('failed')
  node.sent[1]!.receipt.become('failed')
  await settle()
  // lock 1: the acknowledgement defines delivery, also after `failed`
  node.sent[1]!.receipt.become('delivered')
  input.end()
  await done
  expect(talk.counts).toEqual({ said: 3, delivered: 1, kept: 0, undelivered: 2, received: 0 })
})

test('an interruption ends it at once; --stay makes the end of the input none', async () => {
  const { node, say, settle, input, done, interrupt, talk } = stage({
    partner: new EndpointAddr(A),
    isStaying: true,
  })
  say('one')
  input.end()
  await settle()
  node.sent[0]!.receipt.become('delivered')
  await settle()
  let isOver = false
  done.then(() => {
    isOver = true
  })
  node.hears(A, 'still there?')
  await settle()
  expect(isOver).toBe(false)
  interrupt()
  await done
  expect(talk.counts).toEqual({ said: 1, delivered: 1, kept: 0, undelivered: 0, received: 1 })
})

test('messages: text, bytes that are none, who brought it; the first who writes is whom the talk is with', async () => {
  const { node, events, settle, interrupt, done } = stage()
  node.hears(A, 'hi', { id: 'x', broughtBy: B, isAuthorBound: false })
  node.hears(B, Uint8Array.of(0xff, 0x00), { id: 'y', isEncrypted: false, via: [A] })
  await settle()
  expect(events[0]).toEqual({ event: 'to', id: A.toString(), name: '' })
  expect(named(events, 'message')).toEqual([
    {
      event: 'message',
      id: 'x',
      from: A.toString(),
      name: '',
      text: 'hi',
      bytes: 2,
      sent_at: 0,
      encrypted: true,
      author_bound: false,
      via: [],
      brought_by: B.toString(),
      path: null,
    },
    {
      event: 'message',
      id: 'y',
      from: B.toString(),
      name: '',
      text: null,
      base64: '/wA=',
      bytes: 2,
      sent_at: 0,
      encrypted: false,
      author_bound: true,
      via: [A.toString()],
      brought_by: B.toString(),
      path: null,
    },
  ])
  interrupt()
  await done
})

test('read: at once where a person sees the events, otherwise once, when it is said', async () => {
  const seen = stage({ isRead: true })
  seen.node.hears(A, 'hi', { id: 'x' })
  await seen.settle()
  expect(seen.node.read).toEqual(['x'])
  seen.interrupt()
  await seen.done

  const { node, input, settle, interrupt, done, talk } = stage()
  node.hears(A, 'hi', { id: 'x' })
  node.hears(B, 'hi', { id: 'x' })
  node.hears(B, 'hi', { id: 'y' })
  await settle()
  expect(node.read).toEqual([])
  talk.read('x', A.toString())
  expect(node.read).toEqual(['x'])
  input.push({ kind: 'read', id: 'y' })
  input.push({ kind: 'read', id: 'y' })
  await settle()
  expect(node.read).toEqual(['x', 'y'])
  interrupt()
  await done
})

test('/to by name, by id, by ticket; not to oneself, not to nobody', async () => {
  const { node, events, notes, input, say, settle, interrupt, done } = stage()
  node.peerIs(A, 'Alice', 'online')
  node.peerIs(B, 'Bob', 'offline')
  await settle()
  const stranger = idOf(9)
  for (const who of ['Bob', A.toString().slice(0, 8), new EndpointTicket(new EndpointAddr(stranger)).toString()]) {
    input.push({ kind: 'to', who })
    say(who)
  }
  for (const who of ['Carol', node.id.toString()]) input.push({ kind: 'to', who })
  say('aside', 'Bob')
  say('nobody', 'Carol')
  await settle()
  expect(named(events, 'to').map((event) => event.event === 'to' && event.id)).toEqual([
    A.toString(),
    B.toString(),
    A.toString(),
    stranger.toString(),
  ])
  expect(node.sent.map(({ to }) => to)).toEqual([B, A, stranger, B].map(String))
  expect(notes).toEqual(['nobody known is called "Carol"', 'that is you', 'nobody known is called "Carol"'])
  interrupt()
  await done
})

test('somebody who is named is written to though the talk is with nobody yet', async () => {
  const { node, say, settle, interrupt, done } = stage()
  say('to whom it may concern')
  say('to you', B.toString())
  await settle()
  expect(node.sent.map(({ to, text }) => [to, text])).toEqual([[B.toString(), 'to you']])
  interrupt()
  await done
})

test('what cannot be sent is said and counted, and what follows is sent', async () => {
  const { node, notes, input, say, settle, done, talk } = stage({ partner: new EndpointAddr(A) })
  node.failure = new Error('too large')
  say('one')
  await settle()
  input.push({ kind: 'too-long', bytes: 7 })
  say('two')
  await settle()
  expect(notes).toEqual(['not sent: "one": too large', 'not sent: a line of 7 bytes, which no message can carry'])
  node.sent[0]!.receipt.become('delivered')
  input.end()
  await done
  expect(talk.counts).toEqual({ said: 1, delivered: 1, kept: 0, undelivered: 2, received: 0 })
})

test('no more than 256 messages are on their way: the input waits', async () => {
  const { node, say, settle, interrupt, done } = stage({ partner: new EndpointAddr(A) })
  for (let index = 0; index < 600; index++) say(String(index))
  for (let turn = 0; turn < 30; turn++) await settle()
  expect(node.sent.length).toBe(256)
  for (const { receipt } of node.sent.slice(0, 10)) receipt.become('delivered')
  for (let turn = 0; turn < 5; turn++) await settle()
  expect(node.sent.length).toBe(266)
  interrupt()
  await done
})

test('peers with their paths, the ticket, help; a node that is closed under it is a failure', async () => {
  const { node, events, notes, input, settle, done } = stage()
  node.peerIs(A, 'Alice', 'stale')
  node.paths.push({ peer: A, path: { kind: 'relay', remote: 'https://relay.example/', rttMs: 12.3456 } })
  node.paths.push({ peer: A, path: undefined })
  for (const kind of ['peers', 'ticket', 'help'] as const) input.push({ kind })
  await settle()
  expect(named(events, 'path')).toEqual([
    {
      event: 'path',
      id: A.toString(),
      name: 'Alice',
      path: { kind: 'relay', remote: 'https://relay.example/', rtt_ms: 12.346 },
    },
    { event: 'path', id: A.toString(), name: 'Alice', path: null },
  ])
  expect(named(events, 'peers')).toEqual([
    {
      event: 'peers',
      peers: [{ id: A.toString(), name: 'Alice', liveness: 'stale', role: 'Peer', verified: true, path: null }],
    },
  ])
  expect(notes[0]).toBe('TICKET')
  expect(notes.length).toBeGreaterThan(4)
  node.incoming.end()
  await expect(done).rejects.toThrow('the node was closed')
})
