/** `Endpoint` on Node: the portable one with Node's platform and crypto filled in. */
import { messageOf } from '../bytes/index.ts'
import { decodePem } from '../crypto/index.ts'
import { createNodeCrypto, systemRootCertificates } from '../crypto/node/index.ts'
import { NodePlatform } from '../platform/node/index.ts'
import { TrustedRoots } from '../quic/index.ts'
import { Endpoint as PortableEndpoint } from './endpoint.ts'
import { EndpointError } from './errors.ts'
import type { EndpointOptions, EndpointRuntime } from './options.ts'

/** As the portable options; `runtime` is Node's unless given. */
export interface NodeEndpointOptions extends Omit<EndpointOptions, 'runtime'> {
  readonly runtime?: Partial<EndpointRuntime>
  /** PEM certificates that vouch for relays, instead of those Node trusts: for a relay with a certificate of one's own. */
  readonly caCertificates?: readonly string[]
  /** HTTP proxy to relays, a URL; null = none. Default: the environment's (https_proxy, http_proxy, no_proxy). */
  readonly proxy?: string | null
}

export class Endpoint extends PortableEndpoint {
  /** Opens the sockets. Rejects with EndpointError BIND_FAILED or INVALID_OPTION. */
  static override async bind(options: NodeEndpointOptions = {}): Promise<Endpoint> {
    const { caCertificates, proxy } = options
    const roots = caCertificates === undefined ? lazySystemRoots() : ownRoots(caCertificates)
    const {
      platform = new NodePlatform({
        ...(caCertificates === undefined ? {} : { ca: caCertificates }),
        ...(proxy === undefined ? {} : { proxy }),
      }),
      crypto = createNodeCrypto(),
      trustedRoots = roots,
    } = options.runtime ?? {}
    const complete = { ...options, runtime: { platform, crypto, trustedRoots } }
    return Endpoint.open(new Endpoint(complete))
  }
}

/** Reading Node's list takes some milliseconds, and only address discovery wants it. */
function lazySystemRoots(): () => TrustedRoots {
  let roots: TrustedRoots | undefined
  return () => {
    roots ??= TrustedRoots.lenient(systemRootCertificates())
    return roots
  }
}

/** Throws EndpointError INVALID_OPTION. */
function ownRoots(pems: readonly string[]): () => TrustedRoots {
  try {
    const certificates = pems.flatMap((pem) => decodePem(pem, 'CERTIFICATE'))
    if (certificates.length === 0) throw new RangeError('there is no CERTIFICATE block')
    const roots = new TrustedRoots(certificates)
    return () => roots
  } catch (error) {
    const message = messageOf(error)
    throw new EndpointError('INVALID_OPTION', `caCertificates: ${message}; pass PEM text`, { cause: error })
  }
}
