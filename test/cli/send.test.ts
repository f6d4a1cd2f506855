/** `tom send` as a process over loopback: delivered or not, text or bytes, and how it says so. */
import { expect, test } from 'vitest'
import { conclude, deliver, readInput } from '../../src/cli/send.ts'
import type { TalkEvent } from '../../src/cli/tom-node-events.ts'
import { TomNode } from '../../src/envelope/node.ts'
import { EndpointAddr, SecretKey } from '../../src/identity/index.ts'
import { events } from './events.ts'
import { FakeNode, type FakeReceipt, idOf } from './support/fake-node.ts'
import { Talker } from './support/talker.ts'
import { run, runEach, useTom } from './tom.ts'

useTom()

const LOOPBACK = ['--bind', '127.0.0.1:0']

/** A node of the library that takes what comes. */
async function withListener<T>(act: (node: TomNode, received: Uint8Array[]) => Promise<T>): Promise<T> {
  const node = await TomNode.start({ bind: ['127.0.0.1:0'], name: 'Listener' })
  const received: Uint8Array[] = []
  const reading = (async () => {
    for await (const message of node.messages()) {
      received.push(message.bytes)
      message.markRead()
    }
  })()
  try {
    return await act(node, received)
  } finally {
    await node.close()
    await reading
  }
}

test('a text is delivered: the states, code 0; --json prints events and nothing else', async () => {
  await withListener(async (node, received) => {
    const ticket = node.ticket().toString()
    const [plain, json] = await Promise.all([
      run('send', ticket, 'hello there', ...LOOPBACK, '-n', 'Sender'),
      run('send', ticket, 'hello again', ...LOOPBACK, '--json'),
    ])
    expect(received.map((bytes) => Buffer.from(bytes).toString()).sort()).toEqual(['hello again', 'hello there'])
    expect({ code: plain.code, stderr: plain.stderr }).toEqual({ code: 0, stderr: '' })
    expect(plain.stdout).toMatch(/^Sender: [0-9a-f]{64}\nmessage [0-9a-f]{8} to .*: pending/)
    expect(plain.stdout).toMatch(/: (delivered|read) \(.* ms\)\n1 said, 1 delivered; 0 received\n$/)
    expect({ code: json.code, stderr: json.stderr }).toEqual({ code: 0, stderr: '' })
    const lines = events(json.stdout)
    expect([...new Set(lines.map(({ event }) => event))]).toEqual(['started', 'said', 'state', 'ended'])
    expect(lines[1]).toMatchObject({ to: node.id.toString(), text: 'hello again', bytes: 11 })
    expect(lines.at(-1)).toMatchObject({ said: 1, delivered: 1, kept: 0, undelivered: 0 })
  })
})

test('standard input is sent byte by byte', async () => {
  await withListener(async (node, received) => {
    const bytes = Uint8Array.from({ length: 50_000 }, (_, index) => index * 31)
    const tom = new Talker('send', node.ticket().toString(), ...LOOPBACK, '--json')
    tom.type(bytes)
    tom.endInput()
    const { code, stdout } = await tom.ended
    expect(code).toBe(0)
    expect(events(stdout)[1]).toMatchObject({ event: 'said', text: null, bytes: 50_000 })
    expect(received.length).toBe(1)
    expect(Buffer.from(received[0]!).equals(bytes)).toBe(true)
  })
})

test('nobody there: code 1 after --timeout, with what happened', async () => {
  const nobody = SecretKey.generate().id.toString()
  const { code, stdout, stderr } = await run('send', nobody, 'hello', ...LOOPBACK, '--timeout', '50')
  expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
  expect(stdout).toMatch(/\nnot delivered: nobody was reached\n1 said, 0 delivered, 1 NOT DELIVERED; 0 received\n$/)
})

/** What is told of a message whose receipt the test moves. */
async function told(
  act: (receipt: FakeReceipt, limit: AbortController) => void,
  storage?: string,
): Promise<{ isSuccess: boolean; states: string[]; notes: string[]; ended: TalkEvent | undefined }> {
  const node = new FakeNode()
  const limit = new AbortController()
  const events: TalkEvent[] = []
  const notes: string[] = []
  const reporter = {
    event: (event: TalkEvent) => void events.push(event),
    note: (line: string) => void notes.push(line),
  }
  const bytes = new TextEncoder().encode('hello')
  const delivering = deliver(bytes, {
    node,
    target: new EndpointAddr(idOf(2)),
    reporter,
    limit: limit.signal,
    now: () => 0,
  })
  await new Promise((resolve) => setImmediate(resolve))
  act(node.sent[0]!.receipt, limit)
  const isSuccess = conclude(await delivering, storage, reporter)
  const states = events.flatMap((event) => (event.event === 'state' ? [`${event.state} ${event.holders}`] : []))
  return { isSuccess, states, notes, ended: events.at(-1) }
}

test('it waits until the recipient has acknowledged it, and no state but that is a success', async () => {
  const delivered = await told((receipt) => {
    for (const state of ['sent', 'relayed', 'delivered', 'read'] as const) receipt.become(state)
  })
  expect(delivered).toMatchObject({ isSuccess: true, notes: [], ended: { delivered: 1, kept: 0, undelivered: 0 } })
  expect(delivered.states).toEqual(['pending 0', 'sent 0', 'relayed 0', 'delivered 0'])
  const failed = await told((receipt) => receipt.become('failed'))
  expect(failed).toMatchObject({ isSuccess: false, ended: { delivered: 0, kept: 0, undelivered: 1 } })
  expect(failed.notes).toEqual(['not delivered: nobody was reached'])
})

test('when it is not waited for any longer, it says who has the message', async () => {
  const kept = await told((receipt, limit) => {
    receipt.become('sent', 2)
    limit.abort(new Error('time is up'))
  }, '/storage')
  expect(kept).toMatchObject({ isSuccess: false, ended: { delivered: 0, kept: 1, undelivered: 0 } })
  expect(kept.notes).toEqual([
    'not delivered: the recipient did not answer; 2 nodes will deliver it when the recipient returns; /storage has it: start again with it to go on',
  ])
})

test('the input has bounds: not nothing, not more than an envelope', async () => {
  const output = { stdout: () => {}, stderr: () => {} }
  const chunks = async function* (...lengths: number[]): AsyncGenerator<Uint8Array> {
    for (const length of lengths) yield new Uint8Array(length)
  }
  expect((await readInput(chunks(3, 4), output)).length).toBe(7)
  await expect(readInput(chunks(), output)).rejects.toThrow('nothing to send')
  await expect(readInput(chunks(200_000, 62_145), output)).rejects.toThrow('at most 262144 bytes')
})

test('wrong usage is exit code 2 and one line on stderr; too much for an envelope is a failure', async () => {
  const id = SecretKey.fromBytes(new Uint8Array(32).fill(1)).id.toString()
  const cases: [code: number, ...args: string[]][] = [
    [2, 'send'],
    [2, 'send', 'nonsense', 'text'],
    [2, 'send', id, ''],
    [2, 'send', id, 'text', '--timeout', '0'],
    [2, 'send', id, 'text', '--name', 'x'.repeat(65)],
    [2, 'send', id, 'text', '--topic', ''],
    // standard input is at its end
    [2, 'send', id],
  ]
  const results = await runEach(cases.map(([, ...args]) => args))
  for (const [index, { code, stdout, stderr }] of results.entries()) {
    expect({ args: cases[index]!.slice(1), code, stdout }).toEqual({
      args: cases[index]!.slice(1),
      code: cases[index]![0],
      stdout: '',
    })
    expect(stderr).toMatch(/^[^\n]+\n$/)
  }
  const large = new Talker('send', id, ...LOOPBACK)
  large.type(new Uint8Array(200_000))
  large.endInput()
  const { code, stderr } = await large.ended
  expect(code).toBe(1)
  expect(stderr).toMatch(/^tom: .*\n$/)
})
