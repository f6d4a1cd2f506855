/**
 * What each crypto provider costs: `tsx bench/micro/crypto.ts` prints median nanoseconds of CPU for packets, header masks and the
 * primitives of a handshake. Rounds of the providers are interleaved, so that a noisy machine hits all alike; `tsx bench/micro/crypto.ts protect` prints the
 * cases with that word in their names.
 */
import { Program } from '../../scripts/kernel/assembler.ts'
import type { AeadName, CryptoProvider } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'

const ROUNDS = 11
/** Nanoseconds that one round of one case should take. */
const ROUND_LENGTH = 8e6
const SIZES = [32, 256, 1200, 1350, 1452, 8900] as const
const AEADS = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const

const kernel = createNodeCrypto()
const providers: readonly CryptoProvider[] = [
  kernel,
  createNodeCrypto({ kernel: false }),
  createPortableCrypto({ kernel: false }),
]
const COLUMNS = ['kernel', 'node', 'portable'] as const
/** Where an endpoint has its datagrams; each provider has one. */
const memories = new Map(providers.map((crypto) => [crypto, crypto.packetMemory(65_536)]))

interface Case {
  readonly name: string
  readonly prepare: (crypto: CryptoProvider) => () => void
}

function aeadCases(name: AeadName): Case[] {
  const key = new Uint8Array(name === 'aes-128-gcm' ? 16 : 32).fill(7)
  const iv = new Uint8Array(12).fill(9)
  const headerLength = 20
  return SIZES.flatMap((size) => {
    const end = headerLength + size
    return [
      {
        name: `${name} seal ${size}`,
        prepare: (crypto) => {
          const handle = crypto.aeadKey(name, key, iv)
          const bytes = memories.get(crypto)!
          let packetNumber = 0
          return () => handle.seal(bytes, 0, headerLength, end, 1, packetNumber++)
        },
      },
      {
        name: `${name} open ${size}`,
        prepare: (crypto) => {
          const handle = crypto.aeadKey(name, key, iv)
          const sealed = new Uint8Array(end + 16)
          handle.seal(sealed, 0, headerLength, end, 1, 5)
          const bytes = memories.get(crypto)!
          return () => {
            // The copy, 30 ns, is part of the figure.
            bytes.set(sealed)
            if (handle.open(bytes, 0, headerLength, end + 16, 1, 5) !== end) throw new Error('did not open')
          }
        },
      },
      {
        name: `${name} protect ${size}`,
        prepare: (crypto) => {
          const handle = crypto.aeadKey(name, key, iv)
          const header = crypto.headerKey(name, key)
          const bytes = memories.get(crypto)!
          let packetNumber = 0
          return () => {
            bytes[0] = 0x43
            handle.protect(header, bytes, 0, headerLength - 4, headerLength, end, 1, packetNumber++)
          }
        },
      },
      {
        name: `${name} unprotect ${size}`,
        prepare: (crypto) => {
          const handle = crypto.aeadKey(name, key, iv)
          const header = crypto.headerKey(name, key)
          const packet = new Uint8Array(end + 16)
          packet[0] = 0x43
          handle.protect(header, packet, 0, headerLength - 4, headerLength, end, 1, 0)
          const bytes = memories.get(crypto)!
          return () => {
            bytes.set(packet)
            if (handle.unprotect(header, bytes, 0, headerLength - 4, end + 16, 1, -1, 0) !== end)
              throw new Error('did not open')
          }
        },
      },
    ] satisfies Case[]
  })
}

/** What the way into WebAssembly and back costs by itself. */
function nullCall(): Case {
  const program = new Program()
  program.define('nothing', ['i32', 'i32', 'i32', 'i32', 'i32', 'f64'], undefined, () => [], { isExported: true })
  const memory = new WebAssembly.Memory({ initial: 1 })
  const module = new WebAssembly.Module(program.encode(1))
  const nothing = new WebAssembly.Instance(module, { env: { memory } }).exports.nothing as (...values: number[]) => void
  let count = 0
  return { name: 'a call that does nothing', prepare: () => () => nothing(1, 2, 3, 4, 5, count++) }
}

/** Two directions and two keys, as an endpoint has them: the kernel has to change keys for each packet. */
function turnsCase(): Case {
  const name = 'chacha20-poly1305'
  return {
    name: `${name} protect 1350, keys in turns`,
    prepare: (crypto) => {
      const keys = [1, 2].map((fill) => ({
        aead: crypto.aeadKey(name, new Uint8Array(32).fill(fill), new Uint8Array(12)),
        header: crypto.headerKey(name, new Uint8Array(32).fill(fill)),
      }))
      const bytes = memories.get(crypto)!
      let packetNumber = 0
      return () => {
        bytes[0] = 0x43
        const { aead, header } = keys[packetNumber & 1]!
        aead.protect(header, bytes, 0, 16, 20, 1370, 1, packetNumber++)
      }
    },
  }
}

function maskCase(name: AeadName): Case {
  return {
    name: `${name} header mask`,
    prepare: (crypto) => {
      const handle = crypto.headerKey(name, new Uint8Array(name === 'aes-128-gcm' ? 16 : 32).fill(3))
      const bytes = new Uint8Array(64)
      const mask = new Uint8Array(5)
      return () => {
        handle.mask(bytes, 10, mask)
        bytes[10] = mask[0]!
      }
    },
  }
}

const data = new Uint8Array(200).fill(1)
const secret = new Uint8Array(32).fill(2)

const handshake: readonly Case[] = [
  { name: 'sha256 of 200', prepare: (crypto) => () => crypto.hash('sha256', data) },
  {
    name: 'running sha256, digest',
    prepare: (crypto) => {
      const running = crypto.createHash('sha256')
      running.update(data)
      return () => running.digest()
    },
  },
  { name: 'hmac sha256', prepare: (crypto) => () => crypto.hmac('sha256', secret, data) },
  { name: 'hkdf extract sha256', prepare: (crypto) => () => crypto.hkdfExtract('sha256', secret, secret) },
  { name: 'hkdf expand sha256, 32', prepare: (crypto) => () => crypto.hkdfExpand('sha256', secret, secret, 32) },
  {
    name: 'aead key, made and freed',
    prepare: (crypto) => () => crypto.aeadKey('chacha20-poly1305', secret, new Uint8Array(12)).free(),
  },
  ...(['x25519', 'p256'] as const).flatMap((group): Case[] => [
    { name: `${group} fresh pair`, prepare: (crypto) => () => crypto.keyExchange(group).free() },
    {
      name: `${group} agree`,
      prepare: (crypto) => {
        const [own, peer] = [crypto.keyExchange(group), crypto.keyExchange(group)]
        return () => own.agree(peer.publicKey)
      },
    },
  ]),
  {
    name: 'ed25519 sign',
    prepare: (crypto) => {
      const signer = crypto.signer(secret)
      return () => signer.sign(data)
    },
  },
  {
    name: 'ed25519 verify',
    prepare: (crypto) => {
      const signer = crypto.signer(secret)
      const signature = signer.sign(data)
      return () => {
        if (!crypto.verify(signer.publicKey, data, signature)) throw new Error('did not verify')
      }
    },
  },
]

/** CPU time, ns: others on the machine make a call take longer, but not cost more. */
function timed(run: () => void, count: number): number {
  const start = process.cpuUsage()
  for (let i = 0; i < count; i++) run()
  const { user, system } = process.cpuUsage(start)
  return (user + system) * 1000
}

/** Calls that fill one round, found after the code is warm. */
function calibrate(run: () => void): number {
  let count = 1
  while (timed(run, count) < ROUND_LENGTH) count *= 2
  return count
}

function measure(subject: Case): number[] {
  const runs = providers.map((crypto) => subject.prepare(crypto))
  const counts = runs.map(calibrate)
  const samples = runs.map((): number[] => [])
  for (let round = 0; round < ROUNDS; round++) {
    runs.forEach((run, i) => {
      samples[i]!.push(timed(run, counts[i]!) / counts[i]!)
    })
  }
  return samples.map((values) => values.sort((a, b) => a - b)[ROUNDS >> 1]!)
}

const filter = process.argv[2] ?? ''
const cases = [nullCall(), ...AEADS.flatMap(aeadCases), turnsCase(), ...AEADS.map(maskCase), ...handshake].filter(
  ({ name }) => name.includes(filter),
)
console.log(`median CPU ns, Node ${process.versions.node}, ${process.arch}`)
console.log(['case'.padEnd(42), ...COLUMNS.map((name) => name.padStart(10))].join(''))
for (const subject of cases) {
  const medians = measure(subject)
  console.log([subject.name.padEnd(42), ...medians.map((value) => value.toFixed(0).padStart(10))].join(''))
}
