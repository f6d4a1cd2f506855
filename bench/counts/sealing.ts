/** `sealing.ts`: bytes allocated in the heap for each envelope that is built and opened, one JSON line. The same on every machine, up to a little noise of the compiler. */
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Sealer } from '../../src/envelope/sealing/sealer.ts'
import { decodeEnvelope } from '../../src/envelope/wire/envelope-codec.ts'
import { KnownKeys } from '../../src/envelope/wire/known-keys.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { allocatedBy } from './allocated.ts'
import type { Counts } from './transfer.ts'
import { VirtualWorld } from './virtual-world.ts'

const SIZE = 1_000
const WARM_UP = 3_000
const ENVELOPES = 1_000

const crypto = createNodeCrypto()
const { random } = new VirtualWorld().platform(1)
const sealerOf = (seed: number): Sealer =>
  new Sealer({ secretKey: SecretKey.fromBytes(new Uint8Array(32).fill(seed)), crypto, random })
const [alice, bob] = [sealerOf(1), sealerOf(2)]
const keys = new KnownKeys()
const payload = new Uint8Array(SIZE).fill(0x67)

function build(): Uint8Array {
  return alice.seal({ to: bob.key, type: 'Chat', payload, timestamp: 1_770_000_000_000, isEncrypted: true }).wire
}

function open(wire: Uint8Array): number {
  const envelope = decodeEnvelope(wire, keys)
  bob.verify(envelope)
  return bob.open(envelope).plaintext.length
}

const wire = build()
const work = (act: () => unknown, count: number): void => {
  for (let index = 0; index < count; index++) act()
}
work(build, WARM_UP)
work(() => open(wire), WARM_UP)
const built = await allocatedBy(() => work(build, ENVELOPES))
const opened = await allocatedBy(() => work(() => open(wire), ENVELOPES))
const counts: Counts = {
  'heap bytes, built': built.heapBytes / ENVELOPES,
  'buffer bytes, built': built.bufferBytes / ENVELOPES,
  'heap bytes, opened': opened.heapBytes / ENVELOPES,
  'buffer bytes, opened': opened.bufferBytes / ENVELOPES,
}
process.stdout.write(`${JSON.stringify(counts)}\n`)
process.exit(0)
