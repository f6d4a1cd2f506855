/**
 * `tom relay`: runs a relay server until it is told to stop. Its config file and flags are read elsewhere; here is how it starts, what it says,
 * and how it ends.
 */

import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { messageOf } from '../bytes/index.ts'
import {
  type BindAddress,
  formatBindAddress,
  RelayServer,
  RelayServerError,
  type RelayServerLogEntry,
  type RelayServerOptions,
} from '../relay/server/index.ts'
import { parseRelayConfig, type RelayConfigFile } from './relay-config.ts'
import { relayServerOptions } from './relay-options.ts'
import type { Output } from './reporter.ts'
import { aborted, UsageError } from './run.ts'

interface Flags {
  readonly dev?: true
  readonly configPath?: string
  readonly bind?: string
  readonly json?: true
  readonly logLevel: Level
}

type Level = RelayServerLogEntry['level']
const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error']

/** Put in by the build; a run from the sources has none. */
declare const TOM_VERSION: string | undefined

/** `interruption` is called when the command begins: its signal ends it. */
export function addRelayCommand(program: Command, output: Output, interruption: () => AbortSignal): void {
  program
    .command('relay')
    .description('run a relay server, until Ctrl-C or SIGTERM')
    .option('--dev', 'plain HTTP on port 3340, for development')
    .option('-c, --config-path <file>', 'TOML file, see docs/relay.md')
    .option('--bind <address>', 'local ip:port of the listener that clients use')
    .option('--json', 'event lines on stdout')
    .addOption(new Option('--log-level <level>', 'what is told of clients').choices(LEVELS).default('info'))
    .option('--verbose', 'errors with their stack')
    .action((flags: Flags) => runRelay(flags, output, interruption()))
}

async function runRelay(flags: Flags, output: Output, interrupted: AbortSignal): Promise<void> {
  const { dev = false, configPath, bind } = flags
  if (!dev && configPath === undefined)
    throw new UsageError('give --dev for plain HTTP on port 3340, or --config-path with a TOML file (docs/relay.md)')
  const config = configPath === undefined ? parseRelayConfig('', '') : await readConfig(configPath)
  const reporter = flags.json === true ? jsonReporter(output) : textReporter(output)
  const least = LEVELS.indexOf(flags.logLevel)
  const server = await start({
    ...relayServerOptions(config, { dev, bind }, process.env),
    version: typeof TOM_VERSION === 'string' ? TOM_VERSION : 'from source',
    onLog: (entry) => {
      if (LEVELS.indexOf(entry.level) >= least) reporter.log(entry)
    },
  })
  reporter.started(server)
  await aborted(interrupted)
  reporter.stopping(server)
  await server.close()
  reporter.stopped(server)
}

async function readConfig(path: string): Promise<RelayConfigFile> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new UsageError(`${path}: ${isMissing ? 'there is no such file' : messageOf(error)}`, { cause: error })
  }
  return parseRelayConfig(text, path)
}

async function start(options: RelayServerOptions): Promise<RelayServer> {
  try {
    return await RelayServer.start(options)
  } catch (error) {
    throw error instanceof RelayServerError ? new UsageError(error.message, { cause: error }) : error
  }
}

interface RelayReporter {
  started(server: RelayServer): void
  log(entry: RelayServerLogEntry): void
  stopping(server: RelayServer): void
  stopped(server: RelayServer): void
}

function addressesOf(server: RelayServer): [name: string, address: string][] {
  const all: [string, BindAddress | undefined][] = [
    ['https', server.httpsAddress],
    ['http', server.httpAddress],
    ['quic', server.quicAddress],
    ['metrics', server.metricsAddress],
  ]
  return all.flatMap(([name, address]) => (address === undefined ? [] : [[name, formatBindAddress(address)]]))
}

function totalsOf({ counters }: RelayServer): { connections: number; datagrams: number; bytes: number } {
  return { connections: counters.accepts, datagrams: counters.send_packets_sent, bytes: counters.bytes_sent }
}

function textReporter({ stdout }: Output): RelayReporter {
  return {
    started: (server) => {
      stdout(`relay: ${server.url}`)
      for (const [name, address] of addressesOf(server)) stdout(`listening on ${address} (${name})`)
    },
    log: ({ message, endpoint, remoteAddress }) => {
      const who = [endpoint?.slice(0, 10), remoteAddress].filter((part) => part !== undefined)
      stdout(who.length === 0 ? message : `${who.join(' from ')}: ${message}`)
    },
    stopping: ({ clientCount }) => stdout(`stopping; ${clientCount} clients are told to come back`),
    stopped: (server) => {
      const { connections, datagrams, bytes } = totalsOf(server)
      stdout(`${connections} connections, ${datagrams} datagram frames with ${bytes} bytes forwarded`)
    },
  }
}

/** One object a line; `time` is in ms since 1970. */
function jsonReporter({ stdout }: Output): RelayReporter {
  const line = (event: string, fields: object): void => stdout(JSON.stringify({ event, time: Date.now(), ...fields }))
  return {
    started: (server) => line('started', { url: server.url.href, ...Object.fromEntries(addressesOf(server)) }),
    log: ({ event, level, message, endpoint, remoteAddress }) =>
      line(event, { level, endpoint, remote: remoteAddress, message }),
    stopping: ({ clientCount }) => line('stopping', { clients: clientCount }),
    stopped: (server) => line('stopped', totalsOf(server)),
  }
}
