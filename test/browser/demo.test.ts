/** The page of `npm run demo:browser`, used as a person would: dial, write a message, see it come back, hear the node speak. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BrowserDemo, startBrowserDemo } from '../../scripts/demo-browser.ts'
import { Chromium, type Page } from './chromium.ts'

let demo: BrowserDemo
let chromium: Chromium
const heard: string[] = []

beforeAll(async () => {
  demo = await startBrowserDemo((line) => heard.push(line))
  chromium = await Chromium.start()
})
afterAll(async () => {
  await chromium?.stop()
  await demo?.close()
})

/** Waits until the expression is true in the page. */
async function until(page: Page, expression: string): Promise<void> {
  await expect.poll(() => page.evaluate<boolean>(expression), { timeout: 10_000, message: expression }).toBe(true)
}

const text = (id: string): string => `document.getElementById('${id}').textContent`

async function say(page: Page, words: string): Promise<void> {
  await page.evaluate(`document.getElementById('text').value = ${JSON.stringify(words)}`)
  await page.evaluate(`document.getElementById('say-button').click()`)
}

test('a page dials the node that is filled in, and they talk', async () => {
  const page = await chromium.openPage(demo.url)
  await until(page, `!document.getElementById('dial-button').disabled`)
  expect(await page.evaluate(text('relay'))).toBe(demo.relayUrl)
  await page.evaluate(`document.getElementById('dial-button').click()`)
  await until(page, `${text('kind')} === 'relay'`)
  expect(demo.nodeId.startsWith(await page.evaluate<string>(`${text('peer')}.slice(0, 10)`))).toBe(true)

  await say(page, 'hello from a page')
  await until(page, `${text('log')}.includes('hello from a pagecame back after')`)
  expect(heard.some((line) => line.endsWith('says: hello from a page'))).toBe(true)
  demo.say('hello from Node')
  await until(page, `${text('log')}.includes('hello from Nodefrom the peer')`)
  await until(page, `/^[0-9.]+ ms$/.test(${text('rtt')})`)

  await page.evaluate(`document.getElementById('hang-up').click()`)
  await until(page, `${text('kind')} === 'none'`)
  expect(page.messages.join('\n')).toBe('')
  await page.close()
})

test('two pages dial each other', async () => {
  const [left, right] = [await chromium.openPage(demo.url), await chromium.openPage(demo.url)]
  for (const page of [left, right]) await until(page, `!document.getElementById('dial-button').disabled`)
  const ticket = await right.evaluate<string>(text('ticket'))
  await left.evaluate(`document.getElementById('target').value = ${JSON.stringify(ticket)}`)
  await left.evaluate(`document.getElementById('dial-button').click()`)
  for (const page of [left, right]) await until(page, `${text('kind')} === 'relay'`)
  await say(left, 'to the right')
  await until(right, `${text('log')}.includes('to the rightfrom the peer')`)
  await say(right, 'to the left')
  await until(left, `${text('log')}.includes('to the leftfrom the peer')`)
  await left.close()
  // A tab that is closed says nothing: the other notices by its idle timeout, which nobody waits for here.
  await right.close()
})

test('what cannot be dialled is said on the page', async () => {
  const page = await chromium.openPage(demo.url)
  await until(page, `!document.getElementById('dial-button').disabled`)
  await page.evaluate(`document.getElementById('target').value = 'not a ticket'`)
  await page.evaluate(`document.getElementById('dial-button').click()`)
  await until(page, `${text('problem')}.startsWith('expected a ticket')`)
  await until(page, `!document.getElementById('dial-button').disabled`)
  await page.close()
})
