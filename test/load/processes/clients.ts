/** Thousands of light clients in one process: idle ones, those that do not read, those that flood, and strangers that never become clients. */
import { datagramMessage, type Leaving, LightClient, type Target } from '../light-client.ts'
import { Stranger, type StrangerKind } from '../strangers.ts'
import { answer } from './answer.ts'

/** Handshakes under way at once. */
const CONCURRENCY = 32

const clients: LightClient[] = []
const strangers: Stranger[] = []

const commands = {
  /** So many more, each with a key of its own. Resolves with their ids, hex, when all are in. */
  join: async ({ target, count, answersPings }: { target: Target; count: number; answersPings: boolean }) => {
    const ids: string[] = []
    const joinOneByOne = async (): Promise<void> => {
      while (count-- > 0) {
        const client = await LightClient.join(target, answersPings)
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

  leave: ({ how }: { readonly how: Leaving }) => {
    for (const client of clients) client.leave(how)
  },

  look: () => ({
    ended: clients.filter(({ isEnded }) => isEnded).length,
    /** Clients that the server has pinged. */
    pinged: clients.filter(({ pings }) => pings > 0).length,
    pongs: clients.reduce((sum, { pongs }) => sum + pongs, 0),
  }),

  /** So many more of each kind. */
  intrude: ({ target, kinds, count }: { target: Target; kinds: readonly StrangerKind[]; count: number }) => {
    for (let number = 0; number < count; number++) {
      for (const kind of kinds) strangers.push(new Stranger(target, kind))
    }
  },

  strangers: () => ({
    connected: strangers.filter(({ isConnected }) => isConnected).length,
    ended: strangers.filter(({ isEnded }) => isEnded).length,
  }),
}

export type ClientsCommands = typeof commands

answer(commands)
