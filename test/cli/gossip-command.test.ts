/** `tom gossip` in this process, on an input of the test's own. */
import { expect, test } from 'vitest'
import { type GossipCommandOptions, gossip, joinCommand } from '../../src/cli/gossip.ts'
import { type ChatEvent, TextChatReporter } from '../../src/cli/gossip-events.ts'
import { Endpoint } from '../../src/endpoint/node.ts'
import { DEFAULT_GOSSIP_PROFILE, Gossip, TopicId } from '../../src/gossip/index.ts'

const OPTIONS: GossipCommandOptions = {
  relays: [],
  bind: ['127.0.0.1:0'],
  topic: TopicId.parse('topic'),
  topicText: 'topic',
  join: [],
  name: 'A',
  alpns: ['/iroh-gossip/1'],
  profile: DEFAULT_GOSSIP_PROFILE,
  isStaying: false,
  waitMs: 10_000,
}

test('the command for others: same topic, same protocols, quoted for a shell', () => {
  expect(joinCommand(OPTIONS, 'endpointab')).toBe('tom gossip topic --join endpointab')
  const alpns = ['/tom-gossip/1', '/iroh-gossip/1']
  expect(joinCommand({ ...OPTIONS, topicText: "it's here; rm -rf", alpns }, 'endpointab')).toBe(
    "tom gossip 'it'\\''s here; rm -rf' --alpn /tom-gossip/1 --alpn /iroh-gossip/1 --join endpointab",
  )
})

/** A node of the library in the same topic, and what comes of `input` when the command joins it. */
async function heardFrom(input: AsyncIterable<Uint8Array>, events: ChatEvent[] = []): Promise<string[]> {
  const endpoint = await Endpoint.bind({ bind: ['127.0.0.1:0'] })
  const swarm = Gossip.on(endpoint, { alpns: ['/tom-gossip/1'] })
  try {
    const topic = swarm.subscribe('topic')
    const heard: string[] = []
    const left = (async () => {
      for await (const event of topic) {
        if (event.kind === 'received') heard.push(new TextDecoder().decode(event.content))
        if (event.kind === 'neighbor-down') return event.reason
      }
      return undefined
    })()
    const output = { stdout: () => {}, stderr: () => {} }
    const reporter = new TextChatReporter(output)
    const run = {
      output,
      reporter: { event: (event: ChatEvent) => events.push(event), note: (line: string) => reporter.note(line) },
      input,
      interrupted: new AbortController().signal,
    }
    const options = { ...OPTIONS, alpns: ['/tom-gossip/1'], join: [endpoint.addr()] }
    await gossip(options, run).catch((error) => heard.push(String(error)))
    expect(await left).toBe('left')
    return heard
  } finally {
    await swarm.close()
    await endpoint.close()
  }
}

test('another ALPN; what is said is JSON with name, author, time, nonce and text', async () => {
  async function* input(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode('hello\nhello\n')
  }
  const events: ChatEvent[] = []
  const [first, second] = (await heardFrom(input(), events)).map((text) => JSON.parse(text))
  const { id } = events[0] as ChatEvent & { event: 'started' }
  const { nonce } = events.find(({ event }) => event === 'said') as ChatEvent & { event: 'said' }
  expect(first).toEqual({ name: 'A', author: id, time: expect.any(Number), nonce, text: 'hello' })
  expect(second.nonce).not.toBe(nonce)
})

test('an input that breaks is a failure, and the topic is left in order all the same', async () => {
  async function* input(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode('hello\n')
    await new Promise((resolve) => setImmediate(resolve))
    throw new Error('EIO')
  }
  const events: ChatEvent[] = []
  // it may break before there is a neighbour who hears that we leave
  async function* afterNeighbor(): AsyncGenerator<Uint8Array> {
    await expect.poll(() => events.some(({ event }) => event === 'neighbor_up'), { timeout: 10_000 }).toBe(true)
    yield* input()
  }
  const heard = await heardFrom(afterNeighbor(), events)
  expect(heard.at(-1)).toBe('Error: EIO')
  expect(JSON.parse(heard[0]!)).toMatchObject({ text: 'hello' })
})
