import { createPrivateKey } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { NodePlatform } from '../../../src/platform/node/index.ts'
import { type CertificatePair, CertificateWatch, checkPair, readPair } from '../../../src/relay/server/certificate.ts'
import { type Pem, Pki, pem } from './pki.ts'

const PKI = new Pki()
const GOOD = PKI.issue('relay.test')
const folder = mkdtempSync(join(tmpdir(), 'tom-certificate-'))
afterAll(() => rmSync(folder, { recursive: true }))

const FROM = { cert: 'fullchain.pem', key: 'privkey.pem' }
const failure = (pair: Pem): string => {
  try {
    checkPair(pair, FROM)
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_CERTIFICATE' })
    return (error as Error).message
  }
  throw new Error('it was taken')
}

describe('a pair is checked before anything uses it', () => {
  test('what a good one gives', () => {
    const chain = checkPair({ ...GOOD, cert: GOOD.cert + PKI.rootPem }, FROM)
    expect(chain.hostNames).toEqual(['relay.test', 'localhost'])
    expect(chain.der.chain.length).toBe(2)
    expect(Math.round((chain.notAfterMs - Date.now()) / 86_400_000)).toBe(90)
  })

  test('a name with a wildcard is no host name', () => {
    expect(checkPair(PKI.issue('*.relay.test'), FROM).hostNames).toEqual(['localhost'])
  })

  test('keys in other PEM forms than PKCS #8: the QUIC side gets PKCS #8', () => {
    const sec1 = String(createPrivateKey(GOOD.key).export({ type: 'sec1', format: 'pem' }))
    expect(sec1).toContain('BEGIN EC PRIVATE KEY')
    const plain = checkPair(GOOD, FROM)
    expect(checkPair({ ...GOOD, key: sec1 }, FROM).der).toEqual(plain.der)
  })

  test('BAD_CERTIFICATE: each in one line that names the file', () => {
    const encrypted = String(
      createPrivateKey(GOOD.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'x' }),
    )
    const messages = [
      failure({ ...GOOD, cert: '' }),
      failure({ ...GOOD, cert: 'text' }),
      failure({ ...GOOD, cert: GOOD.key }),
      failure({ ...GOOD, cert: '-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n' }),
      failure({ ...GOOD, cert: pem('CERTIFICATE', Uint8Array.of(0x30, 1, 0)) }),
      failure({ ...GOOD, key: '' }),
      failure({ ...GOOD, key: GOOD.cert }),
      failure({ ...GOOD, key: pem('PRIVATE KEY', Uint8Array.of(0x30, 1, 0)) }),
      failure({ ...GOOD, key: encrypted }),
      failure({ ...GOOD, key: PKI.issue().key }),
    ]
    expect(messages.map((message) => message.replace(/: error:.*|: unsupported$/, ': …'))).toEqual([
      'fullchain.pem has no certificate in it (expected PEM: BEGIN CERTIFICATE)',
      'fullchain.pem has no certificate in it (expected PEM: BEGIN CERTIFICATE)',
      'fullchain.pem has no certificate in it (expected PEM: BEGIN CERTIFICATE)',
      'fullchain.pem: PEM: a CERTIFICATE block is damaged',
      'the first certificate in fullchain.pem is damaged: …',
      'privkey.pem has no usable private key in it (expected PEM: BEGIN PRIVATE KEY): …',
      'privkey.pem has no usable private key in it (expected PEM: BEGIN PRIVATE KEY): …',
      'privkey.pem has no usable private key in it (expected PEM: BEGIN PRIVATE KEY): …',
      'the key in privkey.pem is protected by a passphrase; store it without one (openssl pkey)',
      'the key in privkey.pem does not belong to the first certificate in fullchain.pem',
    ])
    for (const message of messages) expect(message).not.toContain('\n')
  })

  test('files that are not there, or not for us', async () => {
    const certPath = join(folder, 'missing.crt')
    const keyPath = join(folder, 'some.key')
    writeFileSync(keyPath, GOOD.key)
    await expect(readPair({ certPath, keyPath })).rejects.toMatchObject({
      code: 'BAD_CERTIFICATE',
      message: `cannot read the certificate ${certPath}: there is no such file`,
    })
    writeFileSync(certPath, GOOD.cert)
    expect((await readPair({ certPath, keyPath })).cert).toBe(GOOD.cert)
    // Root may read anything.
    if (process.getuid?.() === 0) return
    chmodSync(keyPath, 0)
    await expect(readPair({ certPath, keyPath })).rejects.toThrow(`cannot read the key ${keyPath}: not permitted`)
  })
})

class Watched {
  readonly certPath: string
  readonly keyPath: string
  readonly changes: CertificatePair[] = []
  readonly bad: string[] = []
  refuse: Error | undefined = undefined
  /** Runs the timer of the watch, as if its time had come. */
  fire: () => void = () => {}

  constructor(name: string, first: Pem, own?: { certPath: string; keyPath: string }) {
    this.certPath = own?.certPath ?? join(folder, `${name}.crt`)
    this.keyPath = own?.keyPath ?? join(folder, `${name}.key`)
    if (own === undefined) this.write(first)
  }

  write({ cert, key }: Pem): void {
    writeFileSync(this.certPath, cert)
    writeFileSync(this.keyPath, key)
  }

  /** With a timer that only fires when the test says so, or a real one. */
  start(current: Pem, mode: 'by hand' | 'by events'): CertificateWatch {
    const real = new NodePlatform()
    const byHand = {
      now: () => 0,
      createTimer: (callback: () => void) => {
        this.fire = callback
        return { arm: () => {}, cancel: () => {} }
      },
    }
    const watch = new CertificateWatch({
      files: this,
      current,
      platform: mode === 'by hand' ? byHand : real,
      pollMs: 3_600_000,
      settleMs: 10,
      onChange: (pair) => {
        if (this.refuse !== undefined) throw this.refuse
        this.changes.push(pair)
      },
      onBad: (error) => this.bad.push(error.message),
    })
    onTestFinished(() => watch.close())
    return watch
  }
}

describe('spec/relay.md §4.5: files are read again', () => {
  const SECOND = PKI.issue('second.test')
  const THIRD = PKI.issue('third.test')

  test('by looking: another pair once, the same pair never, a bad one told once', async () => {
    const watched = new Watched('polled', GOOD)
    const watch = watched.start(GOOD, 'by hand')
    const look = () => watch.look()
    await look()
    expect(watched.changes).toEqual([])
    watched.write(SECOND)
    await look()
    await look()
    expect(watched.changes.map(({ hostNames }) => hostNames[0])).toEqual(['second.test'])
    writeFileSync(watched.keyPath, THIRD.key)
    await look()
    await look()
    expect(watched.bad).toEqual([
      `the key in ${watched.keyPath} does not belong to the first certificate in ${watched.certPath}`,
    ])
    writeFileSync(watched.certPath, THIRD.cert)
    await look()
    expect(watched.changes.map(({ hostNames }) => hostNames[0])).toEqual(['second.test', 'third.test'])
    rmSync(watched.certPath)
    await look()
    watched.write(GOOD)
    await look()
    expect(watched.bad.length).toBe(2)
    expect(watched.changes.length).toBe(3)
  })

  test('a pair that its user refuses counts as bad, and is tried again', async () => {
    const watched = new Watched('refused', GOOD)
    watched.start(GOOD, 'by hand')
    watched.write(SECOND)
    watched.refuse = new Error('not this one')
    watched.fire()
    await expect.poll(() => watched.bad).toEqual(['not this one'])
    watched.refuse = undefined
    watched.fire()
    await expect.poll(() => watched.changes.length).toBe(1)
  })

  test('by events: files that are written in place', async () => {
    const watched = new Watched('written', GOOD)
    watched.start(GOOD, 'by events')
    watched.write(SECOND)
    await expect.poll(() => watched.changes.at(-1)?.hostNames[0]).toBe('second.test')
  })

  test('by events: files that are renamed into place, as certbot and others do', async () => {
    const watched = new Watched('renamed', GOOD)
    watched.start(GOOD, 'by events')
    const next = new Watched('renamed-next', THIRD)
    renameSync(next.keyPath, watched.keyPath)
    renameSync(next.certPath, watched.certPath)
    await expect.poll(() => watched.changes.at(-1)?.hostNames[0]).toBe('third.test')
  })

  test('by events: a link that the files are reached through, as in Kubernetes', async () => {
    const home = mkdtempSync(join(folder, 'secret-'))
    const put = (name: string, { cert, key }: Pem): void => {
      mkdirSync(join(home, name))
      writeFileSync(join(home, name, 'tls.crt'), cert)
      writeFileSync(join(home, name, 'tls.key'), key)
    }
    put('..1', GOOD)
    put('..2', SECOND)
    symlinkSync('..1', join(home, '..data'))
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(home, name))
    const own = { certPath: join(home, 'tls.crt'), keyPath: join(home, 'tls.key') }
    const watched = new Watched('linked', GOOD, own)
    watched.start(GOOD, 'by events')
    symlinkSync('..2', join(home, '..data_tmp'))
    renameSync(join(home, '..data_tmp'), join(home, '..data'))
    await expect.poll(() => watched.changes.at(-1)?.hostNames[0]).toBe('second.test')
  })
})
