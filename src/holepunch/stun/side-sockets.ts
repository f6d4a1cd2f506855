/** UDP sockets with nothing but STUN on them, for questions that must not be asked from those of an endpoint. */
import type { Platform, UdpSocket } from '../../platform/index.ts'
import type { StunSockets } from './stun-asker.ts'

export interface SidePacket {
  /** Only valid during the call. */
  readonly data: Uint8Array
  readonly host: string
  readonly port: number
  readonly socket: UdpSocket
}

export class SideSockets implements StunSockets {
  readonly sockets: readonly UdpSocket[]
  /** Set by the owner. */
  onMessage: (packet: SidePacket) => void

  /** One on any port of each of the numeric addresses. Rejects with the system's error, and leaves none open then. */
  static async bind(platform: Pick<Platform, 'bindUdp'>, hosts: readonly string[]): Promise<SideSockets> {
    const results = await Promise.allSettled(hosts.map((host) => platform.bindUdp({ host, port: 0 })))
    const bound = new SideSockets(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) return bound
    await bound.close()
    throw failed.reason
  }

  private constructor(sockets: readonly UdpSocket[]) {
    this.sockets = sockets
    this.onMessage = () => {}
    for (const socket of sockets) socket.onMessage = (data, host, port) => this.onMessage({ data, host, port, socket })
  }

  socketOf(family: 4 | 6): UdpSocket | undefined {
    return this.sockets.find((socket) => socket.family === family)
  }

  sendForeign(socket: UdpSocket, bytes: Uint8Array, host: string, port: number): void {
    socket.send(bytes, 0, bytes.length, host, port, () => {})
  }

  async close(): Promise<void> {
    await Promise.all(this.sockets.map((socket) => socket.close()))
  }
}
