/** Every number of the messenger itself, with its unit and where it comes from; those of its parts stand in their own folders. Tests shorten them. */

export interface MessengerSettings {
  /** No acknowledgement for so long: other nodes are asked to keep the message, ms. A guess: some round trips over a bad line, and soon enough for a sender that is about to go. */
  readonly backupAfterMs: number
  /** Nodes that keep a message besides its sender. The number; spec/envelope.md §6.1 has 5 upstream. */
  readonly holders: number
  /** How often anybody is asked to keep one message: who does not say within `bringAgainMs` that he does is replaced, or asked again, at the next look. A guess. */
  readonly maxAsks: number
  /** Messages that still want holders, and recipients that may be back, are looked at so often, ms (spec/envelope.md §6.1: the maintenance tick). */
  readonly careIntervalMs: number
  /** The longest wait between two attempts to bring somebody our own messages without a sign of life, ms. A guess. */
  readonly maxProbeIntervalMs: number
  /** Unsigned announcements of a recipient lead to one attempt in so long, ms (spec/envelope.md §5.4: the interval of announcements). */
  readonly hintedProbeMs: number
  /** Kept messages on their way to one recipient at once. A guess: a returning phone is not flooded. */
  readonly bringAtOnce: number
  /** A message that was handed to the transport is not brought again for so long, ms (spec/envelope.md §4.5: the deadline of an acknowledgement). */
  readonly bringAgainMs: number
  /** Deliveries are told to the swarm together, so often at most, ms. A guess. */
  readonly confirmAfterMs: number
  /** Ids in one confirmation: 64 of 36 letters fit into a gossip message. */
  readonly confirmAtOnce: number
  /** Messages that wait for the application, and their bytes; more are refused, and come again. */
  readonly maxWaiting: number
  readonly maxWaitingBytes: number
  /** Messages of authors that are too fast, which wait for their turn, looked at so often, ms; of all authors, their bytes, of one author. Guesses: ten seconds of the slowest rate, and more. */
  readonly frictionTickMs: number
  readonly maxHeld: number
  readonly maxHeldBytes: number
  readonly maxHeldPerSender: number
  /** Frames handed to the transport and not yet answered. */
  readonly maxTransmissions: number
  /** An envelope that another brought counts as a sign of life of its author while it is that young, ms. */
  readonly freshMs: number
  /** Also say who we are in the form that upstream's nodes read, unsigned (spec/envelope.md §5.4). */
  readonly announcesUnsigned: boolean
  /** Up to so many peers that are online, one that came is greeted by an announcement of ours, few within an interval. A guess. */
  readonly greetsUpTo: number
  /** Announcements kept to be handed to neighbours, some 450 bytes each. A guess: members of larger swarms know the others by what those say. */
  readonly rosterSize: number
  /** Of those a new neighbour is offered so many. A guess: its other neighbours offer others. */
  readonly offerAtMost: number
  /** What one neighbour may ask for at once and each second, and for how many neighbours that is counted. Guesses: all that is offered, once. */
  readonly handOnBurst: number
  readonly handOnPerSecond: number
  readonly handOnLinks: number
  /** What one neighbour was asked for, others are not asked for so long, ms. A guess: some round trips. */
  readonly askAgainMs: number
  /** What neighbours handed to us is offered on together, so often at most, ms. A guess: less than anybody notices. */
  readonly newsAfterMs: number
  /** Messages of ours to one node of the Rust stack, each second and at once: nine tenths of what it takes from a stranger (spec/envelope.md §5.2), for they arrive less evenly than they left. And how many such nodes are counted. */
  readonly pacePerSecond: number
  readonly paceBurst: number
  readonly pacedPeers: number
  /** Caches are swept so often, ms (spec/envelope.md §4.2). */
  readonly sweepIntervalMs: number
}

export const MESSENGER_SETTINGS: MessengerSettings = {
  backupAfterMs: 2_000,
  holders: 2,
  maxAsks: 8,
  careIntervalMs: 60_000,
  maxProbeIntervalMs: 960_000,
  hintedProbeMs: 10_000,
  bringAtOnce: 8,
  bringAgainMs: 30_000,
  confirmAfterMs: 500,
  confirmAtOnce: 64,
  maxWaiting: 1_024,
  maxWaitingBytes: 16_777_216,
  frictionTickMs: 50,
  maxHeld: 2_048,
  maxHeldBytes: 16_777_216,
  maxHeldPerSender: 256,
  maxTransmissions: 16_384,
  freshMs: 20_000,
  announcesUnsigned: true,
  greetsUpTo: 10,
  rosterSize: 1_024,
  offerAtMost: 512,
  handOnBurst: 512,
  handOnPerSecond: 50,
  handOnLinks: 64,
  askAgainMs: 2_000,
  newsAfterMs: 50,
  pacePerSecond: 9,
  paceBurst: 18,
  pacedPeers: 1_024,
  sweepIntervalMs: 300_000,
}
