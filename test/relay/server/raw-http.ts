/** HTTP by hand: bytes to a port and bytes from there, so that a test sees what a client sees. */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'

/** A wait that takes longer has failed, ms. */
const WAIT_LIMIT_MS = 8000

export interface RawOptions {
  readonly host?: string
  /** PEM: TLS, trusting this. */
  readonly ca?: string
  readonly servername?: string
}

export class RawConnection {
  readonly socket: Socket
  /** All that came, latin1. */
  text = ''
  isClosed = false
  #changed: () => void = () => {}

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.text += text
      this.#changed()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.isClosed = true
      this.#changed()
    })
  }

  static async open(port: number, { host = '127.0.0.1', ca, servername }: RawOptions = {}): Promise<RawConnection> {
    const socket =
      ca === undefined
        ? connectTcp({ host, port })
        : connectTls({ host, port, ca, ...(servername === undefined ? {} : { servername }) })
    onTestFinished(() => void socket.destroy())
    const connection = new RawConnection(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once(ca === undefined ? 'connect' : 'secureConnect', resolve)
      socket.once('error', reject)
    })
    return connection
  }

  get tls(): TLSSocket {
    return this.socket as TLSSocket
  }

  send(...lines: string[]): void {
    this.socket.write(`${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
  }

  async until(done: () => boolean, what: string): Promise<void> {
    const limit = performance.now() + WAIT_LIMIT_MS
    while (!done()) {
      if (performance.now() > limit)
        throw new Error(`waited in vain for ${what}; there was ${JSON.stringify(this.text)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100)
        this.#changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Until the other side closes. */
  async rest(): Promise<string> {
    await this.until(() => this.isClosed, 'the end of the connection')
    return this.text
  }

  /** The head of the answer, with its lines. */
  async head(): Promise<string[]> {
    await this.until(() => this.text.includes('\r\n\r\n'), 'the head of an answer')
    return this.text.slice(0, this.text.indexOf('\r\n\r\n')).split('\r\n')
  }
}

/** One request on a connection of its own; the answer as it came, without its date. */
export async function ask(port: number, lines: readonly string[], options: RawOptions = {}): Promise<string> {
  const connection = await RawConnection.open(port, options)
  connection.send(...lines)
  return (await connection.rest()).replace(/\r\nDate: [^\r]+/, '')
}

/** The least a relay client must send. */
export function upgradeLines(change: Readonly<Record<string, string | undefined>> = {}, path = '/relay'): string[] {
  const headers: Record<string, string | undefined> = {
    Host: 'relay.test',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    'sec-websocket-protocol': 'iroh-relay-v2, iroh-relay-v1',
    ...change,
  }
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]))
  return [`GET ${path} HTTP/1.1`, ...lines]
}
