/** Encryption levels, RFC 9001 §2.1. The numbers are indices. */
export const Level = { Initial: 0, ZeroRtt: 1, Handshake: 2, OneRtt: 3 } as const
export type Level = (typeof Level)[keyof typeof Level]

/** QUIC role of this side of a connection. */
export type Role = 'client' | 'server'
