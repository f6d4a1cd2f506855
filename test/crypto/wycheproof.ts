/**
 * Reads the Wycheproof vectors that lie beside a checkout of this project, in `../shared/vectors/wycheproof`. Where they are
 * absent, tests that need them report themselves as skipped.
 */
import { existsSync, readFileSync } from 'node:fs'

const folder = new URL('../../../shared/vectors/wycheproof/', import.meta.url)

export const hasWycheproof = existsSync(folder)

export interface Vector {
  readonly tcId: number
  readonly comment: string
  readonly flags: readonly string[]
  readonly result: 'valid' | 'invalid' | 'acceptable'
}

export interface AeadVector extends Vector {
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
}

export interface DhVector extends Vector {
  readonly public: string
  readonly private: string
  readonly shared: string
}

export interface SignatureVector extends Vector {
  readonly msg: string
  readonly sig: string
}

export interface HkdfVector extends Vector {
  readonly ikm: string
  readonly salt: string
  readonly info: string
  readonly size: number
  readonly okm: string
}

export interface Group<T extends Vector> {
  readonly ivSize: number
  readonly keySize: number
  readonly tagSize: number
  readonly publicKey: { readonly pk: string }
  /** SubjectPublicKeyInfo. */
  readonly publicKeyDer: string
  readonly tests: readonly T[]
}

export function readGroups<T extends Vector>(name: string): readonly Group<T>[] {
  const file = JSON.parse(readFileSync(new URL(`${name}_test.json`, folder), 'utf8')) as {
    numberOfTests: number
    testGroups: Group<T>[]
  }
  const found = file.testGroups.reduce((sum, group) => sum + group.tests.length, 0)
  if (found !== file.numberOfTests) throw new Error(`${name}: ${found} of ${file.numberOfTests} vectors read`)
  return file.testGroups
}
