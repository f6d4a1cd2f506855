/**
 * The JSON lines of the native program as types, and how options and commands are written for it. What each of them does is described in
 * `conformance/README.md`.
 */

export type Line = Record<string, unknown>

/** Settings of the native endpoint; what is left out keeps iroh's default. */
export interface NativeOptions {
  /** noq, the QUIC library under iroh, in place of an iroh endpoint: its paths are opened, abandoned and rated on request. */
  readonly noq?: boolean
  /** From `buildNative`. */
  readonly binary: string
  /** Arguments before the program's own, where `binary` is an interpreter: other nodes speak the same lines. */
  readonly binaryArgs?: readonly string[]
  /** Addresses to bind; default 127.0.0.1:0 and, where there is IPv6, [::1]:0. */
  readonly bind?: readonly string[]
  /** 64 hex digits; default fresh. */
  readonly secret?: string
  /** Relay URLs, `http:` or `https:`. Default: none. */
  readonly relays?: readonly string[]
  /** UDP ports of the relays' address discovery, in the same order; the last goes for the rest, null: none. Default 7842. */
  readonly relayQuicPorts?: readonly (number | null)[]
  /** Bearer token for all relays. */
  readonly relayToken?: string
  /** PEM file: the only roots trusted for relays. Default: Mozilla's. */
  readonly relayCa?: string
  /** False: no UDP sockets, so everything goes through relays. */
  readonly ip?: boolean
  /** Served besides the built-in ones; they echo. */
  readonly extraAlpns?: readonly string[]
  /** Preferred TLS 1.3 suites in order: 1301 AES-128-GCM, 1302 AES-256-GCM, 1303 ChaCha20-Poly1305. */
  readonly suites?: readonly ('1301' | '1302' | '1303')[]
  /** The only groups offered, in order; the first has the key share. */
  readonly groups?: readonly ('x25519' | 'p256' | 'p384')[]
  /** False: one datagram per system call. */
  readonly gso?: boolean
  /** Initial MTU: UDP payload bytes. */
  readonly mtu?: number
  readonly mtuMax?: number
  readonly mtuDiscovery?: boolean
  readonly padToMtu?: boolean
  readonly idleMs?: number
  readonly keepAliveMs?: number
  readonly maxBidi?: number
  readonly maxUni?: number
  /** Bytes. */
  readonly streamWindow?: number
  readonly window?: number
  readonly sendWindow?: number
  /** Concurrent multipath paths; 0 (with `noq`) does not negotiate multipath. */
  readonly paths?: number
  /** A path that hears nothing for so long is given up. */
  readonly pathIdleMs?: number
  /** Sends ACK_FREQUENCY frames with this threshold. */
  readonly ackFrequency?: number
  /** noq: offers NAT traversal, with so many addresses of the peer. iroh offers it by itself. */
  readonly natAddresses?: number
  /** Address discovery: 0 reports, 1 wants reports, 2 both. */
  readonly observedRole?: 0 | 1 | 2
  /** Writes TLS secrets to the file that SSLKEYLOGFILE names. */
  readonly keylog?: boolean
}

export type NativeIncomingMode = 'accept' | 'refuse' | 'retry' | 'ignore'

export type NativeAction =
  | 'connect'
  | 'echo'
  | 'sink'
  | 'drain'
  | 'source'
  | 'push'
  | 'rtt'
  | 'datagram'
  | 'close'
  | 'reset'
  | 'hold'

/** Whom to dial. */
export interface NativeTarget {
  /** A ticket, or an id with addresses. */
  readonly ticket?: string
  readonly id?: string
  /** `ip:port`, `[ipv6]:port` or relay URLs. */
  readonly addrs?: readonly string[]
  /** Default: the action's own, else tom/echo/1. */
  readonly alpn?: string
  /** For connecting and, again, for the action, ms. */
  readonly timeoutMs?: number
}

/** What to do on a connection. */
export interface NativeTask {
  readonly action: NativeAction
  /** Bytes per transfer, ping or datagram. */
  readonly size?: number
  /** Transfers per stream task, pings, datagrams, or pushed streams. */
  readonly count?: number
  /** Transfers at the same time. */
  readonly streams?: number
  /** Use uni streams (the peer cannot answer). */
  readonly uni?: boolean
  /** False: do not check the received bytes (benchmarks). */
  readonly verify?: boolean
  readonly timeoutMs?: number
}

/** How the dialer closes at the end. */
export interface NativeEnding {
  readonly code?: number
  readonly reason?: string
  /** Stay connected this long after the action, ms. */
  readonly holdMs?: number
}

export type NativeDial = NativeTarget & NativeTask & NativeEnding

export interface NativeClose {
  readonly kind:
    | 'peer-application'
    | 'peer-transport'
    | 'local-application'
    | 'local-transport'
    | 'timeout'
    | 'reset'
    | 'version'
  readonly code?: number
  readonly reason?: string
}

export interface NativePath {
  readonly id: string
  /** Of iroh's paths; `remote` is then `ip:…` or `relay:…`. */
  readonly kind?: NativePathKind
  readonly remote: string
  readonly selected: boolean
  readonly rttMs: number
  /** UDP payload bytes. */
  readonly mtu: number
  readonly sentDatagrams?: number
  readonly sentBytes: number
  readonly receivedBytes: number
  readonly lostPackets: number
  /** What the peer prefers itself, in a report of noq. */
  readonly status?: NativePathStatus | null
}

export type NativePathKind = 'relay' | 'direct' | 'custom'

export type NativePathStatus = 'available' | 'backup'

/** How many of each frame. */
export interface NativeFrames {
  readonly ack: number
  readonly pathAck: number
  readonly ping: number
  readonly newConnectionId: number
  readonly pathNewConnectionId: number
  readonly retireConnectionId: number
  readonly pathRetireConnectionId: number
  readonly pathChallenge: number
  readonly pathResponse: number
  readonly pathAbandon: number
  readonly pathStatusAvailable: number
  readonly pathStatusBackup: number
  readonly maxPathId: number
  readonly pathsBlocked: number
  readonly pathCidsBlocked: number
  readonly observedAddress: number
  readonly addAddress: number
  readonly removeAddress: number
  readonly reachOut: number
}

/** The npm node tells the paths alone. */
export interface NativePaths {
  /** Null where only noq would know. */
  readonly multipath?: boolean | null
  /** `ip:port`, where the peer was told one. */
  readonly observed?: string | null
  /** noq as a client: what the server announced. */
  readonly peerAddresses?: readonly string[] | null
  readonly paths: readonly NativePath[]
  readonly sent?: NativeFrames
  readonly received?: NativeFrames
}

export interface NativeStats {
  readonly sentDatagrams: number
  readonly sentBytes: number
  readonly receivedDatagrams: number
  readonly receivedBytes: number
  readonly lostPackets: number
}

export interface NativeResult {
  readonly event: 'result'
  readonly action: NativeAction
  readonly alpn: string
  readonly connectMs: number
  /** Of the action. */
  readonly ms: number
  readonly paths: readonly NativePath[]
  readonly stats: NativeStats
  /** Why the connection ended before we closed it, if it did. */
  readonly reason: NativeClose | null
  /** echo, sink, drain, source, push. */
  readonly bytes?: number
  readonly verified?: boolean
  /** rtt. */
  readonly minMs?: number
  readonly medianMs?: number
  readonly p99Ms?: number
  readonly maxMs?: number
  /** datagram. */
  readonly sent?: number
  readonly received?: number
  readonly size?: number
  readonly maxSize?: number
  /** close, hold. */
  readonly closed?: NativeClose
  /** reset. */
  readonly stoppedCode?: number | null
  readonly resetCode?: number | null
}

/** `discarded` ends what noq says of a path, `closed` what iroh says of it. */
export interface NativePathEvent {
  readonly event: 'path'
  readonly connection: number
  readonly path: number
  readonly change: 'opened' | 'abandoned' | 'discarded' | 'closed' | 'selected' | 'status' | 'observed'
  /** abandoned. */
  readonly by?: 'us' | 'peer' | 'timeout'
  readonly code?: number
  /** status: what we told the peer. */
  readonly status?: NativePathStatus
  /** observed: its own address, as we told it. */
  readonly address?: string
  /** opened, closed, selected by iroh. */
  readonly remote?: string
  readonly kind?: NativePathKind
  /** ms since 1970. */
  readonly at?: number
  /** selected by native iroh: those of the connection until then. */
  readonly sentDatagrams?: number | null
}

/** The home relay, as iroh sees it. */
export interface NativeRelay {
  readonly url: string
  readonly connected: boolean
  /** Why the last attempt or connection ended. */
  readonly error: string | null
  /** The relay's reason, where it denied us. */
  readonly denied: string | null
}

export interface NativeNetReport {
  readonly udpV4: boolean
  readonly udpV6: boolean
  /** `ip:port`: our own address, as relays see it. */
  readonly globalV4: string | null
  readonly globalV6: string | null
  readonly mappingVariesV4: boolean | null
  readonly mappingVariesV6: boolean | null
  readonly preferredRelay: string | null
  readonly captivePortal: boolean | null
  readonly latencies: readonly {
    readonly probe: 'Https' | 'QadIpv4' | 'QadIpv6'
    readonly url: string
    readonly ms: number
  }[]
}

export interface NativeRelays {
  readonly relays: readonly NativeRelay[]
  readonly netReport: NativeNetReport | null
  /** What it would publish: `ip:port` and relay URLs. */
  readonly addrs: readonly string[]
}

/** What a listener says by itself. `connection` counts from 1. */
export type NativeEvent =
  | NativePathEvent
  | ({ readonly event: 'relay' } & NativeRelay)
  | ({ readonly event: 'net-report'; readonly sinceBoundMs: number } & NativeNetReport)
  /** The home relay took us in. */
  | {
      readonly event: 'online'
      /** Since the endpoint was bound. */
      readonly ms: number
      readonly addrs: readonly string[]
      readonly ticket: string
    }
  | {
      readonly event: 'connection'
      readonly connection: number
      readonly remote: string
      readonly alpn: string
      /** The peer's address was validated before the handshake (Retry or token). */
      readonly validated: boolean
      readonly paths: readonly NativePath[]
    }
  | {
      readonly event: 'closed'
      readonly connection: number
      readonly reason: NativeClose
      readonly stats: NativeStats
    }
  | { readonly event: 'incoming'; readonly decision: NativeIncomingMode }
  /** A uni stream was read to its end; `fnv` is the FNV-1a hash, 16 hex digits. */
  | {
      readonly event: 'received'
      readonly connection: number
      readonly stream: number
      readonly bytes: number
      readonly fnv: string
    }
  | { readonly event: 'stream-error'; readonly connection: number; readonly stream: number; readonly message: string }
  | {
      readonly event: 'error'
      readonly stage: string
      readonly message: string
      readonly reason?: NativeClose | null
    }

/** The program reported a failure. */
export class NativeError extends Error {
  override readonly name = 'NativeError'
  /** `start`, `connect`, the action's name, … */
  readonly stage: string
  readonly reason: NativeClose | undefined

  constructor(stage: string, message: string, reason?: NativeClose) {
    super(`tom-native ${stage}: ${message}`)
    this.stage = stage
    this.reason = reason
  }
}

export function errorOf(line: Line): NativeError {
  return new NativeError(String(line.stage), String(line.message), (line.reason as NativeClose | null) ?? undefined)
}

/** The flags of the command line. */
export function endpointArgs(options: NativeOptions): string[] {
  const args: string[] = []
  const put = (flag: string, value: string | number | boolean | undefined): void => {
    if (value === true) args.push(`--${flag}`)
    else if (value !== undefined && value !== false) args.push(`--${flag}`, String(value))
  }
  for (const addr of options.bind ?? []) put('bind', addr)
  for (const url of options.relays ?? []) put('relay', url)
  for (const port of options.relayQuicPorts ?? []) put('relay-quic-port', port ?? 'none')
  put('relay-token', options.relayToken)
  put('relay-ca', options.relayCa)
  put('no-ip', options.ip === false)
  for (const alpn of options.extraAlpns ?? []) put('alpn-extra', alpn)
  put('secret', options.secret)
  put('suite', options.suites?.join(','))
  put('group', options.groups?.join(','))
  put('no-gso', options.gso === false)
  put('mtu', options.mtu)
  put('mtu-max', options.mtuMax)
  put('no-mtud', options.mtuDiscovery === false)
  put('pad-to-mtu', options.padToMtu)
  put('idle-ms', options.idleMs)
  put('keep-alive-ms', options.keepAliveMs)
  put('max-bidi', options.maxBidi)
  put('max-uni', options.maxUni)
  put('stream-window', options.streamWindow)
  put('window', options.window)
  put('send-window', options.sendWindow)
  put('paths', options.paths)
  put('path-idle-ms', options.pathIdleMs)
  put('noq', options.noq)
  put('ack-frequency', options.ackFrequency)
  put('observed-role', options.observedRole)
  put('nat-addresses', options.natAddresses)
  put('keylog', options.keylog)
  return args
}

/** Names as in the command, which are those of the flags. */
export function dialJson(dial: NativeTarget & NativeTask & NativeEnding): Line {
  return {
    ticket: dial.ticket,
    id: dial.id,
    addrs: dial.addrs,
    action: dial.action,
    alpn: dial.alpn,
    size: dial.size,
    count: dial.count,
    streams: dial.streams,
    uni: dial.uni,
    'no-verify': dial.verify === false || undefined,
    code: dial.code,
    reason: dial.reason,
    'hold-ms': dial.holdMs,
    'timeout-ms': dial.timeoutMs,
  }
}
