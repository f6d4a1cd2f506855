/** The public servers of a world: two hosts with a `tom relay` each, TLS and address discovery on, and a STUN server on the addresses of the first. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Namespaces } from './namespaces.ts'
import type { LabProcess } from './process.ts'
import type { LabPrograms } from './programs.ts'

const START_LIMIT_MS = 20_000

export class RelayHosts {
  readonly names = ['relay-a', 'relay-b']
  /** What every host has in its hosts file. */
  readonly hostsFile: readonly string[]
  readonly #spaces: Namespaces
  #programs: LabPrograms | undefined = undefined
  readonly #running: (LabProcess | undefined)[] = [undefined, undefined]

  constructor(spaces: Namespaces) {
    this.#spaces = spaces
    this.hostsFile = this.names.flatMap((name, index) => {
      const { v4, v6 } = this.addressesOf(index)
      return [`${v4[0]} ${name}.lab`, `${v6} ${name}.lab`]
    })
  }

  addressesOf(index: number): { readonly v4: readonly string[]; readonly v6: string } {
    const third = 100 + index
    return { v4: [`198.51.${third}.10`, `198.51.${third}.11`], v6: `2001:db8:ff0${index}::10` }
  }

  get urls(): string[] {
    return this.names.map((name) => `https://${name}.lab/`)
  }

  /** `host:port` of two STUN servers on different addresses. */
  get stunServers(): string[] {
    return this.addressesOf(0).v4.map((address) => `${address}:3478`)
  }

  async start(programs: LabPrograms): Promise<void> {
    this.#programs = programs
    await Promise.all([...this.names.map((_, index) => this.startRelay(index)), this.#startStun()])
  }

  async startRelay(index: number): Promise<void> {
    const { folder, tom, certificates } = this.#programs!
    const certificate = certificates[index]!
    const name = this.names[index]!
    const file = join(folder, `${this.#spaces.full(name)}.toml`)
    const lines = [
      'http_bind_addr = "[::]:80"',
      'enable_quic_addr_discovery = true',
      'enable_metrics = false',
      '[tls]',
      'https_bind_addr = "[::]:443"',
      'quic_bind_addr = "[::]:7842"',
      'cert_mode = "Manual"',
      `manual_cert_path = ${JSON.stringify(certificate.chain)}`,
      `manual_key_path = ${JSON.stringify(certificate.key)}`,
      '',
    ]
    writeFileSync(file, lines.join('\n'))
    const relay = this.#spaces.start(name, process.execPath, [tom, 'relay', '--config-path', file, '--json'])
    this.#running[index] = relay
    await relay.match(/"event":"started"/, START_LIMIT_MS)
  }

  /** `kill`: without a word to its clients. */
  async stopRelay(index: number, kill: boolean): Promise<void> {
    await this.#running[index]?.stop(kill ? 'SIGKILL' : 'SIGTERM')
    this.#running[index] = undefined
  }

  async #startStun(): Promise<void> {
    const { stun } = this.#programs!
    if (stun === undefined) return
    const [first, second] = this.addressesOf(0).v4
    const server = this.#spaces.start(this.names[0]!, process.execPath, [stun, first!, second!])
    await server.match(/./, START_LIMIT_MS)
  }
}
