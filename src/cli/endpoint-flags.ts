/** The flags of every command that starts an endpoint: their texts, their checks, and what `Endpoint.bind` makes of them. */

import { readFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError } from 'commander'
import { messageOf, parseSocketAddress } from '../bytes/index.ts'
import type { NodeEndpointOptions } from '../endpoint/node.ts'
import { isDialable, parseStunServer } from '../holepunch/index.ts'
import { type EndpointAddr, parseTarget, relayAddr, type SecretKey } from '../identity/index.ts'
import { readKeyFile } from './key-file.ts'
import { type Run, UsageError } from './run.ts'
import { tracesFromEnvironment } from './traces.ts'

export interface EndpointFlags {
  readonly relays: readonly { readonly url: string; readonly token?: string }[]
  readonly caCertificates?: readonly string[]
  readonly bind?: readonly string[]
  readonly secretKey?: SecretKey
  readonly stunServers?: readonly string[]
  readonly externalAddresses?: readonly string[]
  readonly portMapping?: boolean
  readonly birthday?: boolean
}

/** As commander hands them over. */
export interface EndpointFlagValues {
  readonly bind?: string[]
  readonly relay?: string[]
  readonly relayToken?: string
  readonly relayCa?: string
  readonly secretFile?: string
  readonly stun?: string[]
  readonly external?: string[]
  readonly portMapping?: true
  readonly birthday?: boolean
}

export function addEndpointFlags(command: Command): Command {
  return command
    .option('--bind <address>', 'local ip:port, repeatable (default: 0.0.0.0:0 and [::]:0)', collect)
    .option('--relay <url>', 'relay to be found at, repeatable (default: TOM_RELAYS, else none)', collect)
    .option(
      '--relay-token <token>',
      'what those relays ask for (default: TOM_RELAY_TOKEN); it does not go into tickets',
    )
    .option('--relay-ca <file>', "PEM certificates that vouch for relays, instead of Node's list")
    .option('--stun <host:port>', 'STUN server, repeatable (default: TOM_STUN, else none)', collectStun)
    .option('--external <ip:port>', 'where others reach us, as only you can know, repeatable', collectExternal)
    .option('--port-mapping', 'ask the router to forward a port while we run (PCP, NAT-PMP, UPnP)')
    .option('--no-birthday', 'do not try many ports against a NAT that has one for each destination')
    .option('--secret-file <file>', 'secret key made by tom id --write (default: a fresh key)')
}

export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}

function collectStun(value: string, before: string[] | undefined): string[] {
  return collect(checked(value, checkStun), before)
}

function collectExternal(value: string, before: string[] | undefined): string[] {
  return collect(checked(value, checkExternal), before)
}

/** Throws commander's InvalidArgumentError instead of what `check` throws. */
function checked(value: string, check: (value: string) => void): string {
  try {
    check(value)
  } catch (error) {
    throw new InvalidArgumentError(`${messageOf(error)}.`)
  }
  return value
}

function checkStun(value: string): void {
  parseStunServer(value)
}

function checkExternal(value: string): void {
  if (!isDialable(parseSocketAddress(value))) throw new Error('nobody can be reached there')
}

/** Somebody of whom only the id is known is looked for where we are ourselves. */
export function atOurRelays(target: EndpointAddr, { relays }: EndpointFlags): EndpointAddr {
  return target.isEmpty ? target.withAddrs(relays.map(({ url }) => relayAddr(url))) : target
}

/** Whom a ticket or an id names. Throws IdentityError. */
export function targetOf(text: string, flags: EndpointFlags): EndpointAddr {
  return atOurRelays(parseTarget(text), flags)
}

/** Checks what the flags name and reads the files. Throws UsageError. */
export async function endpointFlags(
  values: EndpointFlagValues,
  env: NodeJS.ProcessEnv = process.env,
): Promise<EndpointFlags> {
  const relays = values.relay ?? listOf(env.TOM_RELAYS)
  const token = values.relayToken ?? env.TOM_RELAY_TOKEN
  return {
    relays: relays.map((url) => (token === undefined ? { url } : { url, token })),
    ...(values.relayCa === undefined ? {} : { caCertificates: [await readCertificates(values.relayCa)] }),
    ...(values.secretFile === undefined ? {} : { secretKey: await readKeyFile(values.secretFile) }),
    ...(values.bind === undefined ? {} : { bind: values.bind }),
    stunServers: values.stun ?? stunServersOf(env.TOM_STUN),
    externalAddresses: values.external ?? [],
    portMapping: values.portMapping === true,
    birthday: values.birthday !== false,
  }
}

function stunServersOf(text: string | undefined): string[] {
  const servers = listOf(text)
  try {
    for (const server of servers) checkStun(server)
  } catch (error) {
    throw new UsageError(`TOM_STUN: ${messageOf(error)}`)
  }
  return servers
}

/** Commas or spaces stand between the entries. */
function listOf(text: string | undefined): string[] {
  return (text ?? '').split(/[\s,]+/).filter((entry) => entry !== '')
}

/** Throws UsageError for a file that cannot be read. */
async function readCertificates(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new UsageError(`cannot read the certificates of --relay-ca: ${messageOf(error)}`)
  }
}

/** What `Endpoint.bind` takes: the flags, the traces that the environment asks for, and errors as lines on stderr. */
export function endpointOptions(flags: EndpointFlags, { output }: Pick<Run, 'output'>): NodeEndpointOptions {
  const { relays, caCertificates, bind, secretKey, stunServers, externalAddresses, portMapping, birthday } = flags
  return {
    relays,
    ...(caCertificates === undefined ? {} : { caCertificates }),
    ...(bind === undefined ? {} : { bind }),
    ...(secretKey === undefined ? {} : { secretKey }),
    ...(stunServers === undefined ? {} : { stunServers }),
    ...(externalAddresses === undefined ? {} : { externalAddresses }),
    ...(portMapping === undefined ? {} : { portMapping }),
    ...(birthday === undefined ? {} : { birthday }),
    onError: (error) => output.stderr(`tom: ${String(error)}`),
    ...tracesFromEnvironment(process.env),
  }
}
