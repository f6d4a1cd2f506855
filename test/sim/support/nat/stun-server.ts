/** A STUN server (RFC 8489) on a host of the simulated internet: Binding requests only. Written apart from `src/`, so that a mistake there has no twin here. */
import { parseIp } from '../../../../src/bytes/index.ts'
import type { SimHost } from './host.ts'

const COOKIE = 0x2112a442

/** Serves one port of the host; returns `host:port`. */
export function serveStun(host: SimHost, address: string, port = 3478): string {
  const socket = host.open(address, port)
  socket.onMessage = (data, from, fromPort) => {
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    if (data.length < 20 || view.getUint16(0) !== 1 || view.getUint32(4) !== COOKIE) return
    const ip = parseIp(from)
    const answer = new Uint8Array(28 + ip.length)
    const out = new DataView(answer.buffer)
    out.setUint16(0, 0x0101)
    out.setUint16(2, 8 + ip.length)
    answer.set(data.subarray(4, 20), 4)
    // XOR-MAPPED-ADDRESS
    out.setUint16(20, 0x0020)
    out.setUint16(22, 4 + ip.length)
    out.setUint8(25, ip.length === 4 ? 1 : 2)
    out.setUint16(26, fromPort ^ (COOKIE >>> 16))
    for (const [index, byte] of ip.entries()) answer[28 + index] = byte ^ answer[4 + index]!
    socket.send(answer, 0, answer.length, from, fromPort, () => {})
  }
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
