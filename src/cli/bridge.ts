/** `tom bridge`: a bridge between ToM's earlier stack, at a signalling server, and this one, until Ctrl-C. Flags, node, and how it ends (docs/bridge.md). */
import type { Command } from 'commander'
import { messageOf } from '../bytes/index.ts'
import { type PresentedPeer, V1Bridge } from '../envelope/bridge/index.ts'
import { TomNode } from '../envelope/node.ts'
import { EndpointId } from '../identity/index.ts'
import { type BridgeReporter, JsonBridgeReporter, TextBridgeReporter } from './bridge-events.ts'
import { collect } from './endpoint-flags.ts'
import type { Output } from './reporter.ts'
import { aborted, UsageError } from './run.ts'
import {
  addTomNodeFlags,
  type TomNodeFlags,
  type TomNodeFlagValues,
  tomNodeFlags,
  tomNodeOptions,
} from './tom-node-flags.ts'

/** For the home relay; then the ticket is printed without, ms. */
const ONLINE_WAIT_MS = 10_000
/** As the bridge cuts names of participants. */
const MAX_NAME = 64

interface Flags extends TomNodeFlagValues {
  readonly present?: string[]
  readonly open?: true
  readonly clear?: true
}

export interface BridgeCommandOptions extends TomNodeFlags {
  /** The signalling server. */
  readonly url: string
  readonly peers: readonly PresentedPeer[]
  readonly isOpen: boolean
  readonly isSealed: boolean
}

/** What `bridge` needs of the process. */
export interface BridgeRun {
  readonly output: Output
  readonly reporter: BridgeReporter
  readonly interrupted: AbortSignal
}

/** `interruption` is called when the command begins: its signal ends it. */
export function addBridgeCommand(program: Command, output: Output, interruption: () => AbortSignal): void {
  const command = program
    .command('bridge')
    .description("carry texts between ToM's earlier stack and this one, until Ctrl-C (docs/bridge.md)")
    .argument('<url>', 'signalling server of the earlier stack, ws://host:port or wss://')
    .option(
      '--present <id[=name]>',
      'peer of this stack that the earlier one may see and write to, repeatable',
      collect,
    )
    .option('--open', 'present whoever sends the bridge a text, too')
    .option('--clear', 'do not let the earlier stack encrypt for presented peers: the bridge reads along')
  addTomNodeFlags(command, 'bridge').action(async (url: string, flags: Flags) => {
    const options = await bridgeOptions(url, flags)
    const reporter =
      flags.json === true ? new JsonBridgeReporter(output, () => Date.now()) : new TextBridgeReporter(output)
    await bridge(options, { output, reporter, interrupted: interruption() })
  })
}

/** Throws UsageError, IdentityError or GossipError INVALID_OPTION. */
async function bridgeOptions(url: string, flags: Flags): Promise<BridgeCommandOptions> {
  const { present = [] } = flags
  if (!/^wss?:\/\//.test(url)) throw new UsageError(`${url}: a signalling server is at ws://host:port or wss://`)
  if (present.length === 0 && flags.open !== true)
    throw new UsageError('say with --present who may be seen by the earlier stack, or --open for whoever writes')
  const node = await tomNodeFlags(flags)
  if (node.name === '') throw new UsageError('--name: both sides see the bridge by it')
  return {
    ...node,
    url,
    peers: present.map(presentedPeer),
    isOpen: flags.open === true,
    isSealed: flags.clear !== true,
  }
}

function presentedPeer(text: string): PresentedPeer {
  const [id = '', ...rest] = text.split('=')
  const name = rest.join('=')
  if (name.length > MAX_NAME) throw new UsageError(`a name in --present has at most ${MAX_NAME} characters`)
  return { id: EndpointId.parse(id), ...(name === '' ? {} : { name }) }
}

/** Runs until it is interrupted. Rejects with EndpointError, GossipError or TomError. Senders are told what was not delivered, and what is on its way gets some seconds. */
export async function bridge(options: BridgeCommandOptions, run: BridgeRun): Promise<void> {
  const { url, peers, isOpen, isSealed, join, name } = options
  const { output, reporter, interrupted } = run
  const node = await TomNode.start(tomNodeOptions(options, join, run))
  try {
    const id = node.id.toString()
    reporter.event({ event: 'started', name, id, url })
    const carrier = new V1Bridge({
      node,
      platform: node.endpoint.platform,
      url,
      peers,
      isOpen,
      isSealed,
      name,
      onEvent: (event) => reporter.bridged(event),
      onError: (error) => output.stderr(`tom: ${String(error)}`),
    })
    try {
      await showTicket(node, reporter, interrupted)
      await aborted(interrupted)
    } finally {
      await carrier.close()
      reporter.event({ event: 'ended', ...carrier.metrics() })
    }
  } finally {
    await node.close()
  }
}

/** Once a home relay is connected, for it belongs into the ticket; in a local network it does without. */
async function showTicket(node: TomNode, reporter: BridgeReporter, signal: AbortSignal): Promise<void> {
  try {
    await node.online({ signal, timeoutMs: ONLINE_WAIT_MS })
  } catch (error) {
    if (signal.aborted) return
    reporter.note(`${messageOf(error)}; going on without`)
  }
  reporter.event({ event: 'ticket', ticket: node.ticket().toString() })
}
