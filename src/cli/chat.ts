/** `tom chat`: two people talk with nothing but a ticket. Flags, node, input and the kind of output, and how it ends; the talk itself is `chat-session.ts`'s. */
import type { Command } from 'commander'
import { messageOf } from '../bytes/index.ts'
import { readBridged } from '../envelope/bridge/index.ts'
import { DISCOVERY_TOPIC_TEXT } from '../envelope/index.ts'
import { TomNode } from '../envelope/node.ts'
import { type EndpointAddr, type EndpointId, parseTarget } from '../identity/index.ts'
import { type ChatCommand, parseCommand, parseJsonCommand } from './chat-command.ts'
import { Talk } from './chat-session.ts'
import { hasTerminal, screenStyle } from './chat-style.ts'
import { ChatTerminal } from './chat-terminal.ts'
import { targetOf } from './endpoint-flags.ts'
import { readLines } from './gossip-input.ts'
import type { Output } from './reporter.ts'
import { UsageError } from './run.ts'
import { JsonTalkReporter, type TalkEvent, type TalkReporter, TextTalkReporter } from './tom-node-events.ts'
import { type BridgedReader, pathOf } from './tom-node-fields.ts'
import {
  addTomNodeFlags,
  milliseconds,
  type TomNodeFlags,
  type TomNodeFlagValues,
  tomNodeFlags,
  tomNodeOptions,
} from './tom-node-flags.ts'

/** For the home relay; then the ticket is printed without, ms. */
const ONLINE_WAIT_MS = 10_000
const DEFAULT_WAIT_MS = 30_000
/** A guess: a node asks others to keep a message after 2 s. */
const KEPT_GRACE_MS = 2_500
/** Bytes of UTF-8: about what an envelope carries encrypted (spec/envelope.md §1.9). */
const MAX_TEXT = 104_000
/** Bytes: JSON may need six for one. */
const MAX_JSON_LINE = 6 * MAX_TEXT + 1_000

interface Flags extends TomNodeFlagValues {
  readonly bridge?: string
  readonly stay?: true
  readonly wait: number
}

export interface ChatCommandOptions extends TomNodeFlags {
  readonly partner: EndpointAddr | undefined
  /** Whose messages are texts of the earlier stack. */
  readonly bridge: EndpointId | undefined
  readonly isStaying: boolean
  readonly waitMs: number
}

/** What `chat` needs of the process. */
export interface ChatRun {
  readonly output: Output
  readonly reporter: TalkReporter
  /** On which people talk; then `reporter` only says what comes before and after. */
  readonly terminal: ((setup: TerminalHooks) => ChatTerminal) | undefined
  readonly commands: AsyncIterable<ChatCommand>
  /** Somebody sees what the reporter says. */
  readonly isRead: boolean
  readonly interrupted: AbortSignal
}

interface TerminalHooks {
  partnerPath(): ReturnType<typeof pathOf>
  onSeen(id: string, from: string): void
  onInterrupt(): void
}

/** `interruption` is called when the command begins: its signal ends it. */
export function addChatCommand(program: Command, output: Output, interruption: () => AbortSignal): void {
  const command = program
    .command('chat')
    .description('talk to somebody, signed and sealed: with their ticket, or waiting for them with yours')
    .argument('[ticket|id]', 'whom to talk to; without it you get a ticket that another one needs')
  addTomNodeFlags(command)
    .option('--bridge <id>', 'this peer is a bridge: read what it brings as texts of the earlier stack')
    .option('--stay', 'after the end of the input go on until Ctrl-C')
    .option('--wait <ms>', 'after the end of the input, wait so long for delivery', milliseconds, DEFAULT_WAIT_MS)
    .action(async (ticket: string | undefined, flags: Flags) => {
      const options = await chatOptions(ticket, flags)
      const { stdin } = process
      try {
        const isSuccess = await chat(options, processRun(flags, output, interruption()))
        if (!isSuccess) process.exitCode = 1
      } finally {
        // a terminal that is still read would keep the process
        stdin.destroy()
      }
    })
}

async function chatOptions(ticket: string | undefined, flags: Flags): Promise<ChatCommandOptions> {
  const node = await tomNodeFlags(flags)
  const partner = ticket === undefined ? undefined : targetOf(ticket, node)
  if (partner !== undefined && node.secretKey?.id.equals(partner.id) === true)
    throw new UsageError('this ticket is your own: give it to the other one')
  const bridge = flags.bridge === undefined ? undefined : parseTarget(flags.bridge).id
  return { ...node, partner, bridge, isStaying: flags.stay === true, waitMs: flags.wait }
}

/** People get the terminal interface, pipes lines, programs JSON. */
function processRun({ json }: Flags, output: Output, interrupted: AbortSignal): ChatRun {
  const { stdin, stdout, env } = process
  const wallClock = (): number => Date.now()
  const isTerminal = json !== true && hasTerminal(stdin, stdout, env)
  return {
    output,
    reporter: json === true ? new JsonTalkReporter(output, wallClock) : new TextTalkReporter(output),
    terminal: isTerminal
      ? (hooks) =>
          new ChatTerminal({
            input: stdin,
            output: stdout,
            style: screenStyle(env),
            maxBytes: MAX_TEXT,
            wallClock,
            ...hooks,
          })
      : undefined,
    commands: inputCommands(stdin, json === true),
    isRead: json !== true && stdout.isTTY === true,
    interrupted,
  }
}

/** Reads no further than it is asked to. */
export async function* inputCommands(
  input: AsyncIterable<Uint8Array>,
  isJson: boolean,
): AsyncGenerator<ChatCommand, void, undefined> {
  for await (const line of readLines(input, isJson ? MAX_JSON_LINE : MAX_TEXT)) {
    if (line.kind === 'too-long') yield line
    else yield isJson ? parseJsonCommand(line.text) : parseCommand(line.text)
  }
}

/** Resolves with whether everything that was said is delivered or kept by others, once the node is closed. */
export async function chat(options: ChatCommandOptions, run: ChatRun): Promise<boolean> {
  const { partner, join, storage } = options
  const bootstrap = partner === undefined ? join : [partner, ...join]
  const node = await TomNode.start(tomNodeOptions(options, bootstrap, run))
  const ended = new AbortController()
  const left = new AbortController()
  const interrupted = AbortSignal.any([run.interrupted, left.signal])
  let talk: Talk | undefined
  const terminal = run.terminal?.({
    partnerPath: () => (talk?.partner === undefined ? null : pathOf(node.peer(talk.partner))),
    onSeen: (id, from) => talk?.read(id, from),
    onInterrupt: () => left.abort(new Error('interrupted')),
  })
  const reporter = terminal === undefined ? run.reporter : new StagedReporter(run.reporter, terminal)
  const showTicket = (): void => {
    const ticket = node.ticket().toString()
    reporter.event({ event: 'ticket', ticket, command: talkCommand(options, ticket) })
  }
  talk = new Talk({
    node,
    reporter,
    ...(partner === undefined ? {} : { partner }),
    isRead: terminal === undefined && run.isRead,
    waitMs: options.waitMs,
    keptGraceMs: KEPT_GRACE_MS,
    isStaying: options.isStaying,
    ...(options.bridge === undefined ? {} : { readBridged: bridgedReader(options.bridge, node) }),
    interrupted,
    now: () => performance.now(),
    showTicket,
  })
  try {
    reporter.event({
      event: 'started',
      name: options.name,
      id: node.id.toString(),
      topic: options.topic.toString(),
      storage: storage !== undefined,
    })
    // people who have a ticket need none; /ticket shows it
    if (terminal === undefined || partner === undefined)
      showTicketOnline(node, reporter, showTicket, AbortSignal.any([interrupted, ended.signal]))
    await talk.run(terminal?.commands() ?? run.commands)
  } finally {
    ended.abort()
    terminal?.close()
    await node.close()
  }
  return conclude(talk, options, run.reporter)
}

/** Of the bridge's messages only: anybody can write such a text. */
function bridgedReader(bridge: EndpointId, { endpoint: { secretKey } }: TomNode): BridgedReader {
  return ({ from, bytes }) => (from.equals(bridge) ? readBridged(bytes, { secretKey }) : undefined)
}

/** Says what became of what was said. */
function conclude(talk: Talk, { storage }: ChatCommandOptions, reporter: TalkReporter): boolean {
  const { counts, rest } = talk
  for (const message of rest) reporter.event({ event: 'unsettled', ...message })
  if (rest.length > 0 && storage !== undefined) reporter.note(`${storage} has them, too: start again with it to go on`)
  reporter.event({ event: 'ended', ...counts })
  return counts.undelivered === 0
}

/** Once a home relay is connected, for it belongs into the ticket; in a local network it does without. */
async function showTicketOnline(
  node: TomNode,
  reporter: TalkReporter,
  showTicket: () => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    await node.online({ signal, timeoutMs: ONLINE_WAIT_MS })
  } catch (error) {
    if (signal.aborted) return
    reporter.note(`${messageOf(error)}; going on without`)
  }
  if (!signal.aborted) showTicket()
}

/** What the other side types. */
export function talkCommand({ topicText }: { readonly topicText: string }, ticket: string): string {
  const topic = topicText === DISCOVERY_TOPIC_TEXT ? [] : ['--topic', topicText]
  return ['npx', 'tom', 'chat', ...topic, ticket].map(shellWord).join(' ')
}

/** As one word of a POSIX shell. */
function shellWord(text: string): string {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Plain lines until there is somebody to talk to, so that the ticket can be copied from the terminal; from then on the screen. */
class StagedReporter implements TalkReporter {
  readonly #plain: TalkReporter
  readonly #terminal: ChatTerminal
  #isOpen = false

  constructor(plain: TalkReporter, terminal: ChatTerminal) {
    this.#plain = plain
    this.#terminal = terminal
  }

  event(event: TalkEvent): void {
    if (!this.#isOpen && event.event === 'to') {
      this.#isOpen = true
      this.#terminal.open()
    }
    if (!this.#isOpen) this.#plain.event(event)
    // above the screen they can be copied
    if (this.#isOpen || (event.event !== 'started' && event.event !== 'ticket')) this.#terminal.event(event)
  }

  note(line: string): void {
    this.#terminal.note(line)
    if (!this.#isOpen) this.#plain.note(line)
  }
}
