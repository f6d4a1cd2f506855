/** Two hosts with a relay's host between them: `left` and `right` reach the middle and nothing else, for the middle does not forward. */
import { Namespaces } from './namespaces.ts'
import type { LabProcess } from './process.ts'

export type TwoHostsName = 'left' | 'middle' | 'right'

const V4 = { middle: '10.77.0.1', left: '10.77.1.2', right: '10.77.2.2' }
const V6 = { middle: 'fd77::1', left: 'fd77:1::2', right: 'fd77:2::2' }

export class TwoHosts {
  readonly addresses: Readonly<Record<TwoHostsName, string>>
  readonly #spaces: Namespaces

  private constructor(family: 4 | 6) {
    this.addresses = family === 4 ? V4 : V6
    this.#spaces = new Namespaces(`two${family}`)
  }

  static async create(family: 4 | 6): Promise<TwoHosts> {
    const lab = new TwoHosts(family)
    for (const name of ['left', 'middle', 'right']) await lab.#spaces.add(name)
    await lab.#spaces.ip('middle', [`address add ${lab.addresses.middle}/${family === 4 ? '32' : '128'} dev lo`])
    for (const side of ['left', 'right'] as const) await lab.#join(side, family)
    return lab
  }

  /** A cable from `side` to the middle, whose loopback address is reached over it. */
  async #join(side: 'left' | 'right', family: 4 | 6): Promise<void> {
    const own = this.addresses[side]
    const gateway = own.replace(/2$/, '1')
    const tail = family === 6 ? ' nodad' : ''
    const length = family === 4 ? '24' : '64'
    await this.#spaces.ip('middle', [
      `link add ${side} type veth peer name eth0 netns ${this.#spaces.full(side)}`,
      `address add ${gateway}/${length} dev ${side}${tail}`,
      `link set ${side} up`,
    ])
    await this.#spaces.ip(side, [
      `address add ${own}/${length} dev eth0${tail}`,
      'link set eth0 up',
      `route add default via ${gateway}`,
    ])
  }

  /** Runs `command` in a host. */
  run(host: TwoHostsName, command: string, args: readonly string[]): LabProcess {
    return this.#spaces.start(host, command, args)
  }

  close(): Promise<void> {
    return this.#spaces.close()
  }
}
