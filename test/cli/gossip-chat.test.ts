/** The talk of `tom gossip` on a topic that the test moves by hand. */
import { expect, test } from 'vitest'
import { Chat, type ChatOptions } from '../../src/cli/gossip-chat.ts'
import type { ChatEvent } from '../../src/cli/gossip-events.ts'
import { decodeChatLine, encodeChatLine } from '../../src/cli/gossip-message.ts'
import type { GossipEvent } from '../../src/gossip/index.ts'
import { type EndpointId, SecretKey } from '../../src/identity/index.ts'

const id = (byte: number): EndpointId => SecretKey.fromBytes(new Uint8Array(32).fill(byte)).id
const ME = id(1)
const A = id(2)
const B = id(3)

/** A queue that is read with `for await`, by one reader; `end` ends it. */
class Feed<T> implements AsyncIterable<T> {
  readonly #items: T[] = []
  #isEnded = false
  #wake = (): void => {}

  push(item: T): void {
    this.#items.push(item)
    this.#wake()
  }

  end(): void {
    this.#isEnded = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const item = this.#items.shift()
      if (item !== undefined) yield item
      else if (this.#isEnded) return
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }
}

class FakeTopic extends Feed<GossipEvent> {
  readonly sent: string[] = []
  #neighbors: EndpointId[] = []

  async broadcast(content: Uint8Array): Promise<void> {
    this.sent.push(decodeChatLine(content)!.text)
  }

  neighbors(): EndpointId[] {
    return [...this.#neighbors]
  }

  up(peer: EndpointId): void {
    this.#neighbors.push(peer)
    this.push({ kind: 'neighbor-up', peer })
  }

  down(peer: EndpointId): void {
    this.#neighbors = this.#neighbors.filter((other) => !other.equals(peer))
    this.push({ kind: 'neighbor-down', peer, reason: 'left' })
  }
}

interface Talk {
  readonly topic: FakeTopic
  readonly input: Feed<Uint8Array>
  readonly events: ChatEvent[]
  readonly notes: string[]
  readonly chat: Chat
  readonly done: Promise<void>
  type(text: string): void
  interrupt(): void
}

function talk(options: Partial<ChatOptions> = {}): Talk {
  const topic = new FakeTopic()
  const input = new Feed<Uint8Array>()
  const events: ChatEvent[] = []
  const notes: string[] = []
  const controller = new AbortController()
  let nonce = 0
  const chat = new Chat({
    topic,
    reporter: { event: (event) => events.push(event), note: (line) => notes.push(line) },
    name: 'Me',
    author: ME.toString(),
    maxPayload: 500,
    waitMs: 10_000,
    isStaying: false,
    interrupted: controller.signal,
    wallClock: () => 1000,
    nonce: () => String(nonce++),
    ...options,
  })
  return {
    topic,
    input,
    events,
    notes,
    chat,
    done: chat.run(input),
    type: (text) => input.push(new TextEncoder().encode(text)),
    interrupt: () => controller.abort(),
  }
}

/** A turn of the event loop: everything that waits for nothing outside has happened. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('spec/gossip.md §14.4, bugs 1 and 3: lines typed before the first neighbour are sent when it comes, and the end of the input waits for that', async () => {
  const { topic, input, done, type, events, notes, chat } = talk()
  type('one\ntwo')
  input.end()
  await settle()
  expect(topic.sent).toEqual([])
  expect(notes).toEqual(['waiting for somebody to hear it'])
  expect(chat.counts).toEqual({ said: 0, unsent: 2, received: 0 })
  topic.up(A)
  await done
  expect(topic.sent).toEqual(['one', 'two'])
  expect(events).toEqual([
    { event: 'neighbor_up', peer: A.toString(), neighbors: 1 },
    { event: 'said', text: 'one', nonce: '0', neighbors: 1 },
    { event: 'said', text: 'two', nonce: '1', neighbors: 1 },
  ])
  expect(chat.counts).toEqual({ said: 2, unsent: 0, received: 0 })
})

test('an input that ends without a word ends the talk at once; with isStaying only an interruption does', async () => {
  const silent = talk()
  silent.input.end()
  await silent.done
  expect(silent.notes).toEqual([])
  const staying = talk({ isStaying: true })
  staying.input.end()
  let isDone = false
  staying.done.then(() => {
    isDone = true
  })
  staying.topic.up(A)
  await settle()
  expect(isDone).toBe(false)
  expect(staying.events).toHaveLength(1)
  staying.interrupt()
  await staying.done
})

test('nobody comes: after the wait the lines count as unsent', async () => {
  const { input, done, type, chat } = talk({ waitMs: 1 })
  type('one\n')
  input.end()
  await done
  expect(chat.counts).toEqual({ said: 0, unsent: 1, received: 0 })
})

test('an interruption ends it whatever waits: nothing typed, a line without a hearer, a full outbox', async () => {
  const idle = talk()
  idle.interrupt()
  await idle.done
  const full = talk()
  full.type('line\n'.repeat(300))
  await settle()
  full.interrupt()
  await full.done
  await settle()
  // 256 wait, one stood at the door; the others were not read
  expect(full.chat.counts).toEqual({ said: 0, unsent: 257, received: 0 })
})

test('a line that does not fit is told and not sent, and makes the run fail', async () => {
  const { topic, input, done, type, notes, chat } = talk()
  topic.up(A)
  type(`${'x'.repeat(400)}\n${'y'.repeat(501)}\nshort\n`)
  input.end()
  await done
  expect(topic.sent).toEqual(['short'])
  expect(notes).toEqual([
    expect.stringMatching(/^not sent: a line of 5\d\d bytes; a message has at most 500/),
    expect.stringMatching(/^not sent: a line of 501 bytes; a message has at most 500/),
  ])
  expect(chat.counts).toEqual({ said: 1, unsent: 2, received: 0 })
})

test('what comes is told with its author, and with the last hop apart from it', async () => {
  const { topic, input, done, events, chat } = talk()
  const content = encodeChatLine({ name: 'Bob', author: B.toString(), time: 5, nonce: 'n', text: 'hi' })
  topic.push({ kind: 'received', content, deliveredFrom: A, scope: 'swarm', round: 1 })
  topic.push({ kind: 'received', content, deliveredFrom: A, scope: 'neighbors', round: 0 })
  topic.push({ kind: 'received', content: Uint8Array.of(1, 2), deliveredFrom: A, scope: 'swarm', round: 0 })
  topic.up(A)
  topic.down(A)
  topic.push({ kind: 'join-failed', peer: B, error: new Error('no answer from B') })
  topic.push({ kind: 'join-failed', peer: B })
  topic.push({ kind: 'lagged', missed: 4 })
  await settle()
  input.end()
  await done
  const received = {
    event: 'received',
    name: 'Bob',
    author: B.toString(),
    text: 'hi',
    nonce: 'n',
    said_at: 5,
    delivered_from: A.toString(),
    round: 1,
    signed: false,
  }
  expect(events).toEqual([
    received,
    { ...received, round: null },
    { event: 'other_content', bytes: 2, delivered_from: A.toString() },
    { event: 'neighbor_up', peer: A.toString(), neighbors: expect.any(Number) },
    { event: 'neighbor_down', peer: A.toString(), reason: 'left', neighbors: 0 },
    { event: 'join_failed', peer: B.toString(), error: 'no answer from B' },
    { event: 'join_failed', peer: B.toString(), error: 'no answer' },
    { event: 'lagged', missed: 4 },
  ])
  expect(chat.counts).toEqual({ said: 0, unsent: 0, received: 2 })
})

test('a topic that ends under it is a failure', async () => {
  const { topic, done } = talk()
  topic.end()
  await expect(done).rejects.toThrow('the topic was closed')
})

test('an input that breaks is a failure', async () => {
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode('one\n')
    throw new Error('EIO')
  }
  const { chat } = talk()
  await expect(chat.run(broken())).rejects.toThrow('EIO')
})
