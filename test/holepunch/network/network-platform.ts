/** A platform whose network and clocks the test changes by hand. */
import type { DefaultRoutes, InterfaceAddress } from '../../../src/platform/index.ts'
import { VirtualPlatform } from '../../driver/virtual-platform.ts'

/** `eth0 10.0.0.9, lo 127.0.0.1` as the system would list it. */
export function interfaces(list: string): InterfaceAddress[] {
  return list
    .split(/,\s*/)
    .filter((entry) => entry !== '')
    .map((entry) => {
      const [name, host] = entry.split(' ') as [string, string]
      return { name, host, family: host.includes(':') ? 6 : 4, internal: name === 'lo' }
    })
}

export class NetworkPlatform extends VirtualPlatform {
  routes: DefaultRoutes | undefined = undefined
  /** How far the wall clock is ahead, ms. */
  wallAhead = 0
  /** How often the interfaces were asked for, and when. */
  readonly looks: number[] = []
  fails = false

  override wallClock(): number {
    return super.wallClock() + this.wallAhead
  }

  override interfaces(): InterfaceAddress[] {
    this.looks.push(this.time)
    if (this.fails) throw new Error('uv_interface_addresses returned Unknown system error')
    return [...this.interfaceList]
  }

  defaultRoutes(): DefaultRoutes | undefined {
    return this.routes
  }

  network(list: string, routes?: DefaultRoutes): void {
    this.interfaceList = interfaces(list)
    this.routes = routes
  }
}
