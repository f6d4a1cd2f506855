/** `TomNode` in a browser: the portable one with the browser's endpoint filled in. Nothing outlives the page, unless a `Folder` is given. */
import { type BrowserEndpointOptions, Endpoint } from '../endpoint/browser.ts'
import { TomNode as PortableTomNode } from './node/tom-node.ts'
import type { TomNodeParts } from './node/types.ts'

export interface BrowserTomNodeOptions extends Omit<BrowserEndpointOptions, 'alpns'>, TomNodeParts {}

export class TomNode extends PortableTomNode {
  /** Rejects with EndpointError, GossipError, TomError: INVALID_OPTION, STORAGE_FAILED. */
  static override async start(options: BrowserTomNodeOptions = {}): Promise<TomNode> {
    return TomNode.open(await Endpoint.bind(options), options)
  }
}
