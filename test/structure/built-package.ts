/**
 * The package as a user gets it: built into a temporary folder as `node_modules/tom-transport`, with its production
 * dependencies beside it and nothing else.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { buildCli, buildLibrary, ROOT } from '../../scripts/build.ts'

export interface BuiltPackage {
  /** The user's project: has `node_modules/` and nothing else. */
  readonly folder: string
  /** The package in it. */
  readonly package: string
  remove(): void
}

export interface PackageJson {
  readonly name: string
  readonly version: string
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly dependencies: Readonly<Record<string, string>>
}

export function readPackageJson(): PackageJson {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
}

export async function buildPackage(options: { readonly cli: boolean }): Promise<BuiltPackage> {
  const folder = mkdtempSync(join(tmpdir(), 'tom-transport-'))
  const target = join(folder, 'node_modules/tom-transport')
  mkdirSync(target, { recursive: true })
  cpSync(join(ROOT, 'package.json'), join(target, 'package.json'))
  for (const name of Object.keys(readPackageJson().dependencies)) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), link)
  }
  buildLibrary(join(target, 'dist'))
  if (options.cli) await buildCli(join(target, 'dist/tom.mjs'))
  return { folder, package: target, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
