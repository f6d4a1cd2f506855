/** Connections that never become clients: they stop somewhere on the way in, and hold on to what they have. */
import { openSocket, type Target, UPGRADE_REQUEST } from './light-client.ts'

export const STRANGERS = ['says nothing', 'half a request', 'drips', 'no proof'] as const
export type StrangerKind = (typeof STRANGERS)[number]

/** A byte of the request so often, ms. */
const DRIP_MS = 200

export class Stranger {
  isConnected = false
  isEnded = false

  constructor(target: Target, kind: StrangerKind) {
    let dripping: ReturnType<typeof setInterval> | undefined
    const socket = openSocket(
      target,
      () => {},
      () => {
        clearInterval(dripping)
        this.isEnded = true
      },
    )
    socket.once('connect', () => {
      this.isConnected = true
      if (kind === 'half a request') socket.write(UPGRADE_REQUEST.subarray(0, UPGRADE_REQUEST.length >> 1))
      if (kind === 'no proof') socket.write(UPGRADE_REQUEST)
      if (kind !== 'drips') return
      let at = 0
      dripping = setInterval(() => socket.write(UPGRADE_REQUEST.subarray(at, ++at)), DRIP_MS)
    })
  }
}
