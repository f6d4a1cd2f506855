/** A UDP socket in a namespace, used from here: for asking routers what they do to packets. */
import type { Namespaces } from './namespaces.ts'
import type { LabProcess } from './process.ts'

/** Runs in the namespace. One command a line: `send ADDRESS PORT TEXT`. Says `bound PORT`, and `got ADDRESS PORT TEXT` for what comes. */
const PROGRAM = `
const socket = require('dgram').createSocket('udp4')
const [host, echo] = process.argv.slice(1)
socket.on('message', (data, from) => {
  console.log('got ' + from.address + ' ' + from.port + ' ' + data)
  if (echo) socket.send(data, from.port, from.address)
})
socket.bind(0, host, () => console.log('bound ' + socket.address().port))
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const [, address, port, text] = line.split(' ')
  socket.send(text, Number(port), address)
}).on('close', () => process.exit(0))
`

export class Probe {
  readonly port: number
  readonly #process: LabProcess
  #next = 0

  private constructor(process_: LabProcess, port: number) {
    this.#process = process_
    this.port = port
  }

  /** `echo`: sends everything back to where it came from. */
  static async start(spaces: Namespaces, name: string, host: string, echo?: 'echo'): Promise<Probe> {
    const process_ = spaces.start(name, process.execPath, ['-e', PROGRAM, host, ...(echo === undefined ? [] : [echo])])
    return new Probe(process_, Number(await process_.match(/^bound (\d+)$/, 20_000)))
  }

  send(target: string, text: string): void {
    const [address, port] = target.split(':')
    this.#process.write(`send ${address} ${port} ${text}`)
  }

  /** `ip:port` that `text` came from; undefined when it does not come in time. */
  async got(text: string, limitMs: number): Promise<string | undefined> {
    const found = await this.#process.match(new RegExp(`^got (\\S+ \\d+) ${text}$`), limitMs).catch(() => undefined)
    return found?.replace(' ', ':')
  }

  /** Round trip to an echo, ms; undefined when there is no answer in time. */
  async ask(target: string, limitMs: number): Promise<number | undefined> {
    const text = `ask-${this.#next++}`
    const begin = performance.now()
    this.send(target, text)
    return (await this.got(text, limitMs)) === undefined ? undefined : performance.now() - begin
  }
}
