/** A walk through everything a crypto provider can do that has one right answer: in Node and in a browser it must come out the same, digit by digit. */
import type { AeadName, CryptoProvider } from '../../src/crypto/index.ts'
import { counting, toHex } from '../crypto/hex.ts'

const AEADS: readonly AeadName[] = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305']
/** A full packet of a relayed path, bytes. */
const PACKET = 1200

/** Each step with its outcome as hex. */
export function cryptoWalk(crypto: CryptoProvider): Record<string, string> {
  const outcome: Record<string, string> = {}
  const message = counting(0, 300)
  for (const name of ['sha256', 'sha384'] as const) {
    outcome[name] = toHex(crypto.hash(name, message))
    outcome[`hmac ${name}`] = toHex(crypto.hmac(name, counting(1, 200), message))
    const key = crypto.hkdfExtract(name, counting(2, 13), counting(3, 22))
    outcome[`hkdf ${name}`] = toHex(crypto.hkdfExpand(name, key, counting(4, 10), 82))
  }
  for (const name of AEADS) outcome[name] = protectedPacket(crypto, name)
  for (const group of ['x25519', 'p256'] as const) {
    const [left, right] = [crypto.keyExchange(group, counting(1, 32)), crypto.keyExchange(group, counting(9, 32))]
    outcome[group] = toHex(left.publicKey) + toHex(left.agree(right.publicKey))
    left.free()
    right.free()
  }
  const signer = crypto.signer(counting(7, 32))
  const signature = signer.sign(message)
  outcome.ed25519 = toHex(signer.publicKey) + toHex(signature)
  outcome['ed25519 verified'] = String(crypto.verify(signer.publicKey, message, signature))
  signature[5]! ^= 1
  outcome['ed25519 forged'] = String(crypto.verify(signer.publicKey, message, signature))
  signer.free()
  return outcome
}

/** The packet as it goes onto the wire; the provider must open it again, and must not open it once a bit was flipped. */
function protectedPacket(crypto: CryptoProvider, name: AeadName): string {
  const key = crypto.aeadKey(name, counting(11, name === 'aes-128-gcm' ? 16 : 32), counting(12, 12))
  const header = crypto.headerKey(name, counting(13, name === 'aes-128-gcm' ? 16 : 32))
  const memory = crypto.packetMemory(PACKET)
  // A short header with a packet number of two bytes, after an id of eight.
  memory.set(counting(0, PACKET))
  memory[0] = 0x41
  key.protect(header, memory, 0, 9, 11, PACKET - 16, 3, 0x0a0b)
  const wire = toHex(memory)
  const end = key.unprotect(header, memory, 0, 9, PACKET, 3, 0x0a0a, 0)
  const opened = toHex(memory.subarray(11, end))
  const again = Uint8Array.from(wire.match(/../g)!, (digits) => Number.parseInt(digits, 16))
  again[700]! ^= 1
  const refused = key.unprotect(header, again, 0, 9, PACKET, 3, 0x0a0a, 0)
  key.free()
  header.free()
  return `${wire} opened ${opened === toHex(counting(11, PACKET - 27))} forged ${refused}`
}
