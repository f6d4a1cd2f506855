/** What a connection asks of the engine about connection ids: direct calls, because only the engine needs to know. */
export interface IdRegistry {
  /** A fresh id of LOCAL_ID_LENGTH bytes that leads to this connection and path from now on. */
  issue(pathId: number, sequence: number): Uint8Array
  /** The id leads nowhere any more. */
  retire(id: Uint8Array): void
  /** RFC 9000 §10.3.2: the stateless reset token of an id we issued. */
  resetToken(id: Uint8Array): Uint8Array
  /** RFC 9000 §10.3.1: a datagram ending in this token resets this connection. */
  watchResetToken(token: Uint8Array): void
  unwatchResetToken(token: Uint8Array): void
}
