import { NodeSwarm } from './swarm.ts'
import { startOurs } from './stacks.ts'
import { measureTraffic, randomPairs } from './figures.ts'
const swarm = await NodeSwarm.start(startOurs)
await swarm.grow(Number(process.argv[2]))
await swarm.whole(30000)
const tr = await measureTraffic(swarm, randomPairs(10, 40), 20, 1)
console.log(tr.delivered, tr.latenciesMs.map(Math.round).join(' '))
const tr2 = await measureTraffic(swarm, randomPairs(10, 40), 20, 2)
console.log(tr2.delivered, tr2.latenciesMs.map(Math.round).join(' '))
for (let round = 0; round < 6; round++) {
  const { neighborMs, strangerMs, messageMs } = await swarm.newcomer(1500)
  console.log(neighborMs, strangerMs, messageMs! - strangerMs!)
}
await swarm.stop()
process.exit(0)
