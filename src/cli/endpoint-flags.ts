/** The flags of every command that starts an endpoint, as `Endpoint.bind` takes them. */

import { readFile } from 'node:fs/promises'
import { messageOf } from '../bytes/index.ts'
import type { SecretKey } from '../identity/index.ts'
import { UsageError } from './run.ts'

export interface EndpointFlags {
  readonly relays: readonly { readonly url: string; readonly token?: string }[]
  readonly caCertificates?: readonly string[]
  readonly bind?: readonly string[]
  readonly secretKey?: SecretKey
}

/** Throws UsageError for a file that cannot be read. */
export async function readCertificates(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`cannot read the certificates of --relay-ca: ${messageOf(error)}`)
  }
}
