/** What a test can ask of the Worker in a page, and how question and answer cross from one to the other. Types only. */

/** Our endpoint in the page. */
export interface Bound {
  readonly id: string
  /** With the home relay, once there is one. */
  readonly ticket: string
  /** Relay URLs of its address. */
  readonly relays: readonly string[]
}

export interface DialTask {
  readonly ticket: string
  readonly alpn: string
  /** Of the pattern, on one stream, there and back. */
  readonly bytes: number
  /** Sent one after the other, each answered. */
  readonly datagrams: number
  readonly timeoutMs: number
}

export interface DialReport {
  readonly remoteId: string
  /** Datagrams that came back whole. */
  readonly datagrams: number
  readonly paths: readonly { readonly kind: string; readonly remote: string; readonly selected: boolean }[]
  readonly rttMs: number
  readonly connectMs: number
}

/** A connection that the page took and that is over. */
export interface Accepted {
  readonly remoteId: string
  /** Received on streams, and their FNV-1a hash. */
  readonly bytes: number
  readonly hash: string
}

export interface Tasks {
  /** The walk of crypto-walk.ts; `hasWebAssembly` is false where the page's policy forbids it. */
  crypto(args: Record<string, never>): Promise<{ outcome: Record<string, string>; hasWebAssembly: boolean }>
  /** A fresh key signs `text`. */
  sign(args: { text: string }): Promise<{ id: string; signature: number[] }>
  bind(args: { relays: readonly (string | { readonly url: string; readonly token: string })[] }): Promise<Bound>
  online(args: { timeoutMs: number }): Promise<Bound>
  dial(args: DialTask): Promise<DialReport>
  /** Dials and keeps the connection, for `again`. */
  keep(args: { ticket: string; timeoutMs: number }): Promise<void>
  /** An echo on the connection that was kept. */
  again(args: { bytes: number }): Promise<void>
  accepted(args: Record<string, never>): Promise<Accepted[]>
  close(args: Record<string, never>): Promise<void>
}

export type Task = keyof Tasks

export interface Request {
  readonly number: number
  readonly task: Task
  readonly args: unknown
}

export type Answer =
  | { readonly number: number; readonly value: unknown }
  /** `CODE: Name: message` where the error has a code. */
  | { readonly number: number; readonly error: string }
