/** The bundle in a Worker of a real browser, without a network: it loads, makes keys, and its cryptography is Node's. */
import { afterEach, describe, expect, test } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { EndpointId } from '../../src/index.ts'
import { cryptoWalk } from './crypto-walk.ts'
import { POLICY, TestPage } from './test-page.ts'

let page: TestPage | undefined
afterEach(async () => {
  await page?.close()
  page = undefined
})

describe('the bundle in a Worker', () => {
  test('computes what node:crypto computes, and a fresh key signs', async () => {
    page = await TestPage.open()
    const crypto = createNodeCrypto()
    const { outcome, hasWebAssembly } = await page.call('crypto', {})
    expect(hasWebAssembly).toBe(true)
    expect(outcome).toEqual(cryptoWalk(crypto))

    const text = 'signed in a browser'
    const { id, signature } = await page.call('sign', { text })
    const verify = (message: string): boolean =>
      crypto.verify(EndpointId.parse(id).toBytes(), Buffer.from(message), Uint8Array.from(signature))
    expect(verify(text)).toBe(true)
    expect(verify(`${text}, they say`)).toBe(false)
    expect(page.messages.join('\n')).toBe('')
  })

  test('computes the same in a page whose policy forbids WebAssembly', async () => {
    page = await TestPage.open(POLICY.replace(" 'wasm-unsafe-eval'", ''))
    const { outcome, hasWebAssembly } = await page.call('crypto', {})
    expect(hasWebAssembly).toBe(false)
    expect(outcome).toEqual(cryptoWalk(createNodeCrypto()))
  })

  test('a task that fails is a failed test, with its code', async () => {
    page = await TestPage.open()
    await expect(page.call('online', { timeoutMs: 100 })).rejects.toThrow('no endpoint is bound')
    await page.call('bind', { relays: [] })
    const dial = { ticket: 'not a ticket', alpn: 'tom/echo/1', bytes: 1, datagrams: 0, timeoutMs: 100 }
    await expect(page.call('dial', dial)).rejects.toThrow(/^INVALID_TARGET: IdentityError: /)
  })
})
