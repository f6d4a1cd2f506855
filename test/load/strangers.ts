/** Connections that never become clients: they stop somewhere on the way in, and hold on to what they have. */
import { openSocket, type Target, UPGRADE_REQUEST } from './light-client.ts'

export const STRANGERS = ['says nothing', 'half a request', 'drips', 'probes', 'no proof'] as const
export type StrangerKind = (typeof STRANGERS)[number]

/** A byte of the request, or a probe, so often, ms. */
const DRIP_MS = 200
const PROBE = 'GET /ping HTTP/1.1\r\nHost: relay.example\r\n\r\n'

/** Stays until it is cut off: only then `onEnd` is called. */
export function intruder(target: Target, kind: StrangerKind, onConnected: () => void, onEnd: () => void): void {
  let talking: ReturnType<typeof setInterval> | undefined
  const ignore = (): void => {}
  const socket = openSocket(target, ignore, () => {
    clearInterval(talking)
    onEnd()
  })
  const talk = (next: () => Uint8Array | string): void => {
    talking = setInterval(() => socket.write(next()), DRIP_MS)
  }
  let at = 0
  socket.once('connect', () => {
    onConnected()
    if (kind === 'half a request') socket.write(UPGRADE_REQUEST.subarray(0, UPGRADE_REQUEST.length >> 1))
    else if (kind === 'drips') talk(() => UPGRADE_REQUEST.subarray(at, ++at))
    else if (kind === 'probes') talk(() => PROBE)
    else if (kind === 'no proof') socket.write(UPGRADE_REQUEST)
  })
}
