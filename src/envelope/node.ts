/** `TomNode` on Node: the portable one with Node's endpoint and files filled in. */
import { messageOf } from '../bytes/index.ts'
import { Endpoint, type NodeEndpointOptions } from '../endpoint/node.ts'
import type { Folder } from '../platform/index.ts'
import { NodeFolder } from '../platform/node/index.ts'
import { TomError } from './errors.ts'
import { TomNode as PortableTomNode } from './node/tom-node.ts'
import type { TomNodeParts } from './node/types.ts'

export interface NodeTomNodeOptions extends Omit<NodeEndpointOptions, 'alpns'>, Omit<TomNodeParts, 'storage'> {
  /** A folder's path; it is made when it is not there. Two nodes cannot share one. Default: nothing outlives the process. */
  readonly storage?: string | Folder
}

export class TomNode extends PortableTomNode {
  /** Rejects with EndpointError, GossipError, TomError: INVALID_OPTION, STORAGE_FAILED. */
  static override async start({ storage, ...options }: NodeTomNodeOptions = {}): Promise<TomNode> {
    const folder = typeof storage === 'string' ? await openFolder(storage) : storage
    try {
      const parts = folder === undefined ? options : { ...options, storage: folder }
      return await TomNode.open(await Endpoint.bind(options), parts)
    } catch (error) {
      if (folder instanceof NodeFolder) await folder.close()
      throw error
    }
  }
}

async function openFolder(path: string): Promise<NodeFolder> {
  try {
    return await NodeFolder.open(path)
  } catch (error) {
    throw new TomError('STORAGE_FAILED', `storage: ${messageOf(error)}`, { cause: error })
  }
}
