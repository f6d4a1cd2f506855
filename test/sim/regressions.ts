/** Seeds that once failed, with what broke. A seed stays as long as it fails when the fix is taken out; a new failure is added by its seed. */
export const REGRESSIONS: readonly { readonly seed: number; readonly broke: string }[] = [
  { seed: 9, broke: 'a packet with CONNECTION_CLOSE from a new port moved the path after the end' },
  { seed: 81, broke: 'an engine that was closed while a connection drained kept its keys and ids' },
  { seed: 107, broke: 'after Retry, copies of the Initial took the token to addresses it was not made for' },
  { seed: 134, broke: 'a lost Finished waited for a window full of 1-RTT packets that nobody could acknowledge' },
  { seed: 241, broke: 'an ACK held back by the amplification limit fired its timer every millisecond' },
  { seed: 674, broke: 'a lost ServerHello waited for a window full of Handshake packets that nobody could open' },
]

/** The same of random interactions with several paths. */
export const MULTIPATH_REGRESSIONS: readonly { readonly seed: number; readonly broke: string }[] = [
  { seed: 10, broke: 'the status of a path that came ahead of the path was not kept' },
  {
    seed: 54,
    broke: 'an abandoned path was forgotten before the peer knew, and its next packet answered by a stateless reset',
  },
  {
    seed: 79,
    broke: 'the last open path did not validate in time, and the connection ended although another could be opened',
  },
  { seed: 301, broke: 'the only path that worked was abandoned, and the word of it went where nobody heard it' },
  { seed: 1654, broke: 'keep-alives put off the probe timeouts of a dead path for as long as there was data to send' },
  { seed: 6677, broke: 'data sent on a path that never validated waited for its end, though another path worked' },
  { seed: 8817, broke: 'an acknowledgement that the amplification limit held back for 15 s made an RTT of 15 s' },
]

/** The same of endpoints behind NATs. */
export const NAT_REGRESSIONS: readonly { readonly seed: number; readonly broke: string }[] = [
  {
    seed: 69,
    broke:
      'after a move the path to the old network counted as validated, and the silent relay path beside it was given up as dead',
  },
  {
    seed: 160,
    broke: 'both sides gave up another of two paths, and none was opened within the 3 s that are left then',
  },
  {
    seed: 202,
    broke: 'a relay path was given up as dead because the direct one had answered last, just before it died as well',
  },
  {
    seed: 703,
    broke: 'after a move data stayed on a path to the old network that nobody had proved to work from the new one',
  },
]
