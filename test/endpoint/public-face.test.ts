/** The types of the public face, as the design states it: a change that breaks users' programs breaks this file first. */
import { expectTypeOf, test } from 'vitest'
import {
  type BiStream,
  type Connection,
  Endpoint,
  type EndpointAddr,
  type EndpointId,
  type EndpointTicket,
  type Incoming,
  type RecvStream,
  type Router,
  SecretKey,
  type SendStream,
} from '../../src/index.ts'

test('binding: every option has a default, and unknown ones are refused', () => {
  expectTypeOf(Endpoint.bind).toBeCallableWith()
  expectTypeOf(Endpoint.bind).toBeCallableWith({
    secretKey: SecretKey.fromBytes(new Uint8Array(32)),
    alpns: ['chat/1', new Uint8Array(3)],
    relays: [],
    bind: ['0.0.0.0:0', '[::]:0'],
  })
  expectTypeOf(Endpoint.bind).returns.resolves.toEqualTypeOf<Endpoint>()
})

test('an endpoint', () => {
  expectTypeOf<Endpoint>().toHaveProperty('id').toEqualTypeOf<EndpointId>()
  expectTypeOf<Endpoint['addr']>().returns.toEqualTypeOf<EndpointAddr>()
  expectTypeOf<Endpoint['ticket']>().returns.toEqualTypeOf<EndpointTicket>()
  expectTypeOf<Endpoint['online']>().returns.toEqualTypeOf<Promise<void>>()
  expectTypeOf<Endpoint['connect']>().parameter(0).toEqualTypeOf<EndpointAddr | EndpointTicket | EndpointId | string>()
  expectTypeOf<Endpoint['connect']>().parameter(1).toEqualTypeOf<string | Uint8Array>()
  expectTypeOf<Endpoint['connect']>().returns.resolves.toEqualTypeOf<Connection>()
  expectTypeOf<Endpoint['incoming']>().returns.toExtend<AsyncIterable<Incoming>>()
  expectTypeOf<Endpoint['router']>().returns.toEqualTypeOf<Router>()
  expectTypeOf<Endpoint['close']>().returns.toEqualTypeOf<Promise<void>>()
  expectTypeOf<Endpoint>().toExtend<AsyncDisposable>()
})

test('a connection and its streams: bytes are Uint8Array, waits take a signal', () => {
  expectTypeOf<Connection['openBi']>().returns.resolves.toEqualTypeOf<BiStream>()
  expectTypeOf<NonNullable<Parameters<Connection['acceptBi']>[0]>>().toEqualTypeOf<{
    readonly signal?: AbortSignal | undefined
  }>()
  expectTypeOf<BiStream>().toExtend<{ send: SendStream; recv: RecvStream }>()
  expectTypeOf<SendStream['write']>().parameter(0).toEqualTypeOf<Uint8Array>()
  expectTypeOf<SendStream>().toHaveProperty('writable').toEqualTypeOf<WritableStream<Uint8Array>>()
  expectTypeOf<RecvStream>().toExtend<AsyncIterable<Uint8Array>>()
  expectTypeOf<RecvStream['read']>().returns.resolves.toEqualTypeOf<Uint8Array | undefined>()
  expectTypeOf<RecvStream['readToEnd']>().returns.resolves.toEqualTypeOf<Uint8Array>()
  expectTypeOf<RecvStream>().toHaveProperty('readable').toEqualTypeOf<ReadableStream<Uint8Array>>()
  expectTypeOf<Connection['sendDatagram']>().parameter(0).toEqualTypeOf<Uint8Array>()
  expectTypeOf<Connection['readDatagram']>().returns.resolves.toEqualTypeOf<Uint8Array>()
  expectTypeOf<Connection['rtt']>().returns.toEqualTypeOf<number>()
  expectTypeOf<Connection['paths']>().returns.items.toExtend<{
    id: number
    kind: 'relay' | 'direct'
    remote: string
    rttMs: number
    mtu: number
    selected: boolean
  }>()
  expectTypeOf<Connection>().toHaveProperty('remoteId').toEqualTypeOf<EndpointId>()
})
