/** The frame of a scenario: a world is made, the pair runs in it, and the world goes, whatever happens. */
import type { LinkConditions } from '../link.ts'
import { Pair, type PairOptions } from '../pair.ts'
import type { Outcome, RunContext } from '../result.ts'
import { type Host, World } from '../world.ts'

export interface Places {
  readonly server: Host
  readonly client: Host
}

export interface Story<P extends Places> {
  /** Of the relays. */
  readonly relayLink?: LinkConditions
  readonly pair?: PairOptions
  /** Builds the homes. */
  build(world: World): Promise<P>
  /** What happens to the connected pair. Resolves with measures of its own; throws Failed when the scenario did not pass. */
  play(pair: Pair, world: World, places: P): Promise<Readonly<Record<string, number | string | null>>>
}

/** The scenario did not pass; the run is measured all the same. */
export class Failed extends Error {
  override readonly name = 'Failed'
}

export async function runPair<P extends Places>(
  { programs, pair: kind, log }: RunContext,
  story: Story<P>,
): Promise<Outcome> {
  let world: World | undefined
  let pair: Pair | undefined
  try {
    world = await World.create(programs, story.relayLink === undefined ? {} : { relayLink: story.relayLink })
    const places = await story.build(world)
    pair = await Pair.start(world, kind, places.server, places.client, story.pair)
    let why: string | undefined
    let more: Readonly<Record<string, number | string | null>> = {}
    try {
      more = await story.play(pair, world, places)
    } catch (error) {
      if (!(error instanceof Failed)) throw error
      why = pair.closed ?? error.message
    }
    const measures = { ...(await pair.finish()), ...more }
    return { ok: why === undefined, measures, ...(why === undefined ? {} : { why }) }
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error), measures: {} }
  } finally {
    if (pair !== undefined) {
      log(['server:', ...pair.server.log, 'client:', ...pair.client.log])
    }
    await world?.close()
  }
}
