/**
 * One question to a relay over HTTP: `GET /ping`. Any 2xx is an answer, and its latency the time from the request to the head of the answer.
 * spec/relay.md §6.2.
 */
import type { RelayUrl } from '../../identity/index.ts'
import type { Platform, WebClient } from '../../platform/index.ts'
import { relayProbeUrl } from '../../relay/index.ts'

/**
 * Asks once. `done` is called once with the latency in ms, or with undefined when the relay did not answer as it should; never after the signal
 * was aborted.
 */
export function probeHttps(
  platform: Pick<Platform, 'now'>,
  web: WebClient,
  relay: RelayUrl,
  signal: AbortSignal,
  done: (latencyMs: number | undefined) => void,
): void {
  const startedAt = platform.now()
  const ask = async (): Promise<number | undefined> => {
    const { status } = await web.get({ url: relayProbeUrl(relay), signal })
    return status >= 200 && status < 300 ? platform.now() - startedAt : undefined
  }
  const finish = (latencyMs: number | undefined): void => {
    if (!signal.aborted) done(latencyMs)
  }
  ask().then(finish, () => finish(undefined))
}
