/**
 * Reads a TOML table key by key and notices what nobody asked for: an unknown key, or a value of the wrong kind, is a UsageError of one line
 * that names the file and the key. Knows no meaning of any key.
 */
import { parse, TomlError, type TomlTable } from 'smol-toml'
import { UsageError } from './run.ts'

/** Throws UsageError with line and column for what is no TOML. */
export function parseToml(text: string, file: string): TomlReader {
  try {
    // Integers as bigint, so that 1 and 1.0 are told apart.
    return new TomlReader(parse(text, { integersAsBigInt: true }), file, '')
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const what = error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '')
    throw new UsageError(`${file}:${error.line}:${error.column}: ${what}`)
  }
}

export class TomlReader {
  readonly #table: TomlTable
  readonly #file: string
  /** Keys down to this table, each with a dot behind it. */
  readonly #path: string
  readonly #asked: Set<string>
  readonly #children: TomlReader[]

  constructor(table: TomlTable, file: string, path: string) {
    this.#table = table
    this.#file = file
    this.#path = path
    this.#asked = new Set()
    this.#children = []
  }

  /** Something is wrong with `key` of this table, or with the table itself. */
  error(key: string | undefined, what: string): UsageError {
    const name = key === undefined ? this.#path.replace(/\.$/, '') : `${this.#path}${key}`
    return new UsageError(`${this.#file}: ${name}: ${what}`)
  }

  has(key: string): boolean {
    return this.#value(key) !== undefined
  }

  kind(key: string): 'missing' | 'list' | 'table' | 'plain' {
    const value = this.#value(key)
    if (value === undefined) return 'missing'
    return Array.isArray(value) ? 'list' : isTable(value) ? 'table' : 'plain'
  }

  string(key: string): string | undefined {
    const value = this.#value(key)
    if (value === undefined || typeof value === 'string') return value
    throw this.#wrong(key, 'a text in quotes', value)
  }

  boolean(key: string): boolean | undefined {
    const value = this.#value(key)
    if (value === undefined || typeof value === 'boolean') return value
    throw this.#wrong(key, 'true or false', value)
  }

  /** A whole number from `least` to `most`. */
  integer(key: string, least: number, most: number): number | undefined {
    const value = this.#value(key)
    if (value === undefined) return undefined
    if (typeof value === 'bigint' && value >= BigInt(least) && value <= BigInt(most)) return Number(value)
    throw this.#wrong(key, `a whole number from ${least} to ${most}`, value)
  }

  /** A number above 0, whole or not. */
  positive(key: string): number | undefined {
    const value = this.#value(key)
    if (value === undefined) return undefined
    const number = typeof value === 'bigint' ? Number(value) : value
    if (typeof number === 'number' && Number.isFinite(number) && number > 0) return number
    throw this.#wrong(key, 'a number above 0', value)
  }

  strings(key: string): string[] | undefined {
    const value = this.#value(key)
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value as string[]
    throw this.#wrong(key, 'a list of texts', value)
  }

  /** Undefined when it is missing. */
  table(key: string): TomlReader | undefined {
    const value = this.#value(key)
    if (value === undefined) return undefined
    if (!isTable(value)) throw this.#wrong(key, 'a table', value)
    const child = new TomlReader(value, this.#file, `${this.#path}${key}.`)
    this.#children.push(child)
    return child
  }

  /** Throws for the first key, here or in tables below, that was never asked for. */
  end(): void {
    for (const key of Object.keys(this.#table))
      if (!this.#asked.has(key)) throw this.error(key, `unknown key (known here: ${[...this.#asked].join(', ')})`)
    for (const child of this.#children) child.end()
  }

  #value(key: string): unknown {
    this.#asked.add(key)
    return Object.hasOwn(this.#table, key) ? this.#table[key] : undefined
  }

  #wrong(key: string, expected: string, value: unknown): UsageError {
    return this.error(key, `expected ${expected}, got ${show(value)}`)
  }
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (isTable(value)) return 'a table'
  if (typeof value === 'string') return JSON.stringify(value)
  return String(value)
}
