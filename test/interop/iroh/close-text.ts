/** The npm binding tells errors only as text: this reads why a connection ended out of it, in the words of conformance/peer.ts. */
import type { NativeClose } from '../../../conformance/peer.ts'

/** CONNECTION_REFUSED and CRYPTO_ERROR of RFC 9000 §20.1. */
const REFUSED = 0x02
const CRYPTO_ERROR = 0x100

/** Undefined where the text says nothing about the connection. */
export function closeOf(text: string): NativeClose | undefined {
  const application = /closed by peer: (?:(.*) \(code (\d+)\)|(\d+))/s.exec(text)
  if (application !== null)
    return { kind: 'peer-application', code: Number(application[2] ?? application[3]), reason: application[1] ?? '' }
  const debug = /error_code: (\d+), reason: b"(.*)" \}/s.exec(text)
  if (debug !== null) return { kind: 'peer-application', code: Number(debug[1]), reason: debug[2]! }
  const kind = text.includes('aborted by peer') ? 'peer-transport' : 'local-transport'
  if (text.includes('the server refused to accept a new connection')) return { kind, code: REFUSED, reason: '' }
  const alert = /error (\d+): (.*)/.exec(text)
  if (alert !== null) return { kind, code: CRYPTO_ERROR + Number(alert[1]), reason: alert[2]! }
  const crypto = /Code::crypto\(([0-9a-f]+)\).*reason: "(.*?)"/s.exec(text)
  if (crypto !== null) return { kind, code: CRYPTO_ERROR + Number.parseInt(crypto[1]!, 16), reason: crypto[2]! }
  if (/timed ?out/i.test(text)) return { kind: 'timeout' }
  if (/reset by peer/i.test(text)) return { kind: 'reset' }
  if (/aborted by peer/.test(text)) return { kind, reason: text }
  if (/^closed$|LocallyClosed/.test(text)) return { kind: 'local-application' }
  return undefined
}

/** The message of an error of the binding without Rust's backtrace. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n\nStack backtrace')[0]!.trim()
}
