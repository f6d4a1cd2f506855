/** `tom gossip`: everybody in a topic hears what is typed here, and the other way round. Flags, endpoint, standard input, and how it ends. */
import { randomBytes } from 'node:crypto'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { encodeHex, messageOf } from '../bytes/index.ts'
import { Endpoint } from '../endpoint/node.ts'
import {
  DEFAULT_GOSSIP_PROFILE,
  Gossip,
  type GossipProfile,
  TopicId,
  UPSTREAM_GOSSIP_PROFILE,
} from '../gossip/index.ts'
import type { EndpointAddr } from '../identity/index.ts'
import {
  addEndpointFlags,
  collect,
  type EndpointFlags,
  type EndpointFlagValues,
  endpointFlags,
  endpointOptions,
  targetOf,
} from './endpoint-flags.ts'
import { Chat } from './gossip-chat.ts'
import { type ChatReporter, JsonChatReporter, TextChatReporter } from './gossip-events.ts'
import { MAX_NAME } from './gossip-message.ts'
import type { Output } from './reporter.ts'
import { UsageError } from './run.ts'

const DEFAULT_ALPN = '/iroh-gossip/1'
/** For the home relay; then the ticket is printed without, ms. */
const ONLINE_WAIT_MS = 10_000
/** `GossipTopic.joined` waits as long. */
const DEFAULT_WAIT_MS = 30_000
/** A broadcast has this much less than a message, bytes (spec/gossip.md §3.5). */
const OVERHEAD = 39
const NONCE_LENGTH = 8

const PROFILES: Readonly<Record<string, GossipProfile>> = {
  default: DEFAULT_GOSSIP_PROFILE,
  upstream: UPSTREAM_GOSSIP_PROFILE,
}

interface Flags extends EndpointFlagValues {
  readonly join?: string[]
  readonly name: string
  readonly alpn?: string[]
  readonly profile: string
  readonly stay?: true
  readonly wait: number
  readonly json?: true
}

export interface GossipCommandOptions extends EndpointFlags {
  readonly topic: TopicId
  /** As it was typed. */
  readonly topicText: string
  readonly join: readonly EndpointAddr[]
  readonly name: string
  readonly alpns: readonly string[]
  readonly profile: GossipProfile
  readonly isStaying: boolean
  readonly waitMs: number
}

/** What `gossip` needs of the process. */
export interface GossipRun {
  readonly output: Output
  readonly reporter: ChatReporter
  readonly input: AsyncIterable<Uint8Array>
  readonly interrupted: AbortSignal
}

/** `interruption` is called when the command begins: its signal ends it. */
export function addGossipCommand(program: Command, output: Output, interruption: () => AbortSignal): void {
  const command = program
    .command('gossip')
    .description('say lines to everybody in a topic and hear theirs, until end of input or Ctrl-C')
    .argument('<topic>', 'a name, or 64 hex digits')
    .option('--join <ticket>', 'somebody who is in the topic, repeatable (default: wait to be joined)', collect)
    .option('-n, --name <name>', 'who you are; unsigned, others see your id, too', 'Node')
    .option('--alpn <alpn>', `gossip protocol, repeatable, most wanted first (default: ${DEFAULT_ALPN})`, collect)
    .addOption(
      new Option('--profile <profile>', 'default, or upstream: as iroh-gossip 0.101, defects included')
        .choices(Object.keys(PROFILES))
        .default('default'),
    )
    .option('--stay', 'after the end of the input go on until Ctrl-C')
    .option(
      '--wait <ms>',
      'after the end of the input, wait so long for somebody to hear it',
      milliseconds,
      DEFAULT_WAIT_MS,
    )
  addEndpointFlags(command)
    .option('--json', 'one JSON object a line on stdout, everything else on stderr')
    .option('--verbose', 'errors with their stack')
    .action(async (topic: string, flags: Flags) => {
      const options = await gossipOptions(topic, flags)
      const reporter =
        flags.json === true ? new JsonChatReporter(output, () => Date.now()) : new TextChatReporter(output)
      const { stdin } = process
      try {
        const isSuccess = await gossip(options, { output, reporter, input: stdin, interrupted: interruption() })
        if (!isSuccess) process.exitCode = 1
      } finally {
        // a terminal that is still read would keep the process
        stdin.destroy()
      }
    })
}

function milliseconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number.')
  return Number(text)
}

/** Throws UsageError, IdentityError or GossipError INVALID_OPTION. */
async function gossipOptions(topicText: string, flags: Flags): Promise<GossipCommandOptions> {
  const endpoint = await endpointFlags(flags)
  const { name } = flags
  if (name === '' || name.length > MAX_NAME) throw new UsageError(`--name takes 1 to ${MAX_NAME} characters`)
  const join = (flags.join ?? []).map((text) => targetOf(text, endpoint))
  return {
    ...endpoint,
    topic: TopicId.parse(topicText),
    topicText,
    join,
    name,
    alpns: flags.alpn ?? [DEFAULT_ALPN],
    profile: PROFILES[flags.profile]!,
    isStaying: flags.stay === true,
    waitMs: flags.wait,
  }
}

/** Resolves with whether every line found somebody to hear it, once the topic is left and neighbours have what they were sent (at most some seconds). */
export async function gossip(options: GossipCommandOptions, run: GossipRun): Promise<boolean> {
  const { name, alpns, profile } = options
  const { output, reporter, interrupted } = run
  const endpoint = await Endpoint.bind(endpointOptions(options, run))
  const ended = new AbortController()
  try {
    const swarm = Gossip.on(endpoint, { alpns, profile, onError: (error) => output.stderr(`tom: ${String(error)}`) })
    const id = endpoint.id.toString()
    reporter.event({ event: 'started', name, id, topic: options.topic.toString(), profile: profile.name, alpns })
    const topic = swarm.subscribe(options.topic, { bootstrap: options.join })
    const chat = new Chat({
      topic,
      reporter,
      name,
      author: id,
      maxPayload: swarm.maxMessageSize - OVERHEAD,
      waitMs: options.waitMs,
      isStaying: options.isStaying,
      interrupted,
      wallClock: () => Date.now(),
      nonce: () => encodeHex(randomBytes(NONCE_LENGTH)),
    })
    showTicket(endpoint, options, reporter, AbortSignal.any([interrupted, ended.signal]))
    try {
      await chat.run(run.input)
    } finally {
      // says goodbye to neighbours and waits for their acknowledgements (spec/gossip.md §3.8 C8, §14.4 bug 2)
      await swarm.close()
    }
    const { counts } = chat
    reporter.event({ event: 'ended', ...counts })
    return counts.unsent === 0
  } finally {
    ended.abort()
    await endpoint.close()
  }
}

/** Once a home relay is connected, for it belongs into the ticket; in a local network it does without. */
async function showTicket(
  endpoint: Endpoint,
  options: GossipCommandOptions,
  reporter: ChatReporter,
  signal: AbortSignal,
): Promise<void> {
  try {
    await endpoint.online({ signal, timeoutMs: ONLINE_WAIT_MS })
  } catch (error) {
    if (signal.aborted) return
    reporter.note(`${messageOf(error)}; going on without`)
  }
  const ticket = endpoint.ticket().toString()
  reporter.event({ event: 'ticket', ticket, command: joinCommand(options, ticket) })
}

/** What the other side types: the same topic and protocols. */
export function joinCommand({ topicText, alpns }: GossipCommandOptions, ticket: string): string {
  const isDefault = alpns.length === 1 && alpns[0] === DEFAULT_ALPN
  const flags = isDefault ? [] : alpns.flatMap((alpn) => ['--alpn', alpn])
  return ['tom', 'gossip', topicText, ...flags, '--join', ticket].map(shellWord).join(' ')
}

/** As one word of a POSIX shell. */
function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
