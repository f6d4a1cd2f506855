/** `tom send`: one message to one peer, and what became of it. */
import { type Command, InvalidArgumentError } from 'commander'
import { TomNode } from '../envelope/node.ts'
import type { EndpointAddr } from '../identity/index.ts'
import { isDelivered } from './chat-said.ts'
import type { TalkNode, TalkReceipt } from './chat-session.ts'
import { targetOf } from './endpoint-flags.ts'
import type { Output } from './reporter.ts'
import { limited, UsageError } from './run.ts'
import { JsonTalkReporter, nodes, type TalkReporter, TextTalkReporter } from './tom-node-events.ts'
import { pathOf, textOf } from './tom-node-fields.ts'
import {
  addTomNodeFlags,
  milliseconds,
  type TomNodeFlags,
  type TomNodeFlagValues,
  tomNodeFlags,
  tomNodeOptions,
} from './tom-node-flags.ts'

const DEFAULT_TIMEOUT_MS = 30_000
/** No envelope is larger, bytes (spec/envelope.md §1.9). */
const MAX_INPUT = 262_144

interface Flags extends TomNodeFlagValues {
  readonly timeout: number
}

export interface SendCommandOptions extends TomNodeFlags {
  readonly target: EndpointAddr
  readonly timeoutMs: number
}

/** What `send` needs of the process. */
export interface SendRun {
  readonly output: Output
  readonly reporter: TalkReporter
  readonly interrupted: AbortSignal
}

/** `interruption` is called when the command begins: its signal ends it. */
export function addSendCommand(program: Command, output: Output, interruption: () => AbortSignal): void {
  const command = program
    .command('send')
    .description('send one message, signed and sealed, and wait until it is delivered')
    .argument('<ticket|id>', 'to whom; an id is found by --join or at the relays')
    .argument('[text]', 'the message (default: all of standard input, byte by byte)')
  addTomNodeFlags(command)
    .option('--timeout <ms>', 'give up waiting for delivery after this', positive, DEFAULT_TIMEOUT_MS)
    .action(async (ticket: string, text: string | undefined, flags: Flags) => {
      const options = await sendOptions(ticket, flags)
      if (text === '') throw new UsageError('there is nothing to send')
      const interrupted = interruption()
      const { stdin } = process
      try {
        const bytes = text === undefined ? await readInput(stdin, output) : new TextEncoder().encode(text)
        const reporter =
          flags.json === true ? new JsonTalkReporter(output, () => Date.now()) : new TextTalkReporter(output)
        if (!(await send(bytes, options, { output, reporter, interrupted }))) process.exitCode = 1
      } finally {
        stdin.destroy()
      }
    })
}

function positive(text: string): number {
  const value = milliseconds(text)
  if (value === 0) throw new InvalidArgumentError('expected a whole number above 0.')
  return value
}

async function sendOptions(ticket: string, flags: Flags): Promise<SendCommandOptions> {
  const node = await tomNodeFlags(flags)
  const target = targetOf(ticket, node)
  if (node.secretKey?.id.equals(target.id) === true) throw new UsageError('this ticket is your own')
  return { ...node, target, timeoutMs: flags.timeout }
}

/** Throws UsageError when there is nothing, or more than a message may have. */
export async function readInput(
  input: AsyncIterable<Uint8Array> & { readonly isTTY?: boolean },
  output: Output,
): Promise<Uint8Array> {
  if (input.isTTY === true) output.stderr('type the message; Ctrl-D on a new line sends it')
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of input) {
    chunks.push(chunk)
    length += chunk.length
    if (length > MAX_INPUT) throw new UsageError(`a message has at most ${MAX_INPUT} bytes; there are more`)
  }
  if (length === 0) throw new UsageError('there is nothing to send')
  return Buffer.concat(chunks)
}

/** Resolves with whether the recipient has acknowledged it, once the node is closed. */
export async function send(bytes: Uint8Array, options: SendCommandOptions, run: SendRun): Promise<boolean> {
  const { name, topic, target, join, storage, timeoutMs } = options
  const { reporter, interrupted } = run
  const node = await TomNode.start(tomNodeOptions(options, [target, ...join], run))
  let receipt: TalkReceipt
  try {
    const id = node.id.toString()
    reporter.event({ event: 'started', name, id, topic: topic.toString(), storage: storage !== undefined })
    const limit = limited(interrupted, timeoutMs)
    receipt = await deliver(bytes, { node, target, reporter, limit, now: () => performance.now() })
  } finally {
    await node.close()
  }
  return conclude(receipt, storage, reporter)
}

export interface Delivery {
  readonly node: Pick<TalkNode, 'send' | 'peer'>
  readonly target: EndpointAddr
  readonly reporter: TalkReporter
  /** Aborted when it is not waited for any longer. */
  readonly limit: AbortSignal
  /** Monotonic, ms. */
  now(): number
}

/** Tells what becomes of a message until it is delivered or failed, or the limit is reached. */
export async function deliver(
  bytes: Uint8Array,
  { node, target, reporter, limit, now }: Delivery,
): Promise<TalkReceipt> {
  const to = target.id.toString()
  const name = (): string => node.peer(target.id)?.name ?? ''
  const begin = now()
  const receipt = await node.send(target, bytes)
  reporter.event({ event: 'said', id: receipt.id, to, name: name(), text: textOf(bytes), bytes: bytes.length })
  for await (const { state, holders } of until(receipt, limit)) {
    const path = pathOf(node.peer(target.id))?.kind ?? null
    const after_ms = Math.round((now() - begin) * 1000) / 1000
    reporter.event({ event: 'state', id: receipt.id, to, name: name(), state, holders, path, after_ms })
    if (isDelivered(state) || state === 'failed') break
  }
  return receipt
}

/** Says what became of it: whether it is delivered. */
export function conclude(receipt: TalkReceipt, storage: string | undefined, reporter: TalkReporter): boolean {
  const isSuccess = isDelivered(receipt.state)
  const isKept = !isSuccess && receipt.holders > 0
  if (!isSuccess) reporter.note(outcome(receipt, storage))
  reporter.event({
    event: 'ended',
    said: 1,
    delivered: Number(isSuccess),
    kept: Number(isKept),
    undelivered: Number(!isSuccess && !isKept),
    received: 0,
  })
  return isSuccess
}

/** What is known of a message that was not acknowledged. */
function outcome({ state, holders }: TalkReceipt, storage: string | undefined): string {
  const where = [
    ...(holders === 0 ? [] : [`${nodes(holders)} will deliver it when the recipient returns`]),
    ...(storage === undefined ? [] : [`${storage} has it: start again with it to go on`]),
  ]
  const reached = state === 'pending' || state === 'failed' ? 'nobody was reached' : 'the recipient did not answer'
  return `not delivered: ${[reached, ...where].join('; ')}`
}

/** What it yields until the signal is aborted. */
async function* until<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  const aborted = new Promise<{ readonly done: true; readonly value: undefined }>((resolve) => {
    const end = (): void => resolve({ done: true, value: undefined })
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  for (;;) {
    const next = await Promise.race([iterator.next(), aborted])
    if (next.done === true) return
    yield next.value
  }
}
