/** What a stack must offer to be measured: the same few verbs for all, so that one set of figures runs over each. */
import type { FigureName, FigureOptions, FigureResult } from '../figures.ts'

export interface BenchStream {
  /** Resolves when the stack took all of it. */
  write(bytes: Uint8Array): Promise<void>
  /** Nothing more will be written; need not wait for anything. */
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
}

/** `options` are those of the contender, `tom.ts` has some. */
export type BindPeer = (alpns: readonly string[], options: object) => Promise<BenchEndpoint>

/** One process of a measurement: figures run at the client. */
export interface Side {
  readonly address: string
  run(figure: FigureName, address: string, options: FigureOptions): Promise<FigureResult>
}

/** A file of this folder: a stack with connections and streams, or something simpler that measures itself. */
export type PeerModule =
  | { readonly bind: BindPeer }
  | { readonly openSide: (role: 'server' | 'client', options: object) => Promise<Side> }

export const ALPNS = ['tom/drain/1', 'tom/echo/1'] as const
