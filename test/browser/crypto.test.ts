/** The bundle in a Worker of a real browser, without a network: it loads, makes keys, and its cryptography is Node's. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { EndpointId } from '../../src/index.ts'
import { Chromium } from './chromium.ts'
import { cryptoWalk } from './crypto-walk.ts'
import { POLICY, TestPage } from './test-page.ts'

let chromium: Chromium
beforeAll(async () => {
  chromium = await Chromium.start()
})
afterAll(() => chromium?.stop())

/** A page that is closed with the test. */
async function openPage(policy: string = POLICY): Promise<TestPage> {
  const page = await TestPage.open(chromium, policy)
  onTestFinished(() => page.close())
  return page
}

describe('the bundle in a Worker', () => {
  test('computes what node:crypto computes, and a fresh key signs', async () => {
    const page = await openPage()
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
    const page = await openPage(POLICY.replace(" 'wasm-unsafe-eval'", ''))
    const { outcome, hasWebAssembly } = await page.call('crypto', {})
    expect(hasWebAssembly).toBe(false)
    expect(outcome).toEqual(cryptoWalk(createNodeCrypto()))
  })

  test('a task that fails is a failed test, with its code', async () => {
    const page = await openPage()
    await expect(page.call('online', { timeoutMs: 100 })).rejects.toThrow('no endpoint is bound')
    await page.call('bind', { relays: [] })
    const dial = { ticket: 'not a ticket', alpn: 'tom/echo/1', bytes: 1, datagrams: 0, timeoutMs: 100 }
    await expect(page.call('dial', dial)).rejects.toThrow(/^INVALID_TARGET: IdentityError: /)
  })
  test('a Worker that does not start is a failed test', async () => {
    const page = await openPage(POLICY.replace("worker-src 'self'", "worker-src 'none'"))
    await expect(page.call('crypto', {})).rejects.toThrow('the Worker did not start')
    expect(page.messages.join('\n')).toContain('Content Security Policy')
  })
})
