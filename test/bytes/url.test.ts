import { expect, test } from 'vitest'
import { parseUrl } from '../../src/bytes/index.ts'

test('what is a URL and what is none', () => {
  expect(parseUrl('https://relay.example')?.href).toBe('https://relay.example/')
  for (const text of ['', 'relay.example', 'https://', 'https://[::1', '//relay.example'])
    expect(parseUrl(text)).toBeUndefined()
})

// `URL.canParse` failed here on Node 20: with an answer from V8's fast calls, which read a Latin-1 string as if it were UTF-8.
test('a text with letters beyond ASCII, after many without', () => {
  let found = 0
  for (let index = 0; index < 100_000; index++) if (parseUrl('https://relay.example/') !== undefined) found++
  expect(found).toBe(100_000)
  expect(parseUrl('https://bücher.example')?.href).toBe('https://xn--bcher-kva.example/')
})
