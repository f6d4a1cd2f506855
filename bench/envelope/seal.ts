/**
 * `seal.ts <sizes> <ms>`: envelopes built (encrypted, signed, encoded) and opened (decoded, verified, decrypted) a second, on one thread in a fresh process; one JSON line.
 * The same work as `tom-native envelope-bench`.
 */
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Sealer } from '../../src/envelope/sealing/sealer.ts'
import { decodeEnvelope } from '../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../src/envelope/wire/known-keys.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'

export interface SealResult {
  /** Of plaintext, bytes. */
  readonly size: number
  readonly wireLength: number
  readonly builtPerSecond: number
  readonly openedPerSecond: number
}

/** Between two looks at the clock. */
const BATCH = 8
const TIMESTAMP = 1_708_000_000_000

const crypto = createNodeCrypto()
const { random } = new NodePlatform({ proxy: null })
const sealerOf = (seed: number): Sealer =>
  new Sealer({ secretKey: SecretKey.fromBytes(new Uint8Array(32).fill(seed)), crypto, random })
const alice = sealerOf(1)
const bob = sealerOf(2)
const keys = new KnownKeys()

function measure(size: number, ms: number): SealResult {
  const payload = new Uint8Array(size).map((_, index) => index * 31 + 7)
  const build = (): Uint8Array =>
    alice.seal({ to: bob.key, type: 'Chat', payload, timestamp: TIMESTAMP, isEncrypted: true }).wire
  const wire = build()
  const open = (): Uint8Array => {
    const envelope = decodeEnvelope(wire, keys)
    bob.verify(envelope)
    return bob.open(envelope).plaintext
  }
  if (Buffer.compare(open(), payload) !== 0) throw new Error('what was built does not open')
  return {
    size,
    wireLength: wire.length,
    builtPerSecond: perSecond(ms, build),
    openedPerSecond: perSecond(ms, open),
  }
}

/** The compiler gets as much time before as is measured. */
function perSecond(ms: number, act: () => Uint8Array): number {
  const run = (): number => {
    const began = performance.now()
    let count = 0
    let bytes = 0
    while (performance.now() - began < ms) {
      for (let index = 0; index < BATCH; index++) bytes += act().length
      count += BATCH
    }
    if (bytes < 0) throw new Error('nobody counts so far')
    return (count * 1000) / (performance.now() - began)
  }
  run()
  return run()
}

const [sizes = '', ms = '500'] = process.argv.slice(2)
const results = sizes.split(',').map((size) => measure(Number(size), Number(ms)))
process.stdout.write(`${JSON.stringify(results)}\n`)
