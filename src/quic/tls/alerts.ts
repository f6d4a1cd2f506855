/**
 * TLS alert numbers, their names, and the way to raise one: as a QUIC transport error with code 0x100 + alert. Alert records do not
 * exist in QUIC and are not built here. RFC 8446 §6, RFC 9001 §4.8.
 */
import { type TransportError, tlsAlert } from '../errors.ts'

/** RFC 8446 §6 and the IANA registry; names as there. */
export const Alert = {
  CLOSE_NOTIFY: 0,
  UNEXPECTED_MESSAGE: 10,
  BAD_RECORD_MAC: 20,
  RECORD_OVERFLOW: 22,
  HANDSHAKE_FAILURE: 40,
  BAD_CERTIFICATE: 42,
  UNSUPPORTED_CERTIFICATE: 43,
  CERTIFICATE_REVOKED: 44,
  CERTIFICATE_EXPIRED: 45,
  CERTIFICATE_UNKNOWN: 46,
  ILLEGAL_PARAMETER: 47,
  UNKNOWN_CA: 48,
  ACCESS_DENIED: 49,
  DECODE_ERROR: 50,
  DECRYPT_ERROR: 51,
  PROTOCOL_VERSION: 70,
  INSUFFICIENT_SECURITY: 71,
  INTERNAL_ERROR: 80,
  INAPPROPRIATE_FALLBACK: 86,
  USER_CANCELED: 90,
  MISSING_EXTENSION: 109,
  UNSUPPORTED_EXTENSION: 110,
  UNRECOGNIZED_NAME: 112,
  BAD_CERTIFICATE_STATUS_RESPONSE: 113,
  UNKNOWN_PSK_IDENTITY: 115,
  CERTIFICATE_REQUIRED: 116,
  NO_APPLICATION_PROTOCOL: 120,
} as const
export type Alert = (typeof Alert)[keyof typeof Alert]

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(Alert).map(([name, alert]) => [alert, name.toLowerCase()]),
)

/** The RFC's name of an alert number (`unknown_ca`), or `alert <number>`. */
export function alertName(alert: number): string {
  return NAMES.get(alert) ?? `alert ${alert}`
}

/** The error to throw for an alert; its text begins with the alert's name. */
export function fatal(alert: Alert, message: string): TransportError {
  return tlsAlert(alert, `${alertName(alert)}: ${message}`)
}
