/**
 * The server's certificate and key: read from PEM texts or files, checked before anything uses them, and read again when the files change
 * (spec/relay.md §1.6, §4.5). A new pair that is no good changes nothing but the log.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { createSecureContext } from 'node:tls'
import { decodePem } from '../../crypto/index.ts'
import type { Platform, Timer } from '../../platform/index.ts'
import type { ServerCertificate } from '../../quic/index.ts'
import { lineOf, RelayServerError } from './errors.ts'

/** PEM texts. */
export interface PemPair {
  /** The server's own certificate first, then the authorities up to the root. */
  readonly cert: string
  readonly key: string
}

export interface PemFiles {
  readonly certPath: string
  readonly keyPath: string
}

/** A pair that was checked: the key belongs to the certificate, and TLS takes both. */
export interface CertificatePair extends PemPair {
  /** For our own QUIC. */
  readonly der: ServerCertificate
  /** Host names in the certificate, without wildcards. */
  readonly hostNames: readonly string[]
  /** ms since 1970. */
  readonly notAfterMs: number
}

/** Throws RelayServerError BAD_CERTIFICATE; `cert` and `key` say in messages where the two came from. */
export function checkPair({ cert, key }: PemPair, from: { cert: string; key: string }): CertificatePair {
  const chain = blocks(cert, from.cert)
  const leaf = parseCertificate(chain[0]!, from.cert)
  const privateKey = parseKey(key, from.key)
  if (!leaf.checkPrivateKey(privateKey))
    throw bad(`the key in ${from.key} does not belong to the first certificate in ${from.cert}`)
  try {
    createSecureContext({ cert, key })
  } catch (error) {
    throw bad(`TLS does not take the certificate in ${from.cert}: ${lineOf(error)}`, error)
  }
  return {
    cert,
    key,
    der: { chain, privateKey: Uint8Array.from(privateKey.export({ type: 'pkcs8', format: 'der' })) },
    hostNames: hostNamesOf(leaf),
    notAfterMs: Date.parse(leaf.validTo),
  }
}

/** Reads both files. Rejects with RelayServerError BAD_CERTIFICATE. */
export async function readPair({ certPath, keyPath }: PemFiles): Promise<CertificatePair> {
  // one after the other: where both are missing, it is always the certificate that is named
  const cert = await readText(certPath, 'certificate')
  const key = await readText(keyPath, 'key')
  return checkPair({ cert, key }, { cert: certPath, key: keyPath })
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'not permitted' : lineOf(error)
    throw bad(`cannot read the ${what} ${path}: ${why}`, error)
  }
}

function blocks(text: string, from: string): Uint8Array[] {
  let chain: Uint8Array[]
  try {
    chain = decodePem(text, 'CERTIFICATE')
  } catch (error) {
    throw bad(`${from}: ${lineOf(error)}`, error)
  }
  if (chain.length === 0) throw bad(`${from} has no certificate in it (expected PEM: BEGIN CERTIFICATE)`)
  return chain
}

function parseCertificate(der: Uint8Array, from: string): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (error) {
    throw bad(`the first certificate in ${from} is damaged: ${lineOf(error)}`, error)
  }
}

function parseKey(text: string, from: string): KeyObject {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text))
    throw bad(`the key in ${from} is protected by a passphrase; store it without one (openssl pkey)`)
  try {
    return createPrivateKey(text)
  } catch (error) {
    throw bad(`${from} has no usable private key in it (expected PEM: BEGIN PRIVATE KEY): ${lineOf(error)}`, error)
  }
}

function hostNamesOf(leaf: X509Certificate): string[] {
  const names = (leaf.subjectAltName ?? '').split(', ')
  return names
    .filter((name) => name.startsWith('DNS:') && !name.includes('*'))
    .map((name) => name.slice('DNS:'.length))
    .filter((name) => /^[A-Za-z0-9.-]+$/.test(name))
}

function bad(message: string, cause?: unknown): RelayServerError {
  return new RelayServerError('BAD_CERTIFICATE', message, { cause })
}

export interface CertificateWatchOptions {
  readonly files: PemFiles
  /** What is in use at the start. */
  readonly current: PemPair
  readonly platform: Pick<Platform, 'now' | 'createTimer'>
  /** The files are looked at so often in any case, ms: some file systems tell nothing. */
  readonly pollMs: number
  /** Quiet after a change before the files are read, ms: two files are replaced one after the other. */
  readonly settleMs: number
  /** The files hold another pair, and it is good. What this throws counts as a bad pair. */
  readonly onChange: (pair: CertificatePair) => void
  /** They changed into something that cannot be used. */
  readonly onBad: (error: Error) => void
}

/** Watches the folders of the two files, since files are mostly replaced by renaming, and reads them now and then besides. */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions
  readonly #watchers: FSWatcher[]
  readonly #timer: Timer
  #current: PemPair
  /** The last failure, so that it is told once and not with every look. */
  #lastBad: string | undefined
  #isReading: boolean
  #isClosed: boolean

  constructor(options: CertificateWatchOptions) {
    this.#options = options
    this.#current = options.current
    this.#watchers = []
    this.#lastBad = undefined
    this.#isReading = false
    this.#isClosed = false
    this.#timer = options.platform.createTimer(() => void this.look())
    const { certPath, keyPath } = options.files
    for (const folder of new Set([dirname(certPath), dirname(keyPath)])) this.#watch(folder)
    this.#lookAfter(options.pollMs)
  }

  /** Reads the files now; resolves when what they hold is in use, or was told of. Never rejects. */
  async look(): Promise<void> {
    if (this.#isReading) {
      // Something changed while the files were read.
      this.#lookAfter(this.#options.settleMs)
      return
    }
    this.#isReading = true
    this.#lookAfter(this.#options.pollMs)
    try {
      const pair = await readPair(this.#options.files)
      if (!this.#isClosed && (pair.cert !== this.#current.cert || pair.key !== this.#current.key)) {
        this.#options.onChange(pair)
        this.#current = pair
      }
      this.#lastBad = undefined
    } catch (error) {
      const message = lineOf(error)
      if (!this.#isClosed && message !== this.#lastBad) this.#options.onBad(error as Error)
      this.#lastBad = message
    } finally {
      this.#isReading = false
    }
  }

  close(): void {
    this.#isClosed = true
    this.#timer.cancel()
    for (const watcher of this.#watchers) watcher.close()
  }

  #watch(folder: string): void {
    const { certPath, keyPath } = this.#options.files
    const names = new Set([basename(certPath), basename(keyPath)])
    try {
      // Not persistent: it keeps no process alive. A name we do not know may be the link that ours lead through (Kubernetes: ..data).
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || names.has(name) || name.startsWith('..')) this.#lookAfter(this.#options.settleMs)
      })
      watcher.on('error', () => watcher.close())
      this.#watchers.push(watcher)
    } catch {
      // Not every file system can be watched: what is left is looking now and then.
    }
  }

  #lookAfter(ms: number): void {
    if (!this.#isClosed) this.#timer.arm(this.#options.platform.now() + ms)
  }
}
