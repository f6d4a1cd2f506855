import { TomNode } from '../../src/envelope/node.ts'
import { NodeSwarm } from './swarm.ts'
import { startOurs } from './stacks.ts'
const t0 = performance.now()
const log = (...a: unknown[]) => console.log(Math.round(performance.now() - t0), ...a)
const swarm = await NodeSwarm.start(startOurs)
await swarm.grow(10)
console.log('whole', await swarm.whole(30000))
const ticket = (swarm as any)
import { inspect } from 'node:util'
for (let round = 0; round < 4; round++) {
  log('ext', inspect(await swarm.newcomer(15000), { breakLength: 200 }))
}
const first = process.env.X
await swarm.stop()
process.exit(0)
