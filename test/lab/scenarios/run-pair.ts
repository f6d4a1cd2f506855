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
  /** Every ping must be answered, however late. */
  readonly losesNone?: boolean
  /** Builds the homes. */
  build(world: World): Promise<P>
  /** What happens to the connected pair. Resolves with measures of its own; throws Failed when the scenario did not pass. */
  play(pair: Pair, world: World, places: P): Promise<Extra>
}

type Extra = Readonly<Record<string, number | string | null>>

/** The scenario did not pass; the run is measured all the same. */
export class Failed extends Error {
  override readonly name = 'Failed'
  readonly measures: Extra

  constructor(message: string, measures: Extra = {}) {
    super(message)
    this.measures = measures
  }
}

export async function runPair<P extends Places>(
  { programs, pair: kind, log }: RunContext,
  story: Story<P>,
): Promise<Outcome> {
  let world: World | undefined
  try {
    world = await World.create(programs, story.relayLink === undefined ? {} : { relayLink: story.relayLink })
    const places = await story.build(world)
    const pair = await Pair.start(world, kind, places.server, places.client, story.pair)
    let why: string | undefined
    let more: Extra = {}
    try {
      more = await story.play(pair, world, places)
    } catch (error) {
      if (!(error instanceof Failed)) throw error
      why = pair.closed ?? error.message
      more = error.measures
    }
    const measures = { ...(await pair.finish()), ...more }
    if (story.losesNone === true && measures.pingsLost !== 0) why ??= `${measures.pingsLost} pings were lost`
    return { ok: why === undefined, measures, ...(why === undefined ? {} : { why }) }
  } catch (error) {
    return { ok: false, why: error instanceof Error ? error.message : String(error), measures: {} }
  } finally {
    if (world !== undefined) log(world.logs)
    await world?.close()
  }
}
