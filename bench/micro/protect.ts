/**
 * What it costs to protect and unprotect one full packet: 1,350 bytes of payload behind a 13-byte header, sealed and header protected. Prints one
 * JSON line: nanoseconds of each round, our preferred AEAD beside the ones it is compared with, their rounds interleaved.
 */
import type { AeadName } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { load } from '../peers/load.ts'

const ROUNDS = 11
/** Nanoseconds that one round of one case takes, or it is measured by the clock's grain. */
const ROUND_LENGTH = 10e6
const START = 0
const NUMBER_START = 9
const PAYLOAD_START = 13
const PAYLOAD_END = PAYLOAD_START + 1350
const END = PAYLOAD_END + 16

interface Case {
  readonly subject: string
  readonly step: 'protect' | 'unprotect'
  readonly run: () => void
}

const crypto = createNodeCrypto()
// the first call gives the kernel's own memory, where packets are worked on without a copy
const memory = crypto.packetMemory(4096)

function providerCases(subject: string, name: AeadName): Case[] {
  const key = new Uint8Array(name === 'aes-128-gcm' ? 16 : 32).fill(7)
  const aead = crypto.aeadKey(name, key, new Uint8Array(12).fill(9))
  const header = crypto.headerKey(name, key)
  const bytes = memory
  let packetNumber = 0
  const write = (): void => {
    packetNumber = (packetNumber + 1) & 0xffff
    bytes[START] = 0x43
    bytes[NUMBER_START] = 0
    bytes[NUMBER_START + 1] = 0
    bytes[NUMBER_START + 2] = packetNumber >>> 8
    bytes[NUMBER_START + 3] = packetNumber
  }
  const protect = (): void => {
    write()
    aead.protect(header, bytes, START, NUMBER_START, PAYLOAD_START, PAYLOAD_END, 0, packetNumber)
  }
  protect()
  const sealed = bytes.slice(START, END)
  const largest = packetNumber - 1
  return [
    { subject, step: 'protect', run: protect },
    {
      subject,
      step: 'unprotect',
      run: () => {
        // the copy, 30 ns, is part of the figure, as it is when a datagram arrives
        bytes.set(sealed)
        const end = aead.unprotect(header, bytes, START, NUMBER_START, END, 0, largest, 0)
        if (end !== PAYLOAD_END) throw new Error(`${subject} did not open: ${end}`)
      },
    },
  ]
}

interface Sodium {
  crypto_aead_chacha20poly1305_ietf_encrypt(
    out: Buffer,
    message: Buffer,
    ad: Buffer,
    _: null,
    nonce: Buffer,
    key: Buffer,
  ): void
  crypto_aead_chacha20poly1305_ietf_decrypt(
    out: Buffer,
    _: null,
    sealed: Buffer,
    ad: Buffer,
    nonce: Buffer,
    key: Buffer,
  ): void
}

/** libsodium as a native addon: the AEAD alone, no header protection. Empty where it is not installed. */
async function sodiumCases(): Promise<Case[]> {
  let sodium: Sodium
  try {
    sodium = (await load<{ default: Sodium }>('sodium-native')).default
  } catch {
    return []
  }
  const key = Buffer.alloc(32, 7)
  const nonce = Buffer.alloc(12, 9)
  const header = Buffer.alloc(PAYLOAD_START, 1)
  const plain = Buffer.alloc(PAYLOAD_END - PAYLOAD_START, 5)
  const sealed = Buffer.alloc(plain.length + 16)
  const opened = Buffer.alloc(plain.length)
  const subject = 'sodium-native ChaCha20-Poly1305, AEAD only'
  const protect = (): void => sodium.crypto_aead_chacha20poly1305_ietf_encrypt(sealed, plain, header, null, nonce, key)
  protect()
  return [
    { subject, step: 'protect', run: protect },
    {
      subject,
      step: 'unprotect',
      run: () => sodium.crypto_aead_chacha20poly1305_ietf_decrypt(opened, null, sealed, header, nonce, key),
    },
  ]
}

function timed(run: () => void, count: number): number {
  const start = process.hrtime.bigint()
  for (let index = 0; index < count; index++) run()
  return Number(process.hrtime.bigint() - start)
}

/** Calls that fill one round, found while the code warms up. */
function calibrate(run: () => void): number {
  let count = 64
  while (timed(run, count) < ROUND_LENGTH) count *= 2
  return count
}

export interface ProtectResult {
  readonly subject: string
  readonly step: 'protect' | 'unprotect'
  /** Nanoseconds a call, one a round. */
  readonly samples: number[]
}

const preferred = crypto.aeadPreference[0]!
const cases = [
  ...providerCases(`tom-transport, ${preferred}`, preferred),
  ...(preferred === 'aes-128-gcm' ? [] : providerCases('node:crypto, aes-128-gcm', 'aes-128-gcm')),
  ...(await sodiumCases()),
]
const counts = cases.map(({ run }) => calibrate(run))
const results: ProtectResult[] = cases.map(({ subject, step }) => ({ subject, step, samples: [] }))
for (let round = 0; round < ROUNDS; round++)
  for (const [index, { run }] of cases.entries())
    results[index]!.samples.push(timed(run, counts[index]!) / counts[index]!)
process.stdout.write(`${JSON.stringify(results)}\n`)
