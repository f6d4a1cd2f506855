/** What `tom chat` and `tom send` print, as JSON and for people. */
import { expect, test } from 'vitest'
import { JsonTalkReporter, type TalkEvent, TextTalkReporter } from '../../src/cli/tom-node-events.ts'

const A = 'a1'.repeat(32)
const B = 'b2'.repeat(32)
const DIRECT = { kind: 'direct', remote: '192.0.2.1:5', rtt_ms: 0.42 } as const
const MESSAGE: TalkEvent = {
  event: 'message',
  id: 'm',
  from: A,
  name: 'Al\u001b[31mice',
  text: 'first\nsec\u0007ond',
  bytes: 12,
  sent_at: Number.NaN,
  encrypted: true,
  author_bound: true,
  via: [],
  brought_by: A,
  path: 'direct',
}
const ALICE = { id: A, name: 'Alice', liveness: 'online', role: 'Peer', verified: true } as const
const STATE = { event: 'state', id: '0123456789', to: A, name: 'Alice', path: 'relay', after_ms: 12.345 } as const

const EVENTS: readonly TalkEvent[] = [
  { event: 'started', name: 'Bob', id: B, topic: 'c3'.repeat(32), storage: false },
  { event: 'ticket', ticket: 'endpointab', command: 'npx tom chat endpointab' },
  { event: 'queued', text: 'hi', waiting: 1 },
  { event: 'to', id: A, name: '' },
  { event: 'peer', ...ALICE },
  { event: 'peer', ...ALICE, liveness: 'offline', verified: false },
  { event: 'path', id: A, name: 'Alice', path: DIRECT },
  { event: 'path', id: A, name: 'Alice', path: null },
  { event: 'said', id: '0123456789', to: A, name: 'Alice', text: 'hi', bytes: 2 },
  { ...STATE, state: 'sent', holders: 2 },
  { ...STATE, state: 'delivered', holders: 2 },
  MESSAGE,
  { ...MESSAGE, text: null, base64: '/w==', encrypted: false, brought_by: B },
  { event: 'peers', peers: [] },
  {
    event: 'peers',
    peers: [
      { ...ALICE, path: DIRECT },
      { ...ALICE, id: B, name: '', path: null },
    ],
  },
  { event: 'unsettled', id: '0123456789', text: 'a\u001b', holders: 0 },
  { event: 'unsettled', id: '0123456789', text: 'b', holders: 1 },
  { event: 'ended', said: 2, delivered: 2, kept: 0, undelivered: 0, received: 1 },
  { event: 'ended', said: 4, delivered: 1, kept: 2, undelivered: 1, received: 0 },
]

function capture(): {
  output: { stdout(line: string): void; stderr(line: string): void }
  out: string[]
  err: string[]
} {
  const out: string[] = []
  const err: string[] = []
  return { output: { stdout: (line) => out.push(line), stderr: (line) => err.push(line) }, out, err }
}

test('readable: safe for a terminal, a name never without its id', () => {
  const { output, out, err } = capture()
  const reporter = new TextTalkReporter(output)
  for (const event of EVENTS) reporter.event(event)
  reporter.note('a note')
  expect(err).toEqual([])
  expect(out).toEqual([
    `Bob: ${B}`,
    'ticket: endpointab',
    'others talk to you with: npx tom chat endpointab',
    'waiting for somebody to say it to (1 line)',
    'talking to a1a1a1a1a1',
    '+ Alice (a1a1a1a1a1) is online',
    '- Alice (a1a1a1a1a1) is offline, not verified',
    'path to Alice (a1a1a1a1a1): direct 192.0.2.1:5, 0.4 ms',
    'path to Alice (a1a1a1a1a1): none',
    'message 01234567 to Alice (a1a1a1a1a1): sent, kept by 2 nodes (12 ms)',
    'message 01234567 to Alice (a1a1a1a1a1): delivered (12 ms)',
    '--:--:-- Al\ufffd[31mice (a1a1a1a1a1): first',
    '         sec\ufffdond',
    '--:--:-- Al\ufffd[31mice (a1a1a1a1a1): 12 bytes that are no text [not encrypted, brought by b2b2b2b2b2]',
    'nobody is known yet',
    'Alice (a1a1a1a1a1): online, direct 192.0.2.1:5, 0.4 ms',
    'b2b2b2b2b2: online',
    'not delivered: "a\ufffd" (01234567)',
    'kept by 1 node: "b" (01234567)',
    '2 said, 2 delivered; 1 received',
    '4 said, 1 delivered, 2 kept by others until they can be, 1 NOT DELIVERED; 0 received',
    'a note',
  ])
})

test('--json: every event is one object on one line with its time, notes go to stderr', () => {
  const { output, out, err } = capture()
  const reporter = new JsonTalkReporter(output, () => 1234)
  for (const event of EVENTS) reporter.event(event)
  reporter.note('a note')
  expect(err).toEqual(['a note'])
  expect(out.every((line) => !line.includes('\n'))).toBe(true)
  // NaN is null in JSON
  expect(out.map((line) => JSON.parse(line))).toEqual(
    EVENTS.map((event) => JSON.parse(JSON.stringify({ ...event, time: 1234 }))),
  )
  expect(out[9]).toBe(
    `{"event":"state","time":1234,"id":"0123456789","to":"${A}","name":"Alice","path":"relay","after_ms":12.345,"state":"sent","holders":2}`,
  )
})
