/**
 * The JSON event lines of PoC-4 (spec/envelope.md §8.3): names, order and number format of every field. Old runs and new ones are compared
 * line by line, so nothing here may change; better measures go into extra trailing fields (CLI-3).
 */

/** s string, n integer, f float (always with a point), b boolean, a list of strings. */
type FieldType = 's' | 'n' | 'f' | 'b' | 'a'

const SCHEMA = {
  started: { name: 's', id: 's', mode: 's', timestamp: 's' },
  path_change: { selected: 's', rtt_ms: 'f', paths: 'a', elapsed_s: 'f' },
  ping: { seq: 'n', rtt_ms: 'f', via: 's', elapsed_s: 'f' },
  hole_punch: { success: 'b', time_to_direct_s: 'f', relay_rtt_ms: 'f', direct_rtt_ms: 'f', direct_path_at_s: 'f' },
  disconnected: { reason: 's', session_pings: 'n', elapsed_s: 'f', timestamp: 's' },
  reconnecting: { attempt: 'n', elapsed_s: 'f', timestamp: 's' },
  reconnected: { attempt: 'n', reconnect_time_ms: 'f', elapsed_s: 'f', timestamp: 's' },
  summary: {
    name: 's',
    total_pings: 'n',
    successful_pings: 'n',
    failed_pings: 'n',
    direct_pings: 'n',
    relay_pings: 'n',
    direct_pct: 'f',
    avg_rtt_direct_ms: 'f',
    avg_rtt_relay_ms: 'f',
    hole_punch_success: 'b',
    time_to_direct_s: 'f',
    reconnections: 'n',
    total_disconnected_s: 'f',
    elapsed_s: 'f',
  },
} as const satisfies Record<string, Record<string, FieldType>>

interface TypeOf {
  s: string
  n: number
  f: number
  b: boolean
  a: readonly string[]
}

type Schema = typeof SCHEMA
export type PocEventName = keyof Schema
/** The fields of one event; floats in the unit that the name says. */
export type PocFields<Name extends PocEventName> = {
  readonly [Field in keyof Schema[Name]]: Schema[Name][Field] extends FieldType ? TypeOf[Schema[Name][Field]] : never
}

/** One line, without the line end. */
export function formatPocEvent<Name extends PocEventName>(name: Name, fields: PocFields<Name>): string {
  const values = fields as Record<string, unknown>
  const parts = Object.entries(SCHEMA[name]).map(([field, type]) => {
    const value = values[field]
    return `"${field}":${type === 'f' ? formatFloat(value as number) : JSON.stringify(value)}`
  })
  return `{"event":"${name}",${parts.join(',')}}`
}

/** CLI-1: whole floats keep their point. Three decimals: microseconds of ms, ms of seconds. */
export function formatFloat(value: number): string {
  const rounded = Math.round(value * 1000) / 1000
  return Number.isInteger(rounded) ? `${rounded}.0` : String(rounded)
}

/** Seconds since 1970 and the letter s; not ISO 8601. */
export function pocTimestamp(wallClockMs: number): string {
  return `${Math.floor(wallClockMs / 1000)}s`
}
