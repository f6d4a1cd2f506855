/** A provider that remembers what it said of a signature: in a swarm everybody checks the same ones, and the answer is always the same. */
import type { CryptoProvider } from '../../../../src/crypto/index.ts'

const MOST = 20_000
/** Longer messages are rare, and their keys would be long. */
const LONGEST = 2_048

export function rememberVerdicts(provider: CryptoProvider): CryptoProvider {
  const verdicts = new Map<string, boolean>()
  const verify = (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean => {
    if (message.length > LONGEST) return provider.verify(publicKey, message, signature)
    const key = `${text(signature)}${text(publicKey)}${text(message)}`
    const known = verdicts.get(key)
    if (known !== undefined) return known
    const verdict = provider.verify(publicKey, message, signature)
    if (verdicts.size >= MOST) verdicts.clear()
    verdicts.set(key, verdict)
    return verdict
  }
  const bound = new Map<PropertyKey, unknown>([['verify', verify]])
  return new Proxy(provider, {
    get(target, name) {
      const ours = bound.get(name)
      if (ours !== undefined) return ours
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      const method: unknown = value.bind(target)
      bound.set(name, method)
      return method
    },
  })
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}
