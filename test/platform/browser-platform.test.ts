import { expect, test } from 'vitest'
import { BrowserPlatform } from '../../src/platform/browser/index.ts'

const platform = new BrowserPlatform()

test('there is no UDP, and the error says what to do', async () => {
  await expect(platform.bindUdp()).rejects.toMatchObject({ code: 'UDP_UNSUPPORTED' })
  expect(platform.interfaces()).toEqual([])
})

test('more random bytes than one call of Web Crypto gives', () => {
  const bytes = new Uint8Array(70_000)
  platform.random.fill(bytes)
  expect(bytes.subarray(69_900).some((value) => value !== 0)).toBe(true)
})

test('deferred callbacks run later, in order, also those deferred meanwhile', async () => {
  const order: string[] = []
  await new Promise<void>((resolve) => {
    platform.defer(() => {
      order.push('first')
      platform.defer(() => {
        order.push('third')
        resolve()
      })
    })
    platform.defer(() => order.push('second'))
    order.push('now')
  })
  expect(order).toEqual(['now', 'first', 'second', 'third'])
})
