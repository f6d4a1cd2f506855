/** One question to a STUN server over a raw socket. */
import { formatIp, parseSocketAddress } from '../../../../src/bytes/index.ts'
import type { Address, SimSocket } from '../network.ts'
import type { NatWorld } from './world.ts'

/** Where `server` (`ip:port`) sees the socket; undefined without an answer within 2 s. Takes over `onMessage` meanwhile. */
export async function askStun(world: NatWorld, socket: SimSocket, server: string): Promise<Address | undefined> {
  const { ip, port } = parseSocketAddress(server)
  const request = new Uint8Array(20)
  const view = new DataView(request.buffer)
  view.setUint16(0, 1)
  view.setUint32(4, 0x2112a442)
  world.random.fill(request.subarray(8))
  let seen: Address | undefined
  const before = socket.onMessage
  socket.onMessage = (data) => {
    const answer = new DataView(data.buffer, data.byteOffset, data.length)
    if (data.length < 32 || answer.getUint16(0) !== 0x0101) return
    const mapped = data.slice(28).map((byte, index) => byte ^ request[4 + index]!)
    seen = { host: formatIp(mapped), port: answer.getUint16(26) ^ 0x2112 }
  }
  socket.send(request, 0, request.length, formatIp(ip), port, () => {})
  await world.run(2_000)
  socket.onMessage = before
  return seen
}
