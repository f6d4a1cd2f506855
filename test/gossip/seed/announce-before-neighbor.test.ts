/** Bug 1 of the article (spec/gossip.md §14.4): an announcement made before there is a neighbour goes nowhere. */
import { expect, test } from 'vitest'
import type { GossipTopic } from '../../../src/gossip/index.ts'
import { bindNode, closeNodesAfterEach, encode, hear, LIMIT } from './nodes.ts'

closeNodesAfterEach()

const TOPIC = 'tom-protocol-poc-discovery-top01'

type Rule = (topic: GossipTopic) => void

/** The naive way: announced once, as soon as the topic is there. */
const once: Rule = (topic) => {
  topic.broadcast(encode('ANNOUNCE|Bob'))
}

/** The rule: again for every neighbour that comes. */
const onEveryNeighbor: Rule = (topic) => {
  once(topic)
  const watch = async (): Promise<void> => {
    for await (const event of topic) if (event.kind === 'neighbor-up') once(topic)
  }
  watch().catch(() => {})
}

/** Bob is there alone and announces himself by the rule; then Alice joins him. What she has heard by the time of a word that Bob says later. */
async function heardByAlice(rule: Rule): Promise<string[]> {
  const [alice, bob] = await Promise.all([bindNode(), bindNode()])
  const his = bob.gossip.subscribe(TOPIC)
  rule(his)
  const hers = alice.gossip.subscribe(TOPIC, { bootstrap: [bob.endpoint.ticket()] })
  const heard = hear(hers)
  await Promise.all([hers.joined(), his.joined()])
  // on the one stream between two nodes nothing overtakes
  await his.broadcast(encode('later'))
  await expect.poll(() => heard, LIMIT).toContain('later')
  return heard.filter((text) => text !== 'later')
}

test('spec/gossip.md §14.4, bug 1: announced once before any neighbour, nobody hears it; announced on every neighbour, it is heard', async () => {
  expect(await heardByAlice(once)).toEqual([])
  expect(await heardByAlice(onEveryNeighbor)).toEqual(['ANNOUNCE|Bob'])
})

test('spec/gossip.md §14.4: equal bytes are one message, so an announcement is repeated with a nonce', async () => {
  const [alice, bob] = await Promise.all([bindNode(), bindNode()])
  const his = bob.gossip.subscribe(TOPIC)
  const hers = alice.gossip.subscribe(TOPIC, { bootstrap: [bob.endpoint.ticket()] })
  const heard = hear(hers)
  await Promise.all([hers.joined(), his.joined()])
  for (const text of ['ANNOUNCE|Bob', 'ANNOUNCE|Bob', 'ANNOUNCE|Bob|1', 'ANNOUNCE|Bob|2', 'later'])
    await his.broadcast(encode(text))
  await expect.poll(() => heard, LIMIT).toContain('later')
  expect(heard).toEqual(['ANNOUNCE|Bob', 'ANNOUNCE|Bob|1', 'ANNOUNCE|Bob|2', 'later'])
})
