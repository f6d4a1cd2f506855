/** What `tom chat`, `tom send` and `tom bridge` share: flags of a node, their checks, and what `TomNode.start` makes of them. */
import { type Command, InvalidArgumentError } from 'commander'
import { DISCOVERY_TOPIC_TEXT } from '../envelope/index.ts'
import type { NodeTomNodeOptions } from '../envelope/node.ts'
import { TopicId } from '../gossip/index.ts'
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
import type { Output } from './reporter.ts'
import { UsageError } from './run.ts'

/** A name has at most so many bytes of UTF-8 (PRS-1). */
const MAX_NAME = 64

export interface TomNodeFlagValues extends EndpointFlagValues {
  readonly name: string
  readonly topic: string
  readonly join?: string[]
  readonly storage?: string
  readonly json?: true
}

export interface TomNodeFlags extends EndpointFlags {
  readonly name: string
  readonly topic: TopicId
  /** As it was typed. */
  readonly topicText: string
  readonly join: readonly EndpointAddr[]
  readonly storage: string | undefined
}

/** `name`: the default. */
export function addTomNodeFlags(command: Command, name = ''): Command {
  command
    .option('-n, --name <name>', 'what the node calls itself; others see its id, too', name)
    .option('--topic <topic>', 'the swarm to be part of, a name or 64 hex digits', DISCOVERY_TOPIC_TEXT)
    .option('--join <ticket>', 'somebody else who is in the swarm, repeatable', collect)
    .option('--storage <folder>', 'keeps what is not delivered beyond the end of this process')
  return addEndpointFlags(command)
    .option('--json', 'one JSON object a line on stdout, everything else on stderr')
    .option('--verbose', 'errors with their stack')
}

export function milliseconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number.')
  return Number(text)
}

/** Checks what the flags name and reads the files. Throws UsageError, IdentityError or GossipError INVALID_OPTION. */
export async function tomNodeFlags(flags: TomNodeFlagValues): Promise<TomNodeFlags> {
  const { name, storage } = flags
  if (Buffer.byteLength(name) > MAX_NAME) throw new UsageError(`--name takes at most ${MAX_NAME} bytes of UTF-8`)
  if (storage === '') throw new UsageError('--storage takes a folder')
  const topic = TopicId.parse(flags.topic)
  const endpoint = await endpointFlags(flags)
  const join = (flags.join ?? []).map((text) => targetOf(text, endpoint))
  return { ...endpoint, name, topic, topicText: flags.topic, join, storage }
}

/** `bootstrap`: known members of the swarm. */
export function tomNodeOptions(
  flags: TomNodeFlags,
  bootstrap: readonly EndpointAddr[],
  run: { readonly output: Output },
): NodeTomNodeOptions {
  const { name, topic, storage } = flags
  return {
    ...endpointOptions(flags, run),
    name,
    topic,
    bootstrap,
    ...(storage === undefined ? {} : { storage }),
  }
}
