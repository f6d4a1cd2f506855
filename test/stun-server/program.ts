/**
 * The STUN server as a program: `tsx test/stun-server/program.ts --bind A:3478 --bind A:3479 --bind B:3478 --bind B:3479`. Prints one line of JSON when it is ready,
 * `{"event":"ready","addresses":[…]}`, and runs until it is told to stop. `--plain`: an ordinary public server, without CHANGE-REQUEST and OTHER-ADDRESS.
 */
import { parseArgs } from 'node:util'
import { StunServer } from './stun-server.ts'

const { values } = parseArgs({ options: { bind: { type: 'string', multiple: true }, plain: { type: 'boolean' } } })
const bind = values.bind ?? []
if (bind.length === 0) throw new Error('give --bind ip:port, as often as there are sockets')
const server = await StunServer.start({ bind, withBehaviourDiscovery: values.plain !== true })
console.log(JSON.stringify({ event: 'ready', addresses: server.addresses }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void server.close())
