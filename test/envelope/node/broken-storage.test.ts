import { expect, test } from 'vitest'
import { SecretKey } from '../../../src/identity/index.ts'
import { FaultyFolder } from '../../sim/support/faulty-folder.ts'
import { bytes, errors, LIMIT_MS, start, take, text } from './support/nodes.ts'

test('spec/envelope.md §6, bad input: a disk that is full is reported, the message goes out all the same, and sending works again when there is room', async () => {
  errors.length = 0
  const folder = new FaultyFolder()
  const bob = await start()
  const alice = await start({ storage: folder })
  folder.capacity = 0
  await expect(alice.send(bob.ticket(), bytes('no room'))).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  expect((await take(bob, 1)).map(text)).toEqual(['no room'])
  expect(errors).toEqual([expect.objectContaining({ code: 'STORAGE_FAILED' })])
  folder.capacity = Number.POSITIVE_INFINITY
  const receipt = await alice.send(bob.id, bytes('room again'))
  expect((await take(bob, 1)).map(text)).toEqual(['room again'])
  await receipt.delivered({ timeoutMs: LIMIT_MS })
})

test('spec/envelope.md §6, bad input: a damaged store is reported and loses only what was damaged', async () => {
  errors.length = 0
  const folder = new FaultyFolder()
  const [aliceKey, bobKey] = [SecretKey.generate(), SecretKey.generate()]
  const alice = await start({ secretKey: aliceKey, storage: folder })
  const contents = ['first', 'second', 'third']
  for (const content of contents) await alice.send(bobKey.id, bytes(content))
  await alice.close()
  // in the middle of the file stands the second message
  const [[name, file]] = [...folder.files()] as [[string, Uint8Array]]
  folder.flip(name, file.length * 4)
  const again = await start({ secretKey: aliceKey, storage: folder })
  expect(errors).toEqual([expect.objectContaining({ message: expect.stringMatching(/^1 records? .* damaged/) })])
  const bob = await start({ secretKey: bobKey, bootstrap: [again.ticket()] })
  expect((await take(bob, 2)).map(text).sort()).toEqual(['first', 'third'])
})
