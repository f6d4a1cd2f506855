/** Text as cells of a terminal. */
import { expect, test } from 'vitest'
import { cut, graphemes, graphemeWidth, safeLine, safeLines, textWidth, wrap } from '../../src/cli/chat-text.ts'

test('width: ASCII 1, ideographs, kana, hangul, fullwidth forms and emoji 2, marks 0', () => {
  const widths: [string, number][] = [
    ['abc ~', 5],
    ['é', 1],
    ['e\u0301', 1],
    ['日本語', 6],
    ['ﾊﾛｰ', 3],
    ['ＡＢ', 4],
    ['한국', 4],
    ['👍', 2],
    ['👍🏽', 2],
    ['👩‍👩‍👧', 2],
    ['🇫🇷', 2],
    ['❤️', 2],
    ['❤', 1],
    ['\u200b', 0],
    ['👋 hé', 5],
  ]
  for (const [text, width] of widths) expect([text, textWidth(text)]).toEqual([text, width])
})

test('a line of a stranger: no controls, no second line, nothing that turns the writing, no tower of marks', () => {
  expect(safeLine('a\u001b[2Jb\nc\td\u009b31m\u202egpj.exe')).toBe('a\ufffd[2Jb\ufffdc d\ufffd31m\ufffdgpj.exe')
  expect(safeLine(`e${'\u0301'.repeat(50)}!`)).toBe('e\u0301\u0301\u0301!')
  // invisible characters make two names look like one
  expect(safeLine('Al\u200bi\u2060c\u00ade\u{e0041}\u3164')).toBe('Alice')
  expect(safeLine('ok 👩‍👩‍👧 日本')).toBe('ok 👩‍👩‍👧 日本')
  expect(safeLines('a\r\nb\u2028c\rd')).toEqual(['a', 'b', 'c', 'd'])
})

test('cut: at most so many cells, never half a character', () => {
  expect(cut('hello', 5, '…')).toBe('hello')
  expect(cut('hello!', 5, '…')).toBe('hell…')
  expect(cut('日本語', 5, '…')).toBe('日本…')
  expect(cut('日本語', 4, '…')).toBe('日…')
  expect(cut('日本語', 0, '…')).toBe('')
})

test('wrap: at spaces where there are some, else anywhere, no row too wide, nothing lost but spaces', () => {
  expect(wrap('', 10)).toEqual([''])
  expect(wrap('the quick brown fox', 10)).toEqual(['the quick', 'brown fox'])
  expect(wrap('abcdefghij', 10)).toEqual(['abcdefghij'])
  expect(wrap('abcdefghijk l', 10)).toEqual(['abcdefghij', 'k l'])
  expect(wrap('日本語日本語', 5)).toEqual(['日本', '語日', '本語'])
  const words = 'a bb 日本 ccc dddd 👍👍 eeeee ffffffffffffff g'
  for (let width = 2; width < 40; width++) {
    const rows = wrap(words, width)
    expect(rows.filter((row) => textWidth(row) > width)).toEqual([])
    expect(rows.join('').replaceAll(' ', '')).toBe(words.replaceAll(' ', ''))
  }
})

test('graphemes: what a reader takes for one character each', () => {
  expect(graphemes('ab')).toEqual(['a', 'b'])
  expect(graphemes('e\u0301👩‍👩‍👧')).toEqual(['e\u0301', '👩‍👩‍👧'])
  expect(graphemeWidth('e\u0301')).toBe(1)
})
