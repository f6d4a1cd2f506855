/** The UDP sockets of an endpoint: bound at the start, and again when the system took one away (after sleep, or when an IP family comes and goes). */
import { formatIp, messageOf, parseSocketAddress, type SocketAddress } from '../bytes/index.ts'
import type { Driver } from '../driver/index.ts'
import type { Platform, UdpSocket } from '../platform/index.ts'
import { EndpointError } from './errors.ts'

const DEFAULT_BIND: readonly string[] = ['0.0.0.0:0', '[::]:0']

interface Wanted {
  readonly text: string
  readonly host: string
  /** What the application asked for; 0 = any. */
  readonly port: number
  readonly mayBeMissing: boolean
  socket: UdpSocket | undefined
  /** Where it was bound, to be bound there again. */
  boundPort: number
}

export class EndpointSockets {
  readonly #platform: Platform
  readonly #wanted: Wanted[]
  #driver: Driver | undefined = undefined

  /** Throws EndpointError INVALID_OPTION for what is no `ip:port`. */
  constructor(platform: Platform, bind: readonly string[] | undefined) {
    this.#platform = platform
    this.#wanted = (bind ?? DEFAULT_BIND).map((text, index) => {
      const { ip, port } = parse(text)
      // not every system has IPv6; by default it may be missing
      return {
        text,
        host: formatIp(ip),
        port,
        mayBeMissing: bind === undefined && index > 0,
        socket: undefined,
        boundPort: 0,
      }
    })
  }

  /** Rejects with EndpointError BIND_FAILED. */
  async bind(driver: Driver): Promise<void> {
    this.#driver = driver
    for (const wanted of this.#wanted) {
      try {
        await this.#bindOne(wanted, wanted.port)
      } catch (error) {
        if (wanted.mayBeMissing) continue
        const message = `cannot bind ${wanted.text}: ${messageOf(error)}; choose another address, or port 0 for any`
        throw new EndpointError('BIND_FAILED', message, { cause: error })
      }
    }
  }

  /** The port that the application asked the IPv4 socket to have; undefined when it left the choice to the system. */
  get configuredPortV4(): number | undefined {
    const port = this.#wanted.find(({ host }) => !host.includes(':'))?.port
    return port === 0 ? undefined : port
  }

  /** Nothing outside this host can be reached. */
  get isLoopbackOnly(): boolean {
    return this.#wanted.length > 0 && this.#wanted.every(({ host }) => host.startsWith('127.') || host === '::1')
  }

  lost(socket: UdpSocket): void {
    for (const wanted of this.#wanted) if (wanted.socket === socket) wanted.socket = undefined
  }

  /** Binds what is missing, where it was before if it can. Never rejects: the next change of the network is the next chance. True when there is a new socket. */
  async rebind(): Promise<boolean> {
    let isNew = false
    for (const wanted of this.#wanted) {
      if (wanted.socket !== undefined) continue
      for (const port of new Set([wanted.boundPort, wanted.port])) {
        try {
          await this.#bindOne(wanted, port)
          isNew = true
          break
        } catch {
          // the family may still be missing
        }
      }
    }
    return isNew
  }

  async #bindOne(wanted: Wanted, port: number): Promise<void> {
    const socket = await this.#platform.bindUdp({ host: wanted.host, port })
    const driver = this.#driver
    if (driver === undefined) {
      await socket.close()
      return
    }
    wanted.socket = socket
    wanted.boundPort = socket.port
    driver.addSocket(socket)
  }

  /** No socket is bound from now on. */
  close(): void {
    this.#driver = undefined
  }
}

function parse(text: string): SocketAddress {
  try {
    return parseSocketAddress(text)
  } catch (error) {
    throw new EndpointError('INVALID_OPTION', `bind: ${messageOf(error)}`, { cause: error })
  }
}
