/** What a node that is closed still owes. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { bytes, LIMIT_MS, start, take } from './support/nodes.ts'

const folder = mkdtempSync(join(tmpdir(), 'tom-closing-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('ACK-4: what was taken right before the end is acknowledged, though it has to be written down first', async () => {
  const sender = await start()
  const recipient = await start({ storage: folder })
  const receipt = await sender.send(recipient.ticket(), bytes('the last one'))
  await take(recipient, 1)
  await recipient.close()
  await receipt.delivered({ timeoutMs: LIMIT_MS })
  expect(receipt.state).toBe('delivered')
})
