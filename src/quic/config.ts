/**
 * Settings of a connection with their units, defaults and clamps. Where a default differs from the RFC's, it is iroh's
 * (spec/quic.md §3.1, §5.7, §6), so that two nodes agree about what is normal.
 */
import { VARINT_MAX } from '../bytes/index.ts'
import { defaultTransportParameters, type TransportParameters } from './wire/transport-parameters.ts'

export interface QuicSettings {
  /** Silence after which a connection is given up, ms; the smaller of both sides counts; 0 = never. Default 30,000 (iroh). */
  readonly maxIdleTimeoutMs: number
  /** Silence after which a PING is sent, ms; 0 = never. Default 5,000 (iroh). */
  readonly keepAliveMs: number
  /** The handshake must be complete by then, ms. Default 30,000: iroh gives up by its idle timeout of 30 s. */
  readonly handshakeTimeoutMs: number
  /** RTT before the first sample, ms. Default 333 (RFC 9002 §6.2.2). */
  readonly initialRttMs: number
  /** Upper bound between two probe timeouts, ms. Default 2,000 (noq). */
  readonly maxPtoMs: number
  /** Connection receive window at the start, bytes. Default 15,000,000: a dozen full stream windows. */
  readonly connectionReceiveWindow: number
  /** Stream receive window at the start, bytes. Default 1,250,000 (iroh). */
  readonly streamReceiveWindow: number
  /** Bound of an auto-tuned stream window, bytes; the connection window's bound is half as much again. Default 16 MiB. */
  readonly maxStreamReceiveWindow: number
  /** Streams the peer may have open at once. Default 100 each (iroh). */
  readonly maxStreamsBidi: number
  readonly maxStreamsUni: number
  /** Bytes the application may have buffered for sending (unsent and unacknowledged) over all streams. Default 10,000,000 (iroh). */
  readonly sendBuffer: number
  /** DATAGRAM frames (RFC 9221): the largest we take, bytes; 0 = none. Default 65,535 (iroh). */
  readonly maxDatagramFrameSize: number
  /** Bytes of received datagrams kept for the application; the oldest go first. Default 1,250,000 (iroh). */
  readonly datagramReceiveBuffer: number
  /** Bytes of datagrams queued for sending; the oldest go first. Default 1 MiB (iroh). */
  readonly datagramSendBuffer: number
  /** Multipath: the highest path id the peer may use at the start, at most 2^32 - 1; undefined = one path only, 0 = multipath's frames on one path. Default 7 (iroh). */
  readonly maxPathId: number | undefined
  /** Silence on one of several paths after which it is abandoned, ms; 0 = never. Default 15,000 (iroh, direct paths). */
  readonly pathIdleTimeoutMs: number
  /** Address discovery: 0 = we only tell peers their addresses, 1 = we only want to be told ours, 2 = both; undefined = neither. Default undefined (iroh). */
  readonly observedAddressRole: 0 | 1 | 2 | undefined
  /**
   * NAT traversal (spec/quic.md §5.8): addresses of the peer that we hold, 1 to 255; undefined = not offered, and neither without multipath. Default 32
   * (iroh).
   */
  readonly natTraversalAddresses: number | undefined
  /** What we can do beyond iroh, for peers that know the private parameter: sum of `TomCapability` flags, below 2^53; undefined = not said. Default undefined. */
  readonly tomCapabilities: number | undefined
  /** Peer connection ids we keep, per path. Default 5 (iroh). */
  readonly activeConnectionIdLimit: number
  /** Largest datagram we take, bytes. Default 16,000: what we send to ourselves. Never more than a slot of the driver holds. iroh says 1,472. */
  readonly maxUdpPayloadSize: number
  /**
   * Largest datagram we probe for, bytes, where the route carries it: 1,452 on Linux, 16,000 to the host itself, else 1,200
   * (spec/fast-path.md §4). Default 16,000; 1,200 switches discovery off.
   */
  readonly maxMtu: number
  /** Default cubic (RFC 9438). */
  readonly congestion: 'cubic' | 'new-reno'
  /** TLS suites, most wanted first. Default undefined: the crypto provider's order, the fastest first (ChaCha20-Poly1305 where the kernel runs, else AES-128-GCM). */
  readonly suites: readonly number[] | undefined
  readonly groups: readonly ('x25519' | 'p256')[]
  /** ACK_FREQUENCY and IMMEDIATE_ACK understood: the least delay we can honour, µs; undefined = not advertised. Default 1,000 (iroh). */
  readonly minAckDelayUs: number | undefined
  /** Server: hand the client a token that validates its address next time (NEW_TOKEN). Default false (iroh). */
  readonly issueTokens: boolean
  /** Packet numbers are skipped now and then, so that acks of packets never sent are found out (RFC 9000 §21.4). Default true. */
  readonly skipPacketNumbers: boolean
}

export const DEFAULT_SETTINGS: QuicSettings = {
  maxIdleTimeoutMs: 30_000,
  keepAliveMs: 5_000,
  handshakeTimeoutMs: 30_000,
  initialRttMs: 333,
  maxPtoMs: 2_000,
  connectionReceiveWindow: 15_000_000,
  streamReceiveWindow: 1_250_000,
  maxStreamReceiveWindow: 16 * 1024 * 1024,
  maxStreamsBidi: 100,
  maxStreamsUni: 100,
  sendBuffer: 10_000_000,
  maxDatagramFrameSize: 65_535,
  datagramReceiveBuffer: 1_250_000,
  datagramSendBuffer: 1024 * 1024,
  maxPathId: 7,
  pathIdleTimeoutMs: 15_000,
  observedAddressRole: undefined,
  natTraversalAddresses: 32,
  tomCapabilities: undefined,
  activeConnectionIdLimit: 5,
  maxUdpPayloadSize: 16_000,
  maxMtu: 16_000,
  congestion: 'cubic',
  suites: undefined,
  groups: ['x25519', 'p256'],
  minAckDelayUs: 1_000,
  issueTokens: false,
  skipPacketNumbers: true,
}

/** Flags of `tomCapabilities`. A guess at numbers of our own: no registry has them. */
export const TomCapability = {
  /** Paths are watched: both sides may leave one that is dead within seconds. */
  Failover: 1,
  /** Many ports may be tried against a symmetric NAT. */
  Birthday: 2,
} as const

/** Bytes in every connection id that we issue. */
export const LOCAL_ID_LENGTH = 8
/** RFC 9000 §14: the least datagram size a path must carry, and the size Initial datagrams are padded to. */
export const MIN_DATAGRAM = 1200
/** Our own max_ack_delay, ms (the RFC's default, so never sent). */
export const MAX_ACK_DELAY_MS = 25
/** Our own ack_delay_exponent (the RFC's default, so never sent). */
export const ACK_DELAY_EXPONENT = 3

/** Defaults overlaid with what was given; throws RangeError for values no peer would accept. */
export function resolveSettings(...layers: (Partial<QuicSettings> | undefined)[]): QuicSettings {
  const settings: QuicSettings = Object.assign({}, DEFAULT_SETTINGS, ...layers)
  if (settings.activeConnectionIdLimit < 2) throw new RangeError('activeConnectionIdLimit must be 2 or more')
  if (settings.maxUdpPayloadSize < MIN_DATAGRAM) throw new RangeError('maxUdpPayloadSize must be 1200 or more')
  const { maxPathId } = settings
  if (maxPathId !== undefined && !(Number.isInteger(maxPathId) && maxPathId >= 0 && maxPathId <= 0xffff_ffff))
    throw new RangeError('maxPathId must be an integer from 0 to 2^32 - 1')
  const { natTraversalAddresses: addresses, tomCapabilities: capabilities } = settings
  if (addresses !== undefined && !(Number.isInteger(addresses) && addresses >= 1 && addresses <= 255))
    throw new RangeError('natTraversalAddresses must be an integer from 1 to 255')
  if (capabilities !== undefined && !(Number.isSafeInteger(capabilities) && capabilities >= 0))
    throw new RangeError('tomCapabilities must be an integer from 0 to 2^53 - 1')
  if (settings.minAckDelayUs !== undefined && settings.minAckDelayUs > MAX_ACK_DELAY_MS * 1000)
    throw new RangeError('minAckDelayUs must not exceed our max_ack_delay of 25,000 µs')
  return settings
}

/** The transport parameters that follow from the settings; connection ids are added by the handshake. */
export function localParameters(settings: QuicSettings): TransportParameters {
  const parameters = defaultTransportParameters()
  parameters.maxIdleTimeout = settings.maxIdleTimeoutMs
  parameters.maxUdpPayloadSize = settings.maxUdpPayloadSize
  parameters.initialMaxData = Math.min(settings.connectionReceiveWindow, VARINT_MAX)
  parameters.initialMaxStreamDataBidiLocal = settings.streamReceiveWindow
  parameters.initialMaxStreamDataBidiRemote = settings.streamReceiveWindow
  parameters.initialMaxStreamDataUni = settings.streamReceiveWindow
  parameters.initialMaxStreamsBidi = settings.maxStreamsBidi
  parameters.initialMaxStreamsUni = settings.maxStreamsUni
  parameters.activeConnectionIdLimit = settings.activeConnectionIdLimit
  parameters.maxDatagramFrameSize = settings.maxDatagramFrameSize
  const { maxPathId, natTraversalAddresses, tomCapabilities } = settings
  if (maxPathId !== undefined) parameters.initialMaxPathId = maxPathId
  // spec/quic.md §3.2: without multipath it is off anyway
  if (maxPathId !== undefined && natTraversalAddresses !== undefined) parameters.natTraversal = natTraversalAddresses
  if (tomCapabilities !== undefined) parameters.tomCapabilities = tomCapabilities
  if (settings.observedAddressRole !== undefined) parameters.observedAddressRole = settings.observedAddressRole
  if (settings.minAckDelayUs !== undefined) parameters.minAckDelay = settings.minAckDelayUs
  return parameters
}
