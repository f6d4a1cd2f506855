/** Search for Internet gateway devices (UPnP Device Architecture 1.1 §1.3): the question as one datagram, the answers to it. Pure. */
import { encodeUtf8 } from '../../bytes/index.ts'

export const SSDP_HOST = '239.255.255.250'
export const SSDP_PORT = 1900

/** Devices of version 2 answer to this one, too (spec/disco-stun-nat.md §7.1). */
const GATEWAY_DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'

const MAX_BYTES = 8192

/** Devices answer at some time within `waitSeconds`, 1 to 5, whole. */
export function encodeSearch(waitSeconds: number): Uint8Array {
  const lines = [
    'M-SEARCH * HTTP/1.1',
    `HOST: ${SSDP_HOST}:${SSDP_PORT}`,
    `ST: ${GATEWAY_DEVICE}`,
    'MAN: "ssdp:discover"',
    `MX: ${waitSeconds}`,
  ]
  return encodeUtf8(`${lines.join('\r\n')}\r\n\r\n`)
}

/** The LOCATION of the device that answers; undefined for anything but an answer of a gateway device. */
export function decodeSearchAnswer(bytes: Uint8Array): string | undefined {
  if (bytes.length > MAX_BYTES) return undefined
  const [first, ...lines] = latin1(bytes).split(/\r?\n/)
  if (!/^HTTP\/1\.[01] 200(?: |$)/.test(first!)) return undefined
  let location: string | undefined
  let isGateway = false
  for (const line of lines) {
    if (line === '') break
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (name === 'location') location ??= value
    if (name === 'st') isGateway = /^urn:schemas-upnp-org:device:InternetGatewayDevice:[1-9]$/.test(value)
  }
  return isGateway ? location : undefined
}

function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}
