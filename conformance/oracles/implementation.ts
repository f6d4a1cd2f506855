/** What a test case asks of an implementation, the same for ours and for the reference peers. */
import type { Certificate } from './certificates.ts'

export interface ServerOptions {
  /** Folder of the files. */
  readonly www: string
  readonly certificate: Certificate
  /** TLS_CHACHA20_POLY1305_SHA256 only. */
  readonly chacha20: boolean
  /** Every client must prove its address. */
  readonly retry: boolean
}

export interface ClientOptions {
  /** `127.0.0.1:port`. */
  readonly address: string
  /** PEM file of the trusted root. */
  readonly ca: string
  /** Names of files, all over one connection unless `parallel` says otherwise. */
  readonly files: readonly string[]
  /** Folder that gets them. */
  readonly downloads: string
  /** File that gets SSLKEYLOGFILE lines. */
  readonly keyLog: string
  readonly chacha20: boolean
  /** First windows so small that they have to be opened on the way. */
  readonly smallWindows: boolean
  /** A connection for each file, so many at once; 0: one connection for all. */
  readonly parallel: number
  /** Begins a key update after so many received bytes; 0 = does not. */
  readonly keyUpdateAt: number
  /** Goes on from another socket after so many received bytes; 0 = does not. */
  readonly migrateAt: number
}

export interface RunningServer {
  /** `127.0.0.1:port`. */
  readonly address: string
  stop(): Promise<void>
}

export interface Implementation {
  readonly name: string
  /** tom-transport; otherwise a reference peer. */
  readonly isOurs: boolean
  startServer(options: ServerOptions, signal: AbortSignal): Promise<RunningServer>
  /** Resolves when all files are there; rejects with the first thing that went wrong. */
  download(options: ClientOptions, signal: AbortSignal): Promise<void>
}
