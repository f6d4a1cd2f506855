/**
 * Whether something else answers in a relay's place: plain HTTP on port 80, with a challenge that only a relay answers as it should. Never
 * in browsers, which do not let a page ask like that. spec/relay.md §6.3.
 */
import { type Platform, uniform, type WebClient } from '../../platform/index.ts'
import type { RelayConfig } from '../../relay/index.ts'

/** What relays echo; for anything longer or stranger they answer like a portal would. */
const CHALLENGE = /^[A-Za-z0-9._-]{1,63}$/
const CHALLENGE_HEADER = 'X-Iroh-Challenge'
const RESPONSE_HEADER = 'X-Iroh-Response'

/**
 * One of `relays` that can be asked, at random; undefined when none can: address literals of IPv6 and very long names do not fit a challenge.
 */
export function portalWitness(random: Platform['random'], relays: readonly RelayConfig[]): string | undefined {
  const hosts = relays.map(({ url }) => url.toURL().hostname).filter((host) => CHALLENGE.test(challengeTo(host)))
  return hosts.length === 0 ? undefined : hosts[Math.floor(uniform(random) * hosts.length)]
}

/**
 * True: a portal. False: the relay itself. Undefined: no answer at all, which says nothing. `done` is called once, and never after the signal
 * was aborted.
 */
export function probeCaptivePortal(
  web: WebClient,
  host: string,
  signal: AbortSignal,
  done: (isCaptive: boolean | undefined) => void,
): void {
  const challenge = challengeTo(host)
  const ask = async (): Promise<boolean> => {
    const answer = await web.get({
      url: `http://${host}/generate_204`,
      headers: { [CHALLENGE_HEADER]: challenge },
      signal,
    })
    return answer.status !== 204 || answer.header(RESPONSE_HEADER) !== `response ${challenge}`
  }
  const finish = (isCaptive: boolean | undefined): void => {
    if (!signal.aborted) done(isCaptive)
  }
  ask().then(finish, () => finish(undefined))
}

function challengeTo(host: string): string {
  return `ts_${host}`
}
