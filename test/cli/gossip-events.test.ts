import { expect, test } from 'vitest'
import { type ChatEvent, JsonChatReporter, TextChatReporter } from '../../src/cli/gossip-events.ts'

const A = 'a1'.repeat(32)
const B = 'b2'.repeat(32)
const RECEIVED: ChatEvent = {
  event: 'received',
  name: 'Al\u001b[31mice',
  author: A,
  text: 'first\nsecond',
  nonce: '00',
  said_at: Number.NaN,
  delivered_from: B,
  round: 1,
  signed: false,
}

const EVENTS: readonly ChatEvent[] = [
  { event: 'started', name: 'Bob', id: B, topic: 'c3'.repeat(32), profile: 'default', alpns: ['/iroh-gossip/1'] },
  { event: 'ticket', ticket: 'endpointab', command: 'tom gossip x --join endpointab' },
  { event: 'neighbor_up', peer: A, neighbors: 1 },
  { event: 'said', text: 'hi', nonce: '01', neighbors: 1 },
  RECEIVED,
  { ...RECEIVED, delivered_from: A, round: 0 },
  { event: 'other_content', bytes: 7, delivered_from: A },
  { event: 'join_failed', peer: A, error: 'no answer' },
  { event: 'lagged', missed: 3 },
  { event: 'neighbor_down', peer: A, reason: 'left', neighbors: 0 },
  { event: 'ended', said: 1, unsent: 0, received: 2 },
  { event: 'ended', said: 1, unsent: 2, received: 0 },
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

test('readable: one line each, safe for a terminal; the author by name and id, and the last hop where it is another', () => {
  const { output, out, err } = capture()
  const reporter = new TextChatReporter(output)
  for (const event of EVENTS) reporter.event(event)
  reporter.note('a note')
  expect(err).toEqual([])
  expect(out).toEqual([
    `Bob: ${B}`,
    `topic: ${'c3'.repeat(32)}`,
    'what is said is unsigned: name and author are what the sender claims; via is the neighbour that passed it on',
    'ticket: endpointab',
    'others join with: tom gossip x --join endpointab',
    '+ neighbour a1a1a1a1a1 (1 now)',
    '--:--:-- Al\ufffd[31mice (a1a1a1a1a1, via b2b2b2b2b2): first\ufffdsecond',
    '--:--:-- Al\ufffd[31mice (a1a1a1a1a1): first\ufffdsecond',
    '7 bytes that are no line of tom gossip, via a1a1a1a1a1',
    'cannot join a1a1a1a1a1: no answer; trying again',
    '3 events were missed',
    '- neighbour a1a1a1a1a1: left (0 now)',
    '1 lines said, 2 heard',
    '1 lines said, 0 heard, 2 NOT SENT',
    'a note',
  ])
})

test('the time of a line is that of its author', () => {
  const { output, out } = capture()
  const date = new Date(2026, 10, 26, 9, 8, 7)
  new TextChatReporter(output).event({ ...RECEIVED, said_at: date.getTime() } as ChatEvent)
  expect(out[0]).toMatch(/^09:08:07 /)
})

test('--json: every event is one object on one line with its time, notes go to stderr', () => {
  const { output, out, err } = capture()
  const reporter = new JsonChatReporter(output, () => 1234)
  for (const event of EVENTS) reporter.event(event)
  reporter.note('a note')
  expect(err).toEqual(['a note'])
  expect(out.every((line) => !line.includes('\n'))).toBe(true)
  // NaN is null in JSON
  const asJson = EVENTS.map((event) => JSON.parse(JSON.stringify({ ...event, time: 1234 })))
  expect(out.map((line) => JSON.parse(line))).toEqual(asJson)
  expect(out[2]).toBe(`{"event":"neighbor_up","time":1234,"peer":"${A}","neighbors":1}`)
})
