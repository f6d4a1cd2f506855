/** A `TomNode` of ours in this process, with everything it hears kept for a test. */

import type { IncomingMessage, PeerEvent } from '../../src/envelope/node/types.ts'
import { type NodeTomNodeOptions, TomNode } from '../../src/envelope/node.ts'

export class OurTom {
  readonly node: TomNode
  readonly messages: IncomingMessage[] = []
  readonly peerEvents: PeerEvent[] = []
  /** What the endpoint reported. */
  readonly errors: unknown[]

  private constructor(node: TomNode, errors: unknown[]) {
    this.node = node
    this.errors = errors
    this.#read().catch((error: unknown) => errors.push(error))
    this.#watch().catch((error: unknown) => errors.push(error))
  }

  static async start(options: NodeTomNodeOptions = {}): Promise<OurTom> {
    const errors: unknown[] = []
    const node = await TomNode.start({
      bind: ['127.0.0.1:0'],
      networkMonitor: false,
      onError: (error) => {
        errors.push(error)
      },
      ...options,
    })
    return new OurTom(node, errors)
  }

  /** 64 hex digits. */
  get id(): string {
    return this.node.id.toString()
  }

  get ticket(): string {
    return this.node.ticket().toString()
  }

  /** Messages as text, in order. */
  get texts(): string[] {
    return this.messages.map(({ bytes }) => new TextDecoder().decode(bytes))
  }

  async stop(): Promise<void> {
    await this.node.close()
  }

  async #read(): Promise<void> {
    for await (const message of this.node.messages()) this.messages.push(message)
  }

  async #watch(): Promise<void> {
    for await (const event of this.node.peerEvents()) this.peerEvents.push(event)
  }
}
