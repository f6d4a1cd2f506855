/** How an application names relays, checked and in the form that `relay/` takes. */
import { IdentityError, RelayUrl } from '../identity/index.ts'
import type { RelayConfig } from '../relay/index.ts'
import { EndpointError } from './errors.ts'

export interface RelayOption {
  readonly url: string | RelayUrl
  /** Shown to the relay, where it asks for one; a secret. */
  readonly token?: string
  /** UDP port of the relay's address discovery; null when it has none. Default 7842. */
  readonly quicPort?: number | null
}

export type RelayList = readonly (string | RelayUrl | RelayOption)[]

/** Throws EndpointError INVALID_OPTION for what is no relay URL or no port. */
export function relayConfigs(list: RelayList): RelayConfig[] {
  const configs = new Map<string, RelayConfig>()
  for (const entry of list) {
    const option: RelayOption = typeof entry === 'string' || entry instanceof RelayUrl ? { url: entry } : entry
    const url = relayUrl(option.url)
    const { token, quicPort } = option
    if (
      quicPort !== undefined &&
      quicPort !== null &&
      !(Number.isInteger(quicPort) && quicPort > 0 && quicPort < 65_536)
    )
      throw new EndpointError(
        'INVALID_OPTION',
        `relays: quicPort of ${url} is a UDP port from 1 to 65535, or null for none`,
      )
    configs.set(url.href, {
      url,
      ...(token === undefined ? {} : { token }),
      ...(quicPort === undefined ? {} : { quicPort }),
    })
  }
  return [...configs.values()]
}

function relayUrl(text: string | RelayUrl): RelayUrl {
  let url: RelayUrl
  try {
    url = text instanceof RelayUrl ? text : RelayUrl.parse(text)
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error
    throw new EndpointError('INVALID_OPTION', `relays: ${error.message}`, { cause: error })
  }
  if (isRelayScheme(url)) return url
  throw new EndpointError(
    'INVALID_OPTION',
    `relays: ${url} is no relay: its URL begins with https:// (or http:// for one without TLS)`,
  )
}

/** spec/relay.md §1.1. */
export function isRelayScheme(url: RelayUrl): boolean {
  return /^(?:https?|wss?):/.test(url.href)
}
