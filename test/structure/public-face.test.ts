import { expect, expectTypeOf, test } from 'vitest'
import * as browser from '../../src/index.browser.ts'
import * as node from '../../src/index.ts'

test('the public face has these names and no others, in Node and in browsers', () => {
  const names = [
    'ConnectError',
    'ConnectionClosedError',
    'DEFAULT_GOSSIP_PROFILE',
    'Endpoint',
    'EndpointAddr',
    'EndpointError',
    'EndpointId',
    'EndpointTicket',
    'Gossip',
    'GossipError',
    'GossipPeerError',
    'GossipTopic',
    'IdentityError',
    'MemoryLookup',
    'Receipt',
    'RelayUrl',
    'SecretKey',
    'StreamError',
    'TomError',
    'TomNode',
    'TopicId',
    'UPSTREAM_GOSSIP_PROFILE',
  ]
  expect(Object.keys(node).sort()).toEqual(names)
  expect(Object.keys(browser).sort()).toEqual(names)
})

test('the shapes that applications rely on', () => {
  expectTypeOf(node.Endpoint.bind).parameter(0).toEqualTypeOf<node.EndpointOptions | undefined>()
  expectTypeOf<node.EndpointOptions['alpns']>().toEqualTypeOf<readonly (string | Uint8Array)[] | undefined>()
  expectTypeOf<ReturnType<node.Endpoint['connect']>>().resolves.toEqualTypeOf<node.Connection>()
  expectTypeOf<ReturnType<node.Connection['openBi']>>().resolves.toExtend<{
    send: node.SendStream
    recv: node.RecvStream
  }>()
  expectTypeOf<node.RecvStream>().toExtend<AsyncIterable<Uint8Array>>()
  expectTypeOf<node.Connection['closed']>().resolves.toEqualTypeOf<node.ConnectionClosedError>()
  expectTypeOf<'CONNECT_TIMEOUT'>().toExtend<node.ConnectError['code']>()
})
