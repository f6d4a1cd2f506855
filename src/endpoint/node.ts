/** `Endpoint` on Node: the portable one with Node's platform and crypto filled in. */
import { createNodeCrypto } from '../crypto/node/index.ts'
import { NodePlatform } from '../platform/node/index.ts'
import { type EndpointOptions, type EndpointRuntime, Endpoint as PortableEndpoint } from './endpoint.ts'

/** As the portable options; `runtime` is Node's unless given. */
export interface NodeEndpointOptions extends Omit<EndpointOptions, 'runtime'> {
  readonly runtime?: Partial<EndpointRuntime>
}

export class Endpoint extends PortableEndpoint {
  /** Opens the sockets. Rejects with EndpointError BIND_FAILED, RELAY_UNSUPPORTED or INVALID_OPTION. */
  static override async bind(options: NodeEndpointOptions = {}): Promise<Endpoint> {
    const { platform = new NodePlatform(), crypto = createNodeCrypto() } = options.runtime ?? {}
    const complete = { ...options, runtime: { platform, crypto } }
    return Endpoint.open(new Endpoint(complete), complete)
  }
}
