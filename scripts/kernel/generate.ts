/**
 * Writes the kernel's module into `src/crypto/kernel/module.generated.ts`: `npm run kernel`. A test proves that the committed file is what
 * this makes.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../build.ts'
import { isMain } from '../run.ts'
import { kernelBytes } from './program.ts'

const LINE = 120

/** The generated source file for a module. */
export function moduleSource(bytes: Uint8Array): string {
  const base64 = Buffer.from(bytes).toString('base64')
  const lines = base64.match(new RegExp(`.{1,${LINE}}`, 'g')) ?? []
  return [
    '/** The ChaCha20-Poly1305 kernel as base64, made by `npm run kernel` from `scripts/kernel/`. Not written by hand. */',
    '',
    'export const KERNEL_BASE64 =',
    lines.map((line) => `  '${line}'`).join(' +\n'),
    '',
  ].join('\n')
}

if (isMain(import.meta.url)) {
  const bytes = kernelBytes()
  if (!WebAssembly.validate(bytes)) throw new Error('the module is not valid, or this runtime has no SIMD')
  writeFileSync(join(ROOT, 'src/crypto/kernel/module.generated.ts'), moduleSource(bytes))
  console.log(`${bytes.length} bytes`)
}
