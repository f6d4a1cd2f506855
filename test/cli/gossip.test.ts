/** `tom gossip` as processes over loopback: what it prints, what a pipe does, how it ends. */
import { expect, test } from 'vitest'
import { SecretKey } from '../../src/identity/index.ts'
import { events } from './events.ts'
import { run, runEach, Tom, useTom } from './tom.ts'

useTom()

const LOOPBACK = ['--bind', '127.0.0.1:0']
const TOPIC = 'tom-protocol-poc-gossip-topic-01'
/** The text's own bytes, for it has 32. */
const TOPIC_ID = Buffer.from(TOPIC).toString('hex')

/** Somebody who types. */
class Talker extends Tom {
  protected override get stdin(): 'pipe' {
    return 'pipe'
  }

  type(text: string): void {
    this.child.stdin!.write(text)
  }

  /** Ctrl-D, or the end of a pipe. */
  endInput(): void {
    this.child.stdin!.end()
  }
}

async function talker(...args: string[]): Promise<{ tom: Talker; ticket: string; id: string }> {
  const tom = new Talker('gossip', TOPIC, ...LOOPBACK, ...args)
  const [ticket] = await tom.match(/endpoint[a-z2-7]{20,}/)
  const [id] = await tom.match(/[0-9a-f]{64}/)
  return { tom, ticket, id }
}

test('spec/gossip.md §14.4: piped lines wait for the first neighbour and are heard, though their process ends with the pipe; --json', async () => {
  const alice = await talker('--json', '--name', 'Alice')
  const bob = new Talker('gossip', TOPIC, ...LOOPBACK, '--json', '-n', 'Bob', '--join', alice.ticket)
  bob.type('one\ntwo\r\n\nthree')
  bob.endInput()
  const said = await bob.ended
  expect(said.code).toBe(0)
  await alice.tom.match(/"event":"neighbor_down"/)
  alice.tom.endInput()
  const heard = await alice.tom.ended
  expect(heard).toMatchObject({ code: 0, stderr: '' })

  const his = events(said.stdout)
  const bobsId = his[0]!.id
  expect(his.filter(({ event }) => event !== 'ticket')).toEqual([
    {
      event: 'started',
      time: expect.any(Number),
      name: 'Bob',
      id: expect.stringMatching(/^[0-9a-f]{64}$/),
      topic: TOPIC_ID,
      profile: 'default',
      alpns: ['/iroh-gossip/1'],
    },
    { event: 'neighbor_up', time: expect.any(Number), peer: alice.id, neighbors: 1 },
    ...['one', 'two', 'three'].map((text) => ({
      event: 'said',
      time: expect.any(Number),
      text,
      nonce: expect.stringMatching(/^[0-9a-f]{16}$/),
      neighbors: 1,
    })),
    { event: 'ended', time: expect.any(Number), said: 3, unsent: 0, received: 0 },
  ])
  const hers = events(heard.stdout)
  expect(hers.map(({ event }) => event)).toEqual([
    'started',
    'ticket',
    'neighbor_up',
    'received',
    'received',
    'received',
    'neighbor_down',
    'ended',
  ])
  expect(hers[1]).toMatchObject({ command: `tom gossip ${TOPIC} --join ${alice.ticket}` })
  expect(hers.filter(({ event }) => event === 'received').map(({ text }) => text)).toEqual(['one', 'two', 'three'])
  expect(hers[3]).toEqual({
    event: 'received',
    time: expect.any(Number),
    name: 'Bob',
    author: bobsId,
    text: 'one',
    nonce: expect.any(String),
    said_at: expect.any(Number),
    delivered_from: bobsId,
    round: 0,
    signed: false,
  })
  expect(hers[6]).toMatchObject({ peer: bobsId, reason: 'left', neighbors: 0 })
  expect(hers[7]).toMatchObject({ said: 0, unsent: 0, received: 3 })
})

test('readable: three people, one profile as upstream; Ctrl-C ends it in order with code 0', async () => {
  const alice = await talker('--name', 'Alice')
  const [command] = await alice.tom.match(/others join with: (tom gossip .*)\n/)
  expect(command).toContain(alice.ticket)
  const bob = await talker('--name', 'Bob', '--join', alice.ticket, '--profile', 'upstream')
  await bob.tom.match(/\+ neighbour/)
  const carol = await talker('--name', 'Carol', '--join', bob.ticket)
  await carol.tom.match(/\+ neighbour/)
  carol.tom.type('hello\n')
  const line = new RegExp(
    `^\\d\\d:\\d\\d:\\d\\d Carol \\(${carol.id.slice(0, 10)}(, via [0-9a-f]{10})?\\): hello$`,
    'm',
  )
  await Promise.all([alice.tom.match(line), bob.tom.match(line)])
  carol.tom.interrupt()
  const ended = await carol.tom.ended
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(ended.stdout).toMatch(/\n1 lines said, 0 heard\n$/)
  // Alice may or may not have been her neighbour by then
  await bob.tom.match(new RegExp(`- neighbour ${carol.id.slice(0, 10)}: left`))
  // a signal ends the others, too, though their input goes on
  for (const { tom } of [alice, bob]) tom.interrupt('SIGTERM')
  for (const { tom } of [alice, bob]) expect((await tom.ended).code).toBe(0)
})

test('lines that nobody heard are exit code 1; an input that ends without a word is not', async () => {
  const alone = new Talker('gossip', 'alone', ...LOOPBACK, '--wait', '50')
  alone.type('anybody there?\n')
  alone.endInput()
  const [lonely, silent] = await Promise.all([alone.ended, run('gossip', 'alone', ...LOOPBACK)])
  expect(lonely.code).toBe(1)
  expect(lonely.stdout).toMatch(/waiting for somebody to hear it\n(.*\n)*0 lines said, 0 heard, 1 NOT SENT\n$/)
  expect(silent).toMatchObject({ code: 0, stderr: '' })
})

test('--stay goes on after the end of the input, until Ctrl-C', async () => {
  const tom = new Tom('gossip', 'alone', ...LOOPBACK, '--stay')
  // at its end from the start: had that been the end, there would be no time for a ticket and a signal
  await tom.match(/ticket: endpoint/)
  tom.interrupt()
  const { code, stdout } = await tom.ended
  expect(code).toBe(0)
  expect(stdout).toMatch(/\n0 lines said, 0 heard\n$/)
})

test('wrong usage is exit code 2 and one line on stderr', async () => {
  const id = SecretKey.fromBytes(new Uint8Array(32).fill(1)).id.toString()
  const cases: string[][] = [
    ['gossip'],
    ['gossip', ''],
    ['gossip', 'topic', '--join', 'nonsense'],
    ['gossip', 'topic', '--profile', 'other'],
    ['gossip', 'topic', '--name', ''],
    ['gossip', 'topic', '--name', 'x'.repeat(65)],
    ['gossip', 'topic', '--wait', 'long'],
    ['gossip', 'topic', '--alpn', ''],
    ['gossip', 'topic', '--alpn', 'x'.repeat(256)],
    ['gossip', 'topic', '--bind', 'localhost'],
    ['gossip', 'topic', '--join', id, '--secret-file', '/nowhere/key'],
  ]
  const results = await runEach(cases)
  for (const [index, { code, stdout, stderr }] of results.entries()) {
    expect({ args: cases[index], code, stdout }).toEqual({ args: cases[index], code: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
  }
})
