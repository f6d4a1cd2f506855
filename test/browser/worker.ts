/**
 * What runs in the Worker of a test page: an endpoint of the browser's public face, and the tasks that a test asks for. It is bundled, so nothing of
 * Node may be imported here.
 */
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'
import { type Connection, Endpoint, SecretKey } from '../../src/index.browser.ts'
import { Fnv, PatternCheck, patternPieces } from '../interop/pattern.ts'
import { cryptoWalk } from './crypto-walk.ts'
import type { Accepted, Answer, Bound, Request, Tasks } from './tasks.ts'

const DATAGRAM = 400

let endpoint: Endpoint | undefined
let kept: Connection | undefined
const accepted: Accepted[] = []

function bound(): Endpoint {
  if (endpoint === undefined) throw new Error('no endpoint is bound')
  return endpoint
}

const tasks: Tasks = {
  crypto: async () => ({ outcome: cryptoWalk(createPortableCrypto()), hasWebAssembly: compiles() }),

  sign: async ({ text }) => {
    const key = SecretKey.generate()
    const signer = createPortableCrypto().signer(key.toBytes())
    const signature = signer.sign(new TextEncoder().encode(text))
    signer.free()
    return { id: key.id.toString(), signature: [...signature] }
  },

  bind: async ({ relays }) => {
    endpoint = await Endpoint.bind({ relays, onError: (error) => console.error('endpoint:', String(error)) })
    endpoint.router().accept('tom/echo/1', serve)
    return about(endpoint)
  },

  online: async ({ timeoutMs }) => {
    await bound().online({ timeoutMs })
    return about(bound())
  },

  dial: async ({ ticket, alpn, bytes, datagrams, timeoutMs }) => {
    const begin = performance.now()
    const connection = await bound().connect(ticket, alpn, { timeoutMs })
    const connectMs = performance.now() - begin
    try {
      await echo(connection, bytes)
      const answered = await echoDatagrams(connection, datagrams)
      const paths = connection.paths().map(({ kind, remote, selected }) => ({ kind, remote, selected }))
      const remoteId = connection.remoteId.toString()
      return { remoteId, datagrams: answered, paths, rttMs: connection.rtt(), connectMs }
    } finally {
      connection.close(0, 'done')
    }
  },

  keep: async ({ ticket, timeoutMs }) => {
    kept = await bound().connect(ticket, 'tom/echo/1', { timeoutMs })
  },

  again: async ({ bytes }) => {
    if (kept === undefined) throw new Error('no connection was kept')
    await echo(kept, bytes)
  },

  accepted: async () => accepted,

  close: async () => {
    await endpoint?.close()
    endpoint = undefined
  },
}

function about(endpoint: Endpoint): Bound {
  const relays = endpoint.addr().relayUrls.map(({ href }) => href)
  return { id: endpoint.id.toString(), ticket: endpoint.ticket().toString(), relays }
}

function compiles(): boolean {
  try {
    // The smallest module there is.
    return new WebAssembly.Module(Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0)) !== undefined
  } catch {
    return false
  }
}

/** Sends `bytes` of the pattern on one stream and checks every byte that comes back. */
async function echo(connection: Connection, bytes: number): Promise<void> {
  const { send, recv } = await connection.openBi()
  const sending = async (): Promise<void> => {
    for (const piece of patternPieces(bytes)) await send.write(piece)
    await send.finish()
  }
  const receiving = async (): Promise<void> => {
    const check = new PatternCheck()
    for await (const chunk of recv) check.update(chunk)
    if (check.received !== bytes) throw new Error(`expected ${bytes} bytes back, got ${check.received}`)
  }
  await Promise.all([sending(), receiving()])
}

/** One after the other; a lost one is not sent again. Returns how many came back whole. */
async function echoDatagrams(connection: Connection, count: number): Promise<number> {
  let answered = 0
  for (let index = 0; index < count; index++) {
    const datagram = Uint8Array.from({ length: DATAGRAM }, (_, at) => at * 31 + index)
    connection.sendDatagram(datagram)
    const answer = await connection.readDatagram({ signal: AbortSignal.timeout(3000) })
    if (answer.length === DATAGRAM && answer.every((byte, at) => byte === datagram[at])) answered++
  }
  return answered
}

/** Echoes streams and datagrams of whoever dialled the page, until the connection ends. */
async function serve(connection: Connection): Promise<void> {
  const hash = new Fnv()
  const streams = async (): Promise<never> => {
    for (;;) {
      const { send, recv } = await connection.acceptBi()
      for await (const chunk of recv) {
        hash.update(chunk)
        await send.write(chunk)
      }
      await send.finish()
    }
  }
  const datagrams = async (): Promise<never> => {
    for (;;) connection.sendDatagram(await connection.readDatagram())
  }
  await Promise.allSettled([streams(), datagrams()])
  accepted.push({ remoteId: connection.remoteId.toString(), bytes: hash.bytes, hash: hash.hex })
}

async function run({ number, task, args }: Request): Promise<Answer> {
  try {
    const work = tasks[task] as (args: unknown) => Promise<unknown>
    return { number, value: await work(args) }
  } catch (error) {
    const code = (error as { code?: unknown }).code
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    return { number, error: typeof code === 'string' ? `${code}: ${text}` : text }
  }
}

self.onmessage = async ({ data }: MessageEvent<Request>) => self.postMessage(await run(data))
self.postMessage('ready')
