/**
 * A provider whose signatures cost next to nothing: a hash of key and message, which everybody could make and nobody here does. The protocol above cannot tell; that real signatures
 * hold is `test/crypto`'s and `test/envelope/sealing`'s. All else is the wrapped provider's.
 */
import { createHash } from 'node:crypto'
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
    sign: (message) => new Uint8Array(lightSignature(publicKey, message)),
    free: () => signer.free(),
  }
}

/** 64 bytes. */
function lightSignature(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  return createHash('sha512').update(publicKey).update(message).digest()
}
