import { expect, test } from 'vitest'
import type { Connection } from '../../../src/endpoint/index.ts'
import { newCounters } from '../../../src/gossip/net/metrics.ts'
import { type LinkHost, PeerLink } from '../../../src/gossip/net/peer-link.ts'
import { NET_SETTINGS } from '../../../src/gossip/net/settings.ts'
import { TokenBucket } from '../../../src/gossip/net/token-bucket.ts'
import { TopicId } from '../../../src/gossip/topic-id.ts'
import { encodeFrame, encodeHeader } from '../../../src/gossip/wire/frames.ts'
import { KeyCheck } from '../../../src/gossip/wire/key-check.ts'
import { encodeMessage } from '../../../src/gossip/wire/message-codec.ts'
import { SecretKey } from '../../../src/identity/index.ts'

const TOPIC = TopicId.fromName('topic')
const { id } = SecretKey.generate()
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function setUp() {
  const heard: string[] = []
  const host = {
    settings: { ...NET_SETTINGS, maxConnectionsPerPeer: 2 },
    counters: newCounters(),
    maxMessageSize: 4096,
    keyCheck: new KeyCheck(),
    keyBudget: new TokenBucket(1, 1, 0),
    now: () => 0,
    defer: (callback: () => void) => setImmediate(callback),
    topic: () => ({
      receive: (_from: string, { kind }: { kind: string }) => {
        heard.push(kind)
        return true
      },
    }),
    needs: () => true,
    incomingStreams: () => 100,
    report: (error: unknown) => heard.push(`${error}`),
    reportPeer: () => {},
    flushLater: () => {},
    schedule: () => {},
    pressureChanged: () => {},
    settled: () => {},
    gaveUp: () => {},
    lost: () => heard.push('lost'),
    forget: () => heard.push('forgotten'),
  } satisfies LinkHost & Record<string, unknown>
  return { heard, link: new PeerLink(id, host) }
}

/** A connection that ends when it is closed; `streams` came before that. */
function connect(streams: readonly { read: () => Promise<Uint8Array | undefined> }[] = []) {
  const waiting = [...streams]
  let end: (error: Error) => void = () => {}
  const closed = new Promise<Error>((resolve) => {
    end = resolve
  })
  const connection = {
    remoteId: id,
    closed,
    closeReason: undefined as Error | undefined,
    closedWith: [] as string[],
    limitSendBuffer: () => {},
    allowIncomingUni: () => {},
    acceptUni: async () => waiting.shift() ?? Promise.reject(await closed),
    close: (_code: number, reason: string) => {
      connection.closedWith.push(reason)
      connection.closeReason = new Error(reason)
      end(connection.closeReason)
    },
  }
  return connection
}

test('spec/gossip.md §3.8: what came before the end of a connection is read before the peer counts as lost', async () => {
  const { heard, link } = setUp()
  const chunks = [encodeHeader(TOPIC), encodeFrame(encodeMessage({ kind: 'disconnect', alive: false }))]
  const stream = {
    read: async () => {
      await turn()
      return chunks.shift()
    },
  }
  const connection = connect([stream])
  link.add(connection as unknown as Connection)
  connection.close(0, '')
  for (let turns = 0; turns < 6; turns++) await turn()
  expect(heard).toEqual(['disconnect', 'lost'])
})

test('spec/gossip.md §3.3, §3.8 C2, C7: the newest that lives is sent on; only the loss of all is a loss', async () => {
  const { heard, link } = setUp()
  const [one, two, three] = [connect(), connect(), connect()]
  link.add(one as unknown as Connection)
  link.add(two as unknown as Connection)
  expect(link.connection).toBe(two)
  two.close(0, 'lost')
  // at once, not only when all that came on it was read
  expect(link.connection).toBe(one)
  await turn()
  expect(heard).toEqual([])
  link.add(three as unknown as Connection)
  const four = connect()
  link.add(four as unknown as Connection)
  // too many: the oldest goes
  expect(one.closedWith).toEqual(['too many connections'])
  await turn()
  expect(link.connection).toBe(four)
  for (const each of [three, four]) each.close(0, '')
  await turn()
  expect(heard).toEqual(['lost'])
})

test('spec/gossip.md §3.8 C4: a link that we close is no loss', async () => {
  const { heard, link } = setUp()
  const connection = connect()
  const ended = link.add(connection as unknown as Connection)
  link.close('done')
  await ended
  expect(connection.closedWith).toEqual(['done'])
  expect(heard).toEqual(['forgotten'])
})
