/**
 * One UDP socket over node:dgram, made for one system call per datagram: the address look-up answers at once, sends take no callback,
 * and a buffer is given back when the send queue no longer holds it. Errors of single datagrams are loss to QUIC and end here.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { UdpSocket, UdpSocketOptions } from '../platform.ts'

/** What iroh asks for (spec/endpoint.md §2.1); the system grants what it grants. */
const DEFAULT_BUFFER_BYTES = 7 * 1024 * 1024

/** Smaller requests are not worth a system call: every system grants this much by default. */
const LEAST_BUFFER_BYTES = 208 * 1024

/** Receive errors in a row after which the socket is given up (spec/endpoint.md §11.4). */
const ERRORS_IN_A_ROW = 8

/** A full send queue is looked at this often without sleeping, then once a millisecond: the device may need a while. */
const BUSY_LOOKS = 4

/** Every address we send to is numeric: no look-up, no tick of delay. Its type in @types/node is that of dns.lookup. */
const lookupNumeric = (
  host: string,
  _options: unknown,
  callback: (error: NodeJS.ErrnoException | null, address: string, family: number) => void,
): void => callback(null, host, host.includes(':') ? 6 : 4)

/** Binds; rejects with the system's error (EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT). */
export function bindNodeUdp(options: UdpSocketOptions): Promise<UdpSocket> {
  const family = options.host.includes(':') ? 6 : 4
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6 && (options.ipv6Only ?? true),
      lookup: lookupNumeric,
    })
    const onFailure = (error: Error): void => {
      socket.close()
      reject(error)
    }
    socket.once('error', onFailure)
    // Exclusive: cluster workers must not share one socket's packets.
    socket.bind({ address: options.host, port: options.port, exclusive: true }, () => {
      socket.off('error', onFailure)
      resolve(new NodeUdpSocket(socket, family, options))
    })
  })
}

/** Asks for less and less: some systems refuse what exceeds their limit, others cut it silently. */
function askForBuffer(set: (bytes: number) => void, get: () => number, wanted: number): number {
  for (let bytes = wanted; bytes >= LEAST_BUFFER_BYTES; bytes = Math.floor(bytes / 2)) {
    try {
      set(bytes)
      break
    } catch {
      // Refused: try half.
    }
  }
  return get()
}

class NodeUdpSocket implements UdpSocket {
  readonly family: 4 | 6
  readonly host: string
  readonly port: number
  readonly receiveBufferSize: number
  readonly sendBufferSize: number
  onMessage: (data: Uint8Array, host: string, port: number) => void = () => {}
  onError: (error: Error) => void = () => {}
  readonly #socket: Socket
  #closed: Promise<void> | undefined = undefined
  #errorsInARow = 0
  /** `done` of the datagrams that the socket queued, oldest first: libuv sends in order, so the oldest are free first. */
  readonly #held: (() => void)[] = []
  #looking = false
  #looks = 0

  constructor(socket: Socket, family: 4 | 6, options: UdpSocketOptions) {
    this.#socket = socket
    this.family = family
    const address = socket.address()
    this.host = address.address
    this.port = address.port
    this.receiveBufferSize = askForBuffer(
      (bytes) => socket.setRecvBufferSize(bytes),
      () => socket.getRecvBufferSize(),
      options.receiveBufferSize ?? DEFAULT_BUFFER_BYTES,
    )
    this.sendBufferSize = askForBuffer(
      (bytes) => socket.setSendBufferSize(bytes),
      () => socket.getSendBufferSize(),
      options.sendBufferSize ?? DEFAULT_BUFFER_BYTES,
    )
    socket.on('message', (data: Buffer, remote: RemoteInfo) => {
      this.#errorsInARow = 0
      this.onMessage(data, remote.address, remote.port)
    })
    socket.on('error', (error: Error) => this.#onSocketError(error))
  }

  get queued(): number {
    return this.#closed === undefined ? this.#socket.getSendQueueCount() : 0
  }

  send(data: Uint8Array, start: number, length: number, host: string, port: number, done: () => void): void {
    if (this.#closed !== undefined) {
      done()
      return
    }
    try {
      // No callback: it would cost 0.5 µs, and without one a send error is dropped, which is what QUIC wants.
      // A whole array goes as it is; of a part, node:dgram makes a view.
      if (start === 0 && length === data.length) this.#socket.send(data, port, host)
      else this.#socket.send(data, start, length, port, host)
    } catch {
      // Port 0 or a host that is not numeric; QUIC sees a loss.
      done()
      return
    }
    if (this.#held.length === 0 && this.#socket.getSendQueueCount() === 0) {
      done()
      return
    }
    // The kernel's buffer was full: libuv holds a reference to `data` until the socket is writable again.
    this.#held.push(done)
    this.#looks = 0
    this.#lookLater()
  }

  close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed
    this.#closed = new Promise((resolve) => {
      this.#socket.close(() => {
        this.#giveBack(0)
        resolve()
      })
    })
    return this.#closed
  }

  #lookLater(): void {
    if (this.#looking) return
    this.#looking = true
    if (this.#looks++ < BUSY_LOOKS) setImmediate(this.#look)
    else setTimeout(this.#look, 1)
  }

  readonly #look = (): void => {
    this.#looking = false
    if (this.#closed !== undefined) return
    this.#giveBack(this.#socket.getSendQueueCount())
    if (this.#held.length > 0) this.#lookLater()
  }

  /** All but the newest `stillQueued` are out. */
  #giveBack(stillQueued: number): void {
    const free = this.#held.length - stillQueued
    if (free <= 0) return
    for (const done of this.#held.splice(0, free)) done()
  }

  #onSocketError(error: Error): void {
    // Windows reports ICMP answers this way (ECONNRESET): a peer that went away must not take the socket with it.
    this.#errorsInARow++
    if (this.#errorsInARow === ERRORS_IN_A_ROW) this.onError(error)
  }
}
