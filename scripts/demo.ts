/**
 * `npm run demo`: a node in TypeScript and a native iroh node (npm `@number0/iroh`) on the loopback interface. Each dials the other by its
 * key and has a message echoed. No Internet is needed; it ends with code 0 only when both roles worked.
 */
import { createRequire } from 'node:module'
import type { Connection as IrohConnection, Endpoint as IrohEndpoint } from '@number0/iroh'
import { type Connection, Endpoint, EndpointAddr, EndpointId } from '../src/index.ts'

const ALPN = 'tom/demo/1'
const BYTES = 1024 * 1024
const LIMIT_MS = 14_000
const LOOPBACK = '127.0.0.1:0'
const SUITES: Readonly<Record<number, string>> = {
  4865: 'TLS_AES_128_GCM_SHA256',
  4866: 'TLS_AES_256_GCM_SHA384',
  4867: 'TLS_CHACHA20_POLY1305_SHA256',
}

const require = createRequire(import.meta.url)
const message = Uint8Array.from({ length: BYTES }, (_, index) => index * 31 + 7)

/** What our node saw of a connection. */
function describe(connection: Connection): string {
  const suite = SUITES[connection.stats().cipherSuite] ?? 'an unknown cipher'
  const [path] = connection.paths()
  return `ALPN ${connection.alpnText}, ${suite}, path ${path?.remote} (${path?.rttMs.toFixed(1)} ms)`
}

function check(echoed: ArrayLike<number>): void {
  if (echoed.length !== BYTES) throw new Error(`the echo has ${echoed.length} bytes instead of ${BYTES}`)
  for (let index = 0; index < BYTES; index++)
    if (echoed[index] !== message[index]) throw new Error(`byte ${index} of the echo is wrong`)
}

function since(begin: number): string {
  return `${(performance.now() - begin).toFixed(0)} ms`
}

// the TypeScript node

async function openOurs(): Promise<Endpoint> {
  const endpoint = await Endpoint.bind({ bind: [LOOPBACK] })
  endpoint.router().accept(ALPN, async (connection) => {
    const { send, recv } = await connection.acceptBi()
    for await (const chunk of recv) await send.write(chunk)
    await send.finish()
    console.log(`   our side: accepted ${connection.remoteId.toShortString()}, ${describe(connection)}`)
  })
  return endpoint
}

async function weDial(ours: Endpoint, theirs: IrohEndpoint): Promise<void> {
  const addr = new EndpointAddr(EndpointId.parse(theirs.id().toString())).withIp(addressOf(theirs))
  let begin = performance.now()
  const connection = await ours.connect(addr, ALPN)
  console.log(`   connected in ${since(begin)}: ${describe(connection)}`)
  begin = performance.now()
  const { send, recv } = await connection.openBi()
  const sending = send.write(message).then(() => send.finish())
  const [echoed] = await Promise.all([recv.readToEnd(BYTES), sending])
  check(echoed)
  console.log(`   echo of ${BYTES.toLocaleString('en')} bytes in ${since(begin)}, every byte equal`)
  connection.close(0, 'done')
}

// the native node

async function openTheirs(): Promise<IrohEndpoint> {
  // CommonJS with a native addon, hence not a static import.
  const iroh = require('@number0/iroh/index.js') as typeof import('@number0/iroh')
  const builder = iroh.Endpoint.builder()
  builder.applyMinimal()
  builder.relayMode(iroh.RelayMode.disabled())
  // Both families, or it opens a wildcard socket for the one that is missing.
  builder.bindAddr(LOOPBACK)
  builder.bindAddr('[::1]:0')
  builder.alpns([[...Buffer.from(ALPN)]])
  return builder.bind()
}

async function serveTheirs(theirs: IrohEndpoint): Promise<void> {
  const incoming = await theirs.acceptNext()
  const connection = await (await incoming!.accept()).connect()
  const { send, recv } = await connection.acceptBi()
  await send.writeAll(await recv.readToEnd(BYTES))
  await send.finish()
  await connection.closed()
}

async function theyDial(theirs: IrohEndpoint, ours: Endpoint): Promise<void> {
  const iroh = require('@number0/iroh/index.js') as typeof import('@number0/iroh')
  const id = iroh.EndpointId.fromString(String(ours.id))
  let begin = performance.now()
  const connection: IrohConnection = await theirs.connect(new iroh.EndpointAddr(id, null, ours.boundAddresses()), [
    ...Buffer.from(ALPN),
  ])
  console.log(`   connected in ${since(begin)} to ${connection.remoteId().fmtShort()}`)
  begin = performance.now()
  const { send, recv } = await connection.openBi()
  const sending = send.writeAll([...message]).then(() => send.finish())
  const [echoed] = await Promise.all([recv.readToEnd(BYTES), sending])
  check(echoed)
  console.log(`   echo of ${BYTES.toLocaleString('en')} bytes in ${since(begin)}, every byte equal`)
  connection.close(0n, [...Buffer.from('done')])
}

function addressOf(theirs: IrohEndpoint): string {
  const address = theirs.boundSockets().find((socket) => socket.startsWith('127.'))
  if (address === undefined) throw new Error('iroh has no socket on 127.0.0.1')
  return address
}

async function demo(): Promise<void> {
  const { version } = require('@number0/iroh/package.json') as { version: string }
  const [ours, theirs] = await Promise.all([openOurs(), openTheirs()])
  console.log(`TypeScript node   ${ours.id.toShortString()} at ${ours.boundAddresses()[0]}`)
  console.log(`native iroh node  ${theirs.id().fmtShort()} at ${addressOf(theirs)} (npm @number0/iroh ${version})`)
  console.log(`\n1. The TypeScript node dials the key ${theirs.id()}`)
  await Promise.all([serveTheirs(theirs), weDial(ours, theirs)])
  console.log(`\n2. The iroh node dials the key ${ours.id}`)
  await theyDial(theirs, ours)
  await Promise.all([ours.close(), theirs.close()])
}

setTimeout(() => {
  console.error(`\ndemo failed: it took longer than ${LIMIT_MS / 1000} s; run it again on a machine with less to do`)
  process.exit(1)
}, LIMIT_MS)

demo().then(
  () => {
    console.log('\nboth roles work')
    process.exit(0)
  },
  (error: unknown) => {
    console.error(`\ndemo failed: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  },
)
