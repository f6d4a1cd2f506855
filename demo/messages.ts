/** What the demo's page and its Worker say to each other, and the protocol of its little chat. */

/** Each message is a stream of its own: UTF-8 text and the end; the other side shows it and sends it back. */
export const CHAT_ALPN = 'tom/demo-chat/1'
/** Longest message, bytes. */
export const MAX_MESSAGE = 16 * 1024

/** What the server of the demo tells the page. */
export interface DemoConfig {
  /** Relay URLs. */
  readonly relays: readonly string[]
  /** Ticket of the TypeScript node. */
  readonly node: string
}

export type ToWorker =
  | { readonly type: 'start'; readonly relays: readonly string[] }
  | { readonly type: 'dial'; readonly ticket: string }
  | { readonly type: 'say'; readonly peer: number; readonly text: string }
  | { readonly type: 'hang-up'; readonly peer: number }

/** `peer` is the number of a connection. */
export type ToPage =
  | { readonly type: 'bound'; readonly id: string }
  /** The home relay is connected, or (`ticket` undefined) was lost; we are found there by the ticket. */
  | { readonly type: 'home'; readonly relay: string; readonly ticket: string | undefined }
  | { readonly type: 'connected'; readonly peer: number; readonly id: string; readonly side: 'client' | 'server' }
  | {
      readonly type: 'path'
      readonly peer: number
      readonly kind: 'direct' | 'relay'
      readonly remote: string
      readonly rttMs: number
    }
  /** One of ours came back after `rttMs`. */
  | { readonly type: 'echoed'; readonly peer: number; readonly text: string; readonly rttMs: number }
  | { readonly type: 'heard'; readonly peer: number; readonly text: string }
  | { readonly type: 'closed'; readonly peer: number; readonly reason: string }
  | { readonly type: 'failed'; readonly what: 'start' | 'dial' | 'say'; readonly reason: string }
