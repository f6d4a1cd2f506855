/**
 * Builds the package: `dist/` as JavaScript and declarations, file by file, and the `tom` command as one file that runs with Node alone.
 * The tests call the two halves with folders of their own.
 */
import { chmodSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { isMain, run } from './run.ts'

export const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** The library, one module per source file, without the command line. Throws with the compiler's words when types are wrong. */
export function buildLibrary(outDir: string): void {
  const require = createRequire(import.meta.url)
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc')
  run(process.execPath, [tsc, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', outDir], { cwd: ROOT })
}

function version(): string {
  return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version
}

/** The command line with everything it needs, commander too, in one executable file. */
export async function buildCli(outfile: string): Promise<void> {
  await build({
    entryPoints: [join(ROOT, 'src/cli/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    minify: true,
    define: { TOM_VERSION: JSON.stringify(version()) },
    legalComments: 'inline',
    logLevel: 'error',
    // commander is CommonJS and asks for Node's modules with require, which an ES module has to make for itself.
    banner: {
      js: "#!/usr/bin/env node\nimport { createRequire as bundledRequire } from 'node:module'\nconst require = bundledRequire(import.meta.url)",
    },
  })
  chmodSync(outfile, 0o755)
}

if (isMain(import.meta.url)) {
  rmSync(join(ROOT, 'dist'), { recursive: true, force: true })
  buildLibrary(join(ROOT, 'dist'))
  await buildCli(join(ROOT, 'dist/tom.mjs'))
}
