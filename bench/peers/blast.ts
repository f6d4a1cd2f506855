/**
 * The blast as a contender: what this machine does with QUIC-shaped packets and no protocol, sealed by our own crypto provider or bare
 * (spec/fast-path.md §1). Its round trip without sealing is bare UDP's.
 */
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Packets } from '../blast/packets.ts'
import { BlastReceiver } from '../blast/receiver.ts'
import { BlastSender } from '../blast/sender.ts'
import { BlastSocket } from '../blast/socket.ts'
import type { FigureResult } from '../figures.ts'
import type { Side } from './peer.ts'

const SLOTS = 257
const SLOT_SIZE = 16_384

export async function openSide(role: 'server' | 'client', options: { sealed?: boolean }): Promise<Side> {
  const socket = await BlastSocket.bind()
  const packets = new Packets(createNodeCrypto(), options.sealed === true, SLOTS, SLOT_SIZE)
  const address = String(socket.port)
  if (role === 'server') {
    new BlastReceiver(socket, packets)
    return { address, run: () => Promise.reject(new Error('figures run at the client')) }
  }
  const sender = new BlastSender(socket, packets, SLOTS)
  let connected: Promise<void> | undefined
  return {
    address,
    run: async (figure, server, { bytes = 32 << 20, datagram = 1452, count = 2000 }): Promise<FigureResult> => {
      connected ??= socket.connect(Number(server))
      await connected
      if (figure === 'bulk') return { ...(await sender.blast(bytes, datagram)) }
      if (figure !== 'roundTrips') throw new Error(`the blast has no ${figure}`)
      const times = await sender.roundTrips(count)
      return { p50: times[Math.floor(count / 2)]!, p99: times[Math.floor(count * 0.99)]! }
    },
  }
}
