/** For the tests of the locked decisions: whole messengers that know each other, and somebody who says what he likes. */
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Sealer } from '../../src/envelope/sealing/sealer.ts'
import type { PeerKey } from '../../src/envelope/wire/envelope.ts'
import { encodeEnvelope } from '../../src/envelope/wire/envelope-codec.ts'
import type { MessageType } from '../../src/envelope/wire/message-type.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { SimRandom } from '../sim/support/random.ts'
import { type CoreNode, CoreSwarm } from './core/support/swarm.ts'

/** Somebody who has a key and says what he likes. */
export class Liar {
  readonly key: PeerKey
  readonly #sealer: Sealer

  constructor(name: string) {
    const random = new SimRandom(name)
    this.#sealer = new Sealer({ secretKey: SecretKey.generate(random), crypto: createNodeCrypto(), random })
    this.key = this.#sealer.key
  }

  seal(
    to: PeerKey,
    type: MessageType,
    payload: Uint8Array,
    timestamp: number,
    via: readonly PeerKey[] = [],
  ): Uint8Array {
    return this.#sealer.seal({ to, type, payload, timestamp, via }).wire
  }

  /** Signed by the liar, in the name of another. */
  forge(from: PeerKey, to: PeerKey, type: MessageType, payload: Uint8Array, timestamp: number): Uint8Array {
    return encodeEnvelope({ ...this.#sealer.seal({ to, type, payload, timestamp }).envelope, from })
  }

  unsigned(from: PeerKey, to: PeerKey, type: MessageType, payload: Uint8Array, timestamp: number): Uint8Array {
    const { envelope } = this.#sealer.seal({ to, type, payload, timestamp })
    return encodeEnvelope({ ...envelope, from, signature: new Uint8Array() })
  }
}

/** Nodes that have heard of each other. */
export function swarm<const N extends readonly string[]>(
  ...names: N
): [core: CoreSwarm, nodes: { -readonly [K in keyof N]: CoreNode }] {
  const core = new CoreSwarm('locks')
  const nodes = names.map((name) => core.node(name))
  core.run(2_000)
  return [core, nodes as { -readonly [K in keyof N]: CoreNode }]
}

/** What is kept there for others or not yet acknowledged, in memory and on the disk. */
export function copiesAt({ messenger, disk }: CoreNode): number {
  const kept = new Set<string>()
  for (const record of disk) {
    if (record.kind === 'keep') kept.add(record.message.id)
    else if (record.kind === 'drop') kept.delete(record.id)
  }
  return messenger.metrics().stored + kept.size
}
