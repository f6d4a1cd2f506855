/** The platform of an endpoint that runs on a simulated host: its sockets and interfaces, and a web client whose TCP shares the host's access links. */
import type { InterfaceAddress } from '../../../../src/platform/index.ts'
import type { Network, SimSocket } from '../network.ts'
import { SimPlatform, type SimPlatformOptions } from '../platform.ts'
import type { SimWeb } from '../relay/web.ts'
import type { SimHost } from './host.ts'

export class HostPlatform extends SimPlatform {
  web: SimWeb | undefined = undefined
  readonly #host: SimHost

  constructor(options: Pick<SimPlatformOptions, 'clock' | 'random'> & { readonly network: Network }, host: SimHost) {
    super({ ...options, site: host.name, timerGrainMs: 0 })
    this.#host = host
  }

  override open(host: string, port: number): SimSocket {
    return this.#host.open(host, port)
  }

  override interfaces(): InterfaceAddress[] {
    return this.#host.interfaces()
  }

  defaultRoutes(): { v4?: string; v6?: string } {
    return this.#host.defaultRoutes()
  }
}
