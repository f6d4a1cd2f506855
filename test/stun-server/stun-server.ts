/**
 * A STUN server for tests and the lab (RFC 8489, RFC 5780): Binding requests, CHANGE-REQUEST and OTHER-ADDRESS as far as its sockets allow. It decodes and encodes with our codec, which has
 * vectors of others to be right by.
 */
import { createSocket, type Socket } from 'node:dgram'
import {
  formatIp,
  formatSocketAddress,
  parseIp,
  parseSocketAddress,
  type SocketAddress,
} from '../../src/bytes/index.ts'
import { decodeStun, encodeStun, type StunMessage, StunType } from '../../src/holepunch/stun/message.ts'

const CHANGE_REQUEST = 0x0003

export interface StunServerOptions {
  /** `ip:port`; port 0 = any. Four that are two addresses with the same two ports make a complete server. */
  readonly bind: readonly string[]
  /** Default true. */
  readonly withFingerprint?: boolean
  /** Default true; false: an ordinary public server, which knows no CHANGE-REQUEST and has no other address. */
  readonly withBehaviourDiscovery?: boolean
}

interface Listener {
  readonly socket: Socket
  readonly address: SocketAddress
}

export class StunServer {
  /** Requests that were answered, by the address that was asked. */
  readonly requests: string[] = []
  /** Set: nothing is answered. */
  isSilent = false
  readonly #listeners: Listener[]
  readonly #options: StunServerOptions

  static async start(options: StunServerOptions): Promise<StunServer> {
    const listeners: Listener[] = []
    try {
      for (const text of options.bind) listeners.push(await listen(parseSocketAddress(text)))
    } catch (error) {
      for (const { socket } of listeners) socket.close()
      throw error
    }
    return new StunServer(listeners, options)
  }

  private constructor(listeners: Listener[], options: StunServerOptions) {
    this.#listeners = listeners
    this.#options = options
    for (const listener of listeners)
      listener.socket.on('message', (data, remote) => {
        const message = decodeStun(data)
        if (this.isSilent || message?.type !== StunType.request) return
        this.#answer(message, listener, { ip: parseIp(remote.address), port: remote.port })
      })
  }

  /** `ip:port` of each socket, in the order of `bind`. */
  get addresses(): string[] {
    return this.#listeners.map(({ address }) => formatSocketAddress(address))
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#listeners.map(({ socket }) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    )
  }

  #answer(message: StunMessage, asked: Listener, from: SocketAddress): void {
    const { withFingerprint = true, withBehaviourDiscovery = true } = this.#options
    const { transactionId, changeRequest } = message
    this.requests.push(formatSocketAddress(asked.address))
    const isChange = changeRequest !== undefined && (changeRequest.ip || changeRequest.port)
    const sender = isChange
      ? withBehaviourDiscovery
        ? this.#find(asked.address, changeRequest.ip, changeRequest.port)
        : undefined
      : asked
    const unknown = [...message.unknownRequired, ...(sender === undefined ? [CHANGE_REQUEST] : [])]
    if (sender === undefined || unknown.length > 0) {
      send(asked, from, {
        type: StunType.error,
        error: { code: 420, reason: 'Unknown Attribute' },
        unknownAttributes: unknown,
      })
      return
    }
    const other = withBehaviourDiscovery ? this.#find(asked.address, true, true)?.address : undefined
    send(sender, from, {
      type: StunType.success,
      mapped: from,
      ...(other === undefined ? {} : { responseOrigin: sender.address, otherAddress: other }),
    })

    function send(
      by: Listener,
      to: SocketAddress,
      rest: Omit<Parameters<typeof encodeStun>[0], 'transactionId'>,
    ): void {
      by.socket.send(encodeStun({ transactionId, withFingerprint, ...rest }), to.port, formatIp(to.ip))
    }
  }

  /** The socket that differs from `address` in just what was asked for. */
  #find({ ip, port }: SocketAddress, isOtherIp: boolean, isOtherPort: boolean): Listener | undefined {
    const own = formatIp(ip)
    return this.#listeners.find(
      ({ address }) => (formatIp(address.ip) !== own) === isOtherIp && (address.port !== port) === isOtherPort,
    )
  }
}

function listen({ ip, port }: SocketAddress): Promise<Listener> {
  const socket = createSocket(ip.length === 4 ? 'udp4' : 'udp6')
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address: formatIp(ip), port, exclusive: true }, () => {
      socket.off('error', reject)
      resolve({ socket, address: { ip, port: socket.address().port } })
    })
  })
}

/** A complete server on two addresses, with two free ports that both have. */
export async function startCompleteServer(
  first = '127.0.0.1',
  second = '127.0.0.2',
  options: Omit<StunServerOptions, 'bind'> = {},
): Promise<StunServer> {
  for (let attempt = 0; ; attempt++) {
    const probe = await StunServer.start({ bind: [`${first}:0`, `${first}:0`] })
    const [one, two] = probe.addresses.map((address) => address.slice(address.lastIndexOf(':') + 1))
    await probe.close()
    try {
      return await StunServer.start({
        bind: [`${first}:${one}`, `${first}:${two}`, `${second}:${one}`, `${second}:${two}`],
        ...options,
      })
    } catch (error) {
      if (attempt === 9) throw error
    }
  }
}
