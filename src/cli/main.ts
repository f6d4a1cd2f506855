/**
 * The `tom` command: arguments, exit codes (0 success, 1 failure, 2 wrong usage), one clear line per error. What the commands do stands
 * in their own files.
 */

import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { messageOf } from '../bytes/index.ts'
import { EndpointError } from '../endpoint/index.ts'
import { TomError } from '../envelope/index.ts'
import { GossipError } from '../gossip/index.ts'
import { IdentityError, ipAddr, parseTarget, SecretKey } from '../identity/index.ts'
import { addBridgeCommand } from './bridge.ts'
import { addChatCommand } from './chat.ts'
import { connect } from './connect.ts'
import { addDoctorCommand } from './doctor.ts'
import { addEndpointFlags, atOurRelays, collect, type EndpointFlagValues, endpointFlags } from './endpoint-flags.ts'
import { addGossipCommand } from './gossip.ts'
import { readKeyFile, writeKeyFile } from './key-file.ts'
import { listen } from './listen.ts'
import { addRelayCommand } from './relay.ts'
import { JsonReporter, type Output, TextReporter } from './reporter.ts'
import { type Run, sleep, UsageError } from './run.ts'
import { addSendCommand } from './send.ts'

const DEFAULT_ALPN = 'tom-protocol/poc/nat-test/0'
const EXIT_FAILURE = 1
const EXIT_USAGE = 2

const output: Output = {
  stdout: (line) => void process.stdout.write(`${line}\n`),
  stderr: (line) => void process.stderr.write(`${line}\n`),
}

interface CommonFlags extends EndpointFlagValues {
  readonly name: string
  readonly alpn: string
  readonly json?: true
  readonly verbose?: true
}

interface ConnectFlags extends CommonFlags {
  readonly addr?: string[]
  readonly pings: number
  readonly delay: number
  readonly continuous?: true
  readonly summaryInterval: number
  readonly maxReconnects: number
  readonly timeout?: number
}

function count(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number.')
  return Number(text)
}

function positive(text: string): number {
  const value = count(text)
  if (value === 0) throw new InvalidArgumentError('expected a whole number above 0.')
  return value
}

/** Ctrl-C once: end in order. Twice: now. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130)
    controller.abort(new Error('interrupted'))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return controller.signal
}

function createRun(flags: CommonFlags): Run {
  const interrupted = interruption()
  return {
    output,
    reporter: flags.json === true ? new JsonReporter(output) : new TextReporter(output),
    interrupted,
    now: () => performance.now(),
    wallClock: () => Date.now(),
    elapsed: () => performance.now() / 1000,
    sleep: (ms) => sleep(ms, interrupted),
  }
}

async function runId(flags: { key?: string; write?: string }): Promise<void> {
  const key = flags.key === undefined ? SecretKey.generate() : await readKeyFile(flags.key)
  if (flags.write !== undefined) await writeKeyFile(flags.write, key)
  output.stdout(key.id.toString())
  if (flags.key === undefined && flags.write === undefined) {
    output.stderr('the key of this id was not kept; tom id --write FILE keeps it')
  }
}

async function runListen(flags: CommonFlags): Promise<void> {
  const endpoint = await endpointFlags(flags)
  await listen({ name: flags.name, alpn: flags.alpn, ...endpoint }, createRun(flags))
}

async function runConnect(text: string, flags: ConnectFlags): Promise<void> {
  const endpoint = await endpointFlags(flags)
  const parsed = parseTarget(text).withAddrs((flags.addr ?? []).map((address) => ipAddr(address)))
  const target = atOurRelays(parsed, endpoint)
  const isSuccess = await connect(
    {
      target,
      name: flags.name,
      alpn: flags.alpn,
      pings: flags.pings,
      delayMs: flags.delay,
      continuous: flags.continuous === true,
      summaryInterval: flags.summaryInterval,
      maxReconnects: flags.maxReconnects,
      ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout }),
      ...endpoint,
    },
    createRun(flags),
  )
  if (!isSuccess) process.exitCode = EXIT_FAILURE
}

function withCommonFlags(command: Command): Command {
  command
    .option('-n, --name <name>', 'label in events', 'Node')
    .option('--alpn <alpn>', 'application protocol', DEFAULT_ALPN)
  return addEndpointFlags(command)
    .option('--json', 'event lines on stdout, everything else on stderr')
    .option('--verbose', 'errors with their stack')
}

/** Put in by the build; a run from the sources has none. */
declare const TOM_VERSION: string | undefined

function createProgram(): Command {
  const program = new Command('tom')
    .description('Peer-to-peer QUIC: dial a public key. Unaudited cryptographic protocol code.')
    .version(typeof TOM_VERSION === 'string' ? TOM_VERSION : 'from source')
    .exitOverride()
    .addHelpText(
      'after',
      '\nEnvironment: SSLKEYLOGFILE=<file> writes TLS secrets for Wireshark, QLOGDIR=<folder> one qlog file per connection.',
    )
  program
    .command('id')
    .description('print an endpoint id: of a fresh key, or of the one in a file')
    .option('--key <file>', 'read the secret key from this file')
    .option('--write <file>', 'write the secret key to this new file, readable by you only')
    .option('--verbose', 'errors with their stack')
    .action(runId)
  withCommonFlags(program.command('listen'))
    .description('wait for connections and echo every stream, until Ctrl-C')
    .action(runListen)
  withCommonFlags(program.command('connect'))
    .description('dial a peer and ping it over streams')
    .argument('<ticket|id>', 'ticket that the peer printed, or its id together with --addr or --relay')
    .option('--addr <ip:port>', 'address of the peer, repeatable', collect)
    .option('-p, --pings <count>', 'number of pings; ignored with --continuous', positive, 20)
    .option('-d, --delay <ms>', 'pause after each ping', count, 2000)
    .option('--continuous', 'ping until Ctrl-C, reconnecting when the connection is lost')
    .option('--summary-interval <pings>', 'with --continuous: a summary every so many pings, 0 = none', count, 50)
    .option('--max-reconnects <attempts>', 'with --continuous: 0 = no limit; without it the limit is 3', count, 10)
    .option('--timeout <ms>', 'give up dialling after this (default: three attempts of 30,000)', positive)
    .action(runConnect)
  addChatCommand(program, output, interruption)
  addSendCommand(program, output, interruption)
  addGossipCommand(program, output, interruption)
  addBridgeCommand(program, output, interruption)
  addRelayCommand(program, output, interruption)
  addDoctorCommand(program, output, interruption)
  return program
}

async function main(args: readonly string[]): Promise<void> {
  // Whoever reads our output may stop: that is no crash.
  process.stdout.on('error', () => process.exit(EXIT_FAILURE))
  try {
    await createProgram().parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) {
      // Its message was printed; help that was asked for is a success.
      process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE
      return
    }
    const isUsage =
      error instanceof UsageError ||
      error instanceof IdentityError ||
      ((error instanceof EndpointError || error instanceof GossipError || error instanceof TomError) &&
        error.code === 'INVALID_OPTION')
    process.exitCode = isUsage ? EXIT_USAGE : EXIT_FAILURE
    const stack = error instanceof Error ? error.stack : undefined
    output.stderr(args.includes('--verbose') && stack !== undefined ? stack : `tom: ${messageOf(error)}`)
  }
}

await main(process.argv.slice(2))
