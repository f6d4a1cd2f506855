/** What the connections of one hub share: platform, limits, counters, the table of endpoints, deadlines, and scratch that lives as long as one call. */
import { messageOf } from '../../../bytes/index.ts'
import type { CryptoProvider } from '../../../crypto/index.ts'
import { EndpointId } from '../../../identity/index.ts'
import type { Platform } from '../../../platform/index.ts'
import { FrameView } from '../../protocol/index.ts'
import type { AccessControl } from './access.ts'
import type { RelayCounters } from './counters.ts'
import { HubDeadlines } from './deadlines.ts'
import { EndpointTable } from './endpoint-table.ts'
import type { RelayLimits, RelayRateLimit } from './limits.ts'
import type { RelayLog, RelayLogEntry, RelayLogEvent } from './log.ts'
import { ReadTurns } from './read-turns.ts'

export type HubPlatform = Pick<Platform, 'now' | 'createTimer' | 'random' | 'defer'>

/** The longest of our own frames is a Health text of about 100 bytes. */
const SCRATCH_LENGTH = 256

export class HubContext {
  readonly platform: HubPlatform
  readonly crypto: CryptoProvider
  readonly access: AccessControl | undefined
  readonly limits: RelayLimits
  readonly counters: RelayCounters
  readonly log: RelayLog | undefined
  readonly endpoints: EndpointTable
  readonly deadlines: HubDeadlines
  readonly turns: ReadTurns
  /** For frames as they come in: valid until the next one is read. */
  readonly view: FrameView
  /** For frames of our own: written and handed on before anything else happens. */
  readonly scratch: Uint8Array
  /** Of new connections. */
  rateLimit: RelayRateLimit | undefined
  /** No more news between clients: all of them are being closed. */
  isClosing: boolean

  constructor(
    platform: HubPlatform,
    crypto: CryptoProvider,
    access: AccessControl | undefined,
    limits: RelayLimits,
    counters: RelayCounters,
    log: RelayLog | undefined,
  ) {
    this.platform = platform
    this.crypto = crypto
    this.access = access
    this.limits = limits
    this.counters = counters
    this.log = log
    this.endpoints = new EndpointTable(platform.random, counters)
    this.deadlines = new HubDeadlines(platform)
    this.turns = new ReadTurns(platform)
    this.view = new FrameView()
    this.scratch = new Uint8Array(SCRATCH_LENGTH)
    this.rateLimit = limits.rateLimit
    this.isClosing = false
  }

  /** The access rules hear of the end of a connection that they let in (spec/relay.md §2.5). */
  tellLeft(key: Uint8Array, remoteAddress: string): void {
    if (this.access?.left === undefined) return
    // proven when it was let in
    const id = EndpointId.fromVerifiedKey(key)
    try {
      this.access.left({ id, remoteAddress })
    } catch (error) {
      const text = messageOf(error)
      this.report('error', 'access-failed', `the access rules failed when a client left: ${text}`, remoteAddress, id)
    }
  }

  /** `endpoint` as text costs something: hand in what makes it. */
  report(
    level: RelayLogEntry['level'],
    event: RelayLogEvent,
    message: string,
    remoteAddress: string,
    endpoint?: { toString(): string },
  ): void {
    this.log?.({ level, event, message, endpoint: endpoint?.toString(), remoteAddress })
  }
}
