/**
 * Finds the gateway device's description (UPnP Device Architecture 1.1 §1.3): the question goes out three times, for it is multicast and easily
 * lost, and the router's own answer is preferred to those of other devices in the house.
 */
import type { Gateway, Platform } from '../../platform/index.ts'
import type { Alarms, CancelAlarm } from '../net-report/alarms.ts'
import { decodeSearchAnswer, encodeSearch, SSDP_HOST, SSDP_PORT } from './ssdp.ts'
import { acceptLocation } from './upnp-description.ts'

/** Devices answer at some time within it. What others ask for, too, so devices are used to it. */
const ANSWER_SECONDS = 2
/** From one sending to the next, and until the end of the search, ms. */
const WAITS_MS = [300, 700, 2500] as const
/** A network with more devices of this kind is none that is meant for us. */
const MOST_LOCATIONS = 8

/**
 * Descriptions that may be fetched: the router's own as soon as it answers, others only at the end of the search, 3.5 s. Empty: none, or `signal`
 * was aborted. Rejects when no socket can be bound.
 */
export async function searchDevices(
  platform: Pick<Platform, 'bindUdp'>,
  alarms: Alarms,
  gateway: Gateway,
  signal: AbortSignal,
): Promise<URL[]> {
  const socket = await platform.bindUdp({ host: gateway.local, port: 0, receiveBufferSize: 0, sendBufferSize: 0 })
  const question = encodeSearch(ANSWER_SECONDS)
  const found = new Map<string, URL>()
  await new Promise<void>((resolve) => {
    let cancel: CancelAlarm = () => {}
    const finish = (): void => {
      cancel()
      signal.removeEventListener('abort', finish)
      socket.onMessage = () => {}
      resolve()
    }
    const send = (index: number): void => {
      if (index === WAITS_MS.length) {
        finish()
        return
      }
      socket.send(question, 0, question.length, SSDP_HOST, SSDP_PORT, () => {})
      cancel = alarms.after(WAITS_MS[index]!, () => send(index + 1))
    }
    socket.onMessage = (data, host) => {
      const location = decodeSearchAnswer(data)
      const url = location === undefined ? undefined : acceptLocation(location, host, gateway.address)
      if (url === undefined || found.size === MOST_LOCATIONS) return
      if (url.hostname === gateway.address) {
        found.clear()
        found.set(url.href, url)
        finish()
      } else found.set(url.href, url)
    }
    if (signal.aborted) {
      finish()
      return
    }
    signal.addEventListener('abort', finish)
    send(0)
  })
  await socket.close()
  return [...found.values()]
}
