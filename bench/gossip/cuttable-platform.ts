/** Node's platform with a plug: pulled, no datagram leaves or reaches its sockets any more, as if the process had been killed. */
import type { UdpSocket, UdpSocketOptions } from '../../src/platform/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'

export class CuttablePlatform extends NodePlatform {
  readonly #sockets: UdpSocket[]
  #isCut: boolean

  constructor() {
    super({ proxy: null })
    this.#sockets = []
    this.#isCut = false
  }

  override async bindUdp(options: UdpSocketOptions): Promise<UdpSocket> {
    const socket = await super.bindUdp(options)
    this.#sockets.push(socket)
    if (this.#isCut) silence(socket)
    return socket
  }

  cut(): void {
    this.#isCut = true
    for (const socket of this.#sockets) silence(socket)
  }
}

/** Only when it is wanted: a wrapper would be measured with every datagram. */
function silence(socket: UdpSocket): void {
  socket.send = (_data, _start, _length, _host, _port, done) => done()
  socket.onMessage = () => {}
}
