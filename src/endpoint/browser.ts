/** `Endpoint` in a browser: the portable one with Web APIs and crypto in JavaScript filled in. A page has no UDP, so nothing is bound by default. */
import { createPortableCrypto } from '../crypto/portable/index.ts'
import { BrowserPlatform } from '../platform/browser/index.ts'
import { Endpoint as PortableEndpoint } from './endpoint.ts'
import type { EndpointOptions, EndpointRuntime } from './options.ts'

/** As the portable options; `runtime` is the browser's unless given. */
export interface BrowserEndpointOptions extends Omit<EndpointOptions, 'runtime'> {
  readonly runtime?: Partial<EndpointRuntime>
}

export class Endpoint extends PortableEndpoint {
  /** Rejects with EndpointError INVALID_OPTION, or BIND_FAILED where addresses to bind are given. */
  static override async bind(options: BrowserEndpointOptions = {}): Promise<Endpoint> {
    const { platform = new BrowserPlatform(), crypto = createPortableCrypto() } = options.runtime ?? {}
    const complete = { bind: [], ...options, runtime: { platform, crypto } }
    return Endpoint.open(new Endpoint(complete))
  }
}
