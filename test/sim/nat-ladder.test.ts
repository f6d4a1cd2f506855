/** A bad line is no dead path: nothing leaves a direct path for the relay because of loss in bursts that hit both. */
import { describe, expect, test } from 'vitest'
import type { Connection } from '../../src/endpoint/index.ts'
import { line } from './support/nat/access-link.ts'
import { LADDER } from './support/nat/kinds.ts'
import { Story } from './support/nat/story.ts'

/** What was selected since, by kind. */
function selections(connection: Connection): string[] {
  const kinds: string[] = []
  const listen = async (): Promise<void> => {
    for await (const event of connection.pathEvents()) if (event.type === 'selected') kinds.push(event.kind)
  }
  listen()
  return kinds
}

describe('ten minutes on each rung of the ladder, with a ping every 100 ms', () => {
  test.each(LADDER.map((shape, grade) => ({ grade, shape })))('grade $grade', async ({ grade, shape }) => {
    const story = await Story.begin(`ladder ${grade}`, { client: { nat: 'moderate' }, server: { nat: 'moderate' } })
    await story.direct()
    const chosen = [story.connection, story.accepted].map(selections)
    const side = grade % 2 === 0 ? story.client : story.server
    side.router!.link!.reshape(shape)
    await story.world.run(600_000)
    expect(chosen).toEqual([[], []])
    expect(story.isDirect).toBe(true)
    side.router!.link!.reshape(line({ delayMs: 5 }))
    await story.end(60_000)
  })
})
