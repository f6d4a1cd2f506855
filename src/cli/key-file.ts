/** Secret keys in files: 64 hex digits and a line end, readable by their owner only. */

import { open, readFile } from 'node:fs/promises'
import { messageOf } from '../bytes/index.ts'
import { SecretKey } from '../identity/index.ts'
import { UsageError } from './run.ts'

/** Throws UsageError for a file that cannot be read or holds no key; the message never repeats its content. */
export async function readKeyFile(path: string): Promise<SecretKey> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`cannot read the key file: ${messageOf(error)}; make one with: tom id --write ${path}`)
  }
  try {
    return SecretKey.fromHex(text.trim())
  } catch (error) {
    throw new UsageError(`${path} holds no secret key: ${messageOf(error)}`)
  }
}

/** Throws UsageError when the file exists already: a key that is overwritten is lost. */
export async function writeKeyFile(path: string, key: SecretKey): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600)
    try {
      await file.writeFile(`${key.toHex()}\n`)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new UsageError(`cannot write the key file: ${messageOf(error)}`)
  }
}
