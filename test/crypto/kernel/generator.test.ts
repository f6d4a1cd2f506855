import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from '../../../scripts/build.ts'
import { moduleSource } from '../../../scripts/kernel/generate.ts'
import { kernelBytes } from '../../../scripts/kernel/program.ts'
import { KERNEL_BASE64 } from '../../../src/crypto/kernel/module.generated.ts'

test('fast-path.md §2: the committed module is what the committed generator makes', () => {
  const bytes = kernelBytes()
  expect(Buffer.from(KERNEL_BASE64, 'base64').equals(bytes), 'run `npm run kernel`').toBe(true)
  // The whole file: nothing else hides in it.
  expect(readFileSync(join(ROOT, 'src/crypto/kernel/module.generated.ts'), 'utf8')).toBe(moduleSource(bytes))
  expect(bytes.length).toBeLessThan(10_000)
})

test('the module asks for a memory and nothing else, and cannot reach out', () => {
  const module = new WebAssembly.Module(kernelBytes())
  expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }])
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name)
  expect(exported).toEqual(['sealPacket', 'openPacket', 'protect', 'unprotect', 'poly1305'])
})
