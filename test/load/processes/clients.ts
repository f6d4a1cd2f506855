/** Thousands of light clients in one process: idle ones, those that do not read, those that flood, and strangers that never become clients. */
import { datagramMessage, type Leaving, LightClient, type Target } from '../light-client.ts'
import { intruder, STRANGERS, type StrangerKind } from '../strangers.ts'
import { answer } from './answer.ts'

/** Handshakes under way at once. */
const CONCURRENCY = 32

const clients: LightClient[] = []
const intrusions = Object.fromEntries(STRANGERS.map((kind) => [kind, { made: 0, left: 0 }])) as Record<
  StrangerKind,
  { made: number; left: number }
>
let isPersistent = true

function intrude(target: Target, kind: StrangerKind): void {
  const count = intrusions[kind]
  count.left++
  intruder(
    target,
    kind,
    () => count.made++,
    () => {
      count.left--
      if (isPersistent) intrude(target, kind)
    },
  )
}

const commands = {
  /** So many more, each with a key of its own. Resolves with their ids, hex, when all are in. */
  join: async ({ target, count, pongDelayMs }: { target: Target; count: number; pongDelayMs: number | null }) => {
    const ids: string[] = []
    const joinOneByOne = async (): Promise<void> => {
      while (count-- > 0) {
        const client = await LightClient.join(target, pongDelayMs)
        clients.push(client)
        ids.push(Buffer.from(client.id).toString('hex'))
      }
    }
    await Promise.all(Array.from({ length: Math.min(CONCURRENCY, count) }, joinOneByOne))
    return ids
  },

  /** Each sends one ping. */
  ping: () => {
    for (const client of clients) client.ping()
  },

  /** Each sends one datagram. */
  send: ({ to, contents }: { readonly to: string; readonly contents: string }) => {
    const message = datagramMessage(Buffer.from(to, 'hex'), Buffer.from(contents))
    for (const client of clients) client.send(message)
  },

  /** The first client sends so many bytes to each, in datagrams of 1,200. Resolves when the system has taken all. */
  flood: async ({ to, bytesEach }: { readonly to: readonly string[]; readonly bytesEach: number }) => {
    const contents = Buffer.alloc(1200)
    const perWrite = 40
    const writes = to.map((id) => {
      const message = datagramMessage(Buffer.from(id, 'hex'), contents)
      return Buffer.concat(Array.from({ length: perWrite }, () => message))
    })
    for (let sent = 0; sent < bytesEach; sent += perWrite * contents.length) {
      for (const write of writes) await clients[0]!.send(write)
    }
  },

  pause: () => {
    for (const client of clients) client.pause()
  },

  resume: () => {
    for (const client of clients) client.resume()
  },

  /** All leave, and are forgotten here. */
  leave: ({ how }: { readonly how: Leaving }) => {
    for (const client of clients.splice(0)) client.leave(how)
  },

  look: () => {
    const total = (count: (client: LightClient) => number): number => clients.reduce((sum, one) => sum + count(one), 0)
    return {
      ended: total(({ isEnded }) => Number(isEnded)),
      /** Clients that the relay has pinged. */
      pinged: total(({ pings }) => Number(pings > 0)),
      pongs: total(({ pongs }) => pongs),
      datagrams: total(({ datagrams }) => datagrams),
      gone: total(({ gone }) => gone),
    }
  },

  /** So many of each kind. Whoever is cut off comes again, until `giveUp`. */
  intrude: ({ target, count }: { readonly target: Target; readonly count: number }) => {
    for (let number = 0; number < count; number++) for (const kind of STRANGERS) intrude(target, kind)
  },

  giveUp: () => {
    isPersistent = false
  },

  /** Of each kind: connections made, and those that are still there. */
  intrusions: () => intrusions,
}

export type ClientsCommands = typeof commands

answer(commands)
