/**
 * Whose packets our NAT lets in (RFC 5780 §4.4): asks one server from a fresh socket, which has sent to nobody else, to answer from its other addresses. Only servers with two addresses
 * can (spec/disco-stun-nat.md §6.4), so this is the doctor's.
 */
import { canonicalSocketAddress, formatSocketAddress, type SocketAddress } from '../../bytes/index.ts'
import type { Platform } from '../../platform/index.ts'
import { classifyFiltering, type FilteringBehaviour } from './classify.ts'
import { SideSockets } from './side-sockets.ts'
import { StunAsker } from './stun-asker.ts'

/**
 * `host`: the numeric address to bind to, of the server's family. Resolves after 3 s at the latest and some round trips; to `unknown` too when the signal is aborted. Rejects with the system's error when
 * it cannot bind.
 */
export async function probeFiltering(
  platform: Platform,
  host: string,
  server: SocketAddress,
  signal?: AbortSignal,
): Promise<FilteringBehaviour> {
  const sockets = await SideSockets.bind(platform, [host])
  const asker = new StunAsker(platform, () => sockets)
  sockets.onMessage = (packet) => asker.receive(packet.data, packet.host, packet.port, packet.socket)
  const { ip } = canonicalSocketAddress(server)
  const socket = sockets.socketOf(ip.length === 4 ? 4 : 6)
  try {
    if (socket === undefined) throw new RangeError(`a socket on ${host} cannot send to ${formatSocketAddress(server)}`)
    const ask = async (change?: { ip: boolean; port: boolean }) =>
      (await asker.ask({ socket, server, ...(change === undefined ? {} : { change }) }, signal))?.kind
    // Opens the mapping, and shows that the server is there. All three go to one address, so none opens the filter for another.
    if ((await ask()) !== 'answered') return 'unknown'
    const [otherAddress, otherPort] = await Promise.all([ask({ ip: true, port: true }), ask({ ip: false, port: true })])
    return classifyFiltering({ otherAddress, otherPort })
  } finally {
    asker.close()
    await sockets.close()
  }
}
