/**
 * What each crypto provider costs: `tsx bench/micro/crypto.ts` prints median nanoseconds for packets, header masks and the
 * primitives of a handshake. Rounds of the providers are interleaved, so that a noisy machine hits all alike.
 */
import type { AeadName, CryptoProvider } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { createPortableCrypto } from '../../src/crypto/portable/index.ts'

const ROUNDS = 11
/** Nanoseconds that one round of one case should take. */
const ROUND_LENGTH = 8e6
const SIZES = [32, 1200, 1350, 1452] as const
const AEADS = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const

const providers: readonly CryptoProvider[] = [createNodeCrypto(), createPortableCrypto()]

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
          const bytes = new Uint8Array(2048)
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
          const bytes = sealed.slice()
          return () => {
            // The copy, 30 ns, is part of the figure.
            bytes.set(sealed)
            if (handle.open(bytes, 0, headerLength, end + 16, 1, 5) !== end) throw new Error('did not open')
          }
        },
      },
    ] satisfies Case[]
  })
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

function timed(run: () => void, count: number): number {
  const start = process.hrtime.bigint()
  for (let i = 0; i < count; i++) run()
  return Number(process.hrtime.bigint() - start)
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

const cases = [...AEADS.flatMap(aeadCases), ...AEADS.map(maskCase), ...handshake]
console.log(`median ns, Node ${process.versions.node}, ${process.arch}`)
console.log(['case'.padEnd(32), ...providers.map(({ name }) => name.padStart(10))].join(''))
for (const subject of cases) {
  const medians = measure(subject)
  console.log([subject.name.padEnd(32), ...medians.map((value) => value.toFixed(0).padStart(10))].join(''))
}
