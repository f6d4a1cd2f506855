/** What a JavaScript stack must offer to be measured: the same few verbs for all, so that one set of figures runs over each. */

export interface BenchStream {
  /** Resolves when the stack took all of it. */
  write(bytes: Uint8Array): Promise<void>
  finish(): Promise<void>
  /** The next bytes, or undefined at the end. */
  read(): Promise<Uint8Array | undefined>
}

export interface BenchConnection {
  openBi(): Promise<BenchStream>
  acceptBi(): Promise<BenchStream>
  /** Datagrams sent so far; undefined when the stack does not say. */
  datagramsSent(): number | undefined
  close(): void
}

export interface BenchEndpoint {
  /** What a client needs to dial it, as text. */
  readonly address: string
  connect(address: string, alpn: string): Promise<BenchConnection>
  /** The next incoming connection; undefined when closed. */
  accept(): Promise<{ connection: BenchConnection; alpn: string } | undefined>
  close(): Promise<void>
}

export type BindPeer = (alpns: readonly string[]) => Promise<BenchEndpoint>

export const ALPNS = ['tom/drain/1', 'tom/echo/1'] as const
