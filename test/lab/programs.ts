/** The programs that run in the lab: ours bundled once, so that they start in a moment; iroh's from the build cache; certificates for the relays. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { buildNative } from '../../conformance/peer.ts'
import { buildCli } from '../../scripts/build.ts'
import { Pki } from '../relay/server/pki.ts'
import { isAlive, removeLeftovers } from './namespaces.ts'

export interface LabPrograms {
  /** For files of this run; removed at its end. */
  readonly folder: string
  /** `tom`, one file. */
  readonly tom: string
  /** `node.ts` beside this, one file. */
  readonly node: string
  /** `tom-native`; undefined when it was not asked for. */
  readonly native: string | undefined
  /** The STUN server, one file; undefined where there is none. */
  readonly stun: string | undefined
  /** PEM file of the authority that vouches for the relays. */
  readonly ca: string
  /** Of the relays, PEM files. */
  readonly certificates: readonly { readonly chain: string; readonly key: string }[]
}

/** In the system's folder for such things; the process that made it follows. */
const FOLDER = 'tom-lab-'
const HERE = fileURLToPath(new URL('.', import.meta.url))
const STUN_SERVER = join(HERE, '../stun-server/program.ts')

async function bundle(entry: string, outfile: string): Promise<string> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    logLevel: 'error',
    banner: {
      js: "import { createRequire as bundledRequire } from 'node:module'\nconst require = bundledRequire(import.meta.url)",
    },
  })
  return outfile
}

/** Removes what dead runs left, then builds. `native`: iroh's program too, which takes minutes the first time. */
export async function prepare({ native }: { readonly native: boolean }): Promise<LabPrograms> {
  removeLeftovers()
  removeDeadFolders()
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER}${process.pid}-`))
  const tom = join(folder, 'tom.mjs')
  const [node, nativeBinary, stun] = await Promise.all([
    bundle(join(HERE, 'node.ts'), join(folder, 'node.mjs')),
    native ? buildNative() : undefined,
    existsSync(STUN_SERVER) ? bundle(STUN_SERVER, join(folder, 'stun.mjs')) : undefined,
    buildCli(tom),
  ])
  return { folder, tom, node, native: nativeBinary, stun, ...certify(folder) }
}

function removeDeadFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(FOLDER) ? Number.parseInt(name.slice(FOLDER.length), 10) : Number.NaN
    if (!Number.isNaN(owner) && !isAlive(owner)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

function certify(folder: string): Pick<LabPrograms, 'ca' | 'certificates'> {
  const pki = new Pki('Lab Root')
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const certificates = ['relay-a', 'relay-b'].map((name) => {
    const { cert, key } = pki.issue(`${name}.lab`)
    return { chain: write(`${name}.pem`, cert), key: write(`${name}.key`, key) }
  })
  return { ca: write('ca.pem', pki.rootPem), certificates }
}

export function tidy({ folder }: LabPrograms): void {
  rmSync(folder, { recursive: true, force: true })
}
