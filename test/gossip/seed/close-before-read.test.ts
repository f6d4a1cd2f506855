/** Bug 2 of the article (spec/gossip.md §14.4): closing a connection throws away what the other side has not got yet. */
import { expect, test } from 'vitest'
import type { Connection } from '../../../src/endpoint/index.ts'
import type { Endpoint } from '../../../src/endpoint/node.ts'
import { bind, closeAfterEach } from '../../endpoint/pair.ts'
import { bindNode, closeNodesAfterEach, encode, type GossipNode, hear, LIMIT } from './nodes.ts'

closeAfterEach()
closeNodesAfterEach()

const CHAT_ALPN = 'tom-protocol/poc/chat/0'
const TOPIC = 'tom-protocol-poc-discovery-top01'

type Tell = (connection: Connection, text: string) => Promise<void>

/** The naive way: said is said. */
const andClose: Tell = async (connection, text) => {
  const { send } = await connection.openBi()
  await send.write(encode(text))
  await send.finish()
  connection.close(0, 'told')
}

/** The rule: write, finish, wait for the other side's finish, only then close. */
const untilRead: Tell = async (connection, text) => {
  const { send, recv } = await connection.openBi()
  await send.write(encode(text))
  await send.finish()
  await recv.readToEnd(0)
  connection.close(0, 'told')
}

/** Length of what Bob reads of a message of so many bytes; undefined when his reading fails. */
async function readByBob(tell: Tell, length: number): Promise<number | undefined> {
  const bob: Endpoint = await bind({ alpns: [] })
  let read: number | undefined
  const served = new Promise<void>((resolve) => {
    bob.router().accept(CHAT_ALPN, async (connection) => {
      try {
        const { send, recv } = await connection.acceptBi()
        read = (await recv.readToEnd(1 << 24)).length
        await send.finish()
      } catch {
        // the connection went under him
      }
      resolve()
    })
  })
  const alice = await bind()
  const connection = await alice.connect(bob.ticket(), CHAT_ALPN)
  await tell(connection, 'x'.repeat(length))
  await served
  return read
}

test("spec/gossip.md §14.4, bug 2: a stream's message is lost when its sender closes at once, and read when it waits for the other side's finish", async () => {
  const length = 1 << 20
  expect(await readByBob(andClose, length)).toBeUndefined()
  expect(await readByBob(untilRead, length)).toBe(length)
  // short ones fit into the first packet; they must not need luck either
  expect(await readByBob(untilRead, 5)).toBe(5)
})

type Leave = (node: GossipNode) => Promise<void>

/** The naive way: the endpoint goes, and the connections with it. */
const cutOff: Leave = ({ endpoint }) => endpoint.close()

/** The rule: leave the topics, wait for acknowledgements, only then the endpoint. */
const inOrder: Leave = async ({ gossip, endpoint }) => {
  await gossip.close()
  await endpoint.close()
}

const MESSAGES = 200

/** How many of Bob's last messages Alice hears when he leaves right after the last. */
async function heardByAlice(leave: Leave): Promise<number> {
  const [alice, bob] = await Promise.all([bindNode(), bindNode()])
  const hers = alice.gossip.subscribe(TOPIC)
  const heard = hear(hers)
  const his = bob.gossip.subscribe(TOPIC, { bootstrap: [alice.endpoint.ticket()] })
  await Promise.all([hers.joined(), his.joined()])
  const filler = 'x'.repeat(4_000)
  for (let message = 0; message < MESSAGES; message++) await his.broadcast(encode(`${message}|${filler}`))
  await leave(bob)
  // whichever way he went, she knows it when everything that could come has come
  await expect.poll(() => hers.neighbors().length, LIMIT).toBe(0)
  return heard.length
}

test('spec/gossip.md §3.8 C8, §14.4, bug 2: broadcasts right before leaving are lost with the endpoint, and heard when gossip is closed first', async () => {
  expect(await heardByAlice(cutOff)).toBeLessThan(MESSAGES)
  expect(await heardByAlice(inOrder)).toBe(MESSAGES)
})
