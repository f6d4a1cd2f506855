/**
 * A provider whose signatures cost next to nothing: two sums over key and message, which everybody could make and nobody here does. The protocol above cannot tell; that real signatures
 * hold is `test/crypto`'s and `test/envelope/sealing`'s. All else is the wrapped provider's.
 */
import type { CryptoProvider, Signer } from '../../../../src/crypto/index.ts'

export function lightSignatures(provider: CryptoProvider): CryptoProvider {
  const ours = new Map<PropertyKey, unknown>([
    ['signer', (seed: Uint8Array) => lightSigner(provider.signer(seed))],
    [
      'verify',
      (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
        Buffer.compare(lightSignature(publicKey, message), signature) === 0,
    ],
  ])
  return new Proxy(provider, {
    get(target, name) {
      const known = ours.get(name)
      if (known !== undefined) return known
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method: unknown = value.bind(target)
      ours.set(name, method)
      return method
    },
  })
}

function lightSigner(signer: Signer): Signer {
  const { publicKey } = signer
  return {
    publicKey,
    sign: (message) => lightSignature(publicKey, message),
    free: () => signer.free(),
  }
}

/** 64 bytes: two sums over key and message, each of which every bit changes. */
function lightSignature(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  let a = 0x811c9dc5
  let b = 0x9e3779b9
  for (let index = 0; index < publicKey.length; index++) {
    a = Math.imul(a ^ publicKey[index]!, 0x01000193)
    b = Math.imul(b ^ publicKey[index]!, 0x85ebca6b) ^ (b >>> 15)
  }
  for (let index = 0; index < message.length; index++) {
    a = Math.imul(a ^ message[index]!, 0x01000193)
    b = Math.imul(b ^ message[index]!, 0x85ebca6b) ^ (b >>> 15)
  }
  const words = new Uint32Array(16)
  for (let index = 0; index < words.length; index += 2) {
    words[index] = a
    words[index + 1] = b
  }
  return new Uint8Array(words.buffer)
}
