/** Our relay server alone in a process, to be measured from outside: one line when it listens, `usage` on request, ends with its stdin. */
import { createInterface } from 'node:readline'
import { RelayServer } from '../../src/relay/server/index.ts'

const server = await RelayServer.start({ httpBind: '127.0.0.1:0' })
const say = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`)

createInterface({ input: process.stdin })
  .on('line', (text) => {
    const { tag } = JSON.parse(text) as { tag: number }
    // what was just let go may need a second collection
    for (let run = 0; run < 2; run++) globalThis.gc?.()
    const { heapUsed, external, rss } = process.memoryUsage()
    say({ event: 'result', tag, rss, javascript: heapUsed + external, clients: server.clientCount })
  })
  .once('close', () => process.exit(0))
say({ event: 'listening', address: `127.0.0.1:${server.httpAddress?.port}` })
