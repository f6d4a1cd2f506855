/** The line that is typed. */
import { expect, test } from 'vitest'
import { LineEditor } from '../../src/cli/chat-editor.ts'
import type { KeyName } from '../../src/cli/chat-keys.ts'

/** The line with its cursor as `|`, after texts (in quotes) and keys. */
function edited(...steps: (KeyName | `"${string}`)[]): string {
  const editor = new LineEditor(100)
  for (const step of steps) {
    if (step.startsWith('"')) editor.insert(step.slice(1))
    else if (step === 'enter') editor.take()
    else editor.press(step as KeyName)
  }
  const { text, cursor } = editor.view(80, '⏎')
  return `${text.slice(0, cursor)}|${text.slice(cursor)}`
}

test('moving and deleting, by characters and by words', () => {
  expect(edited('"hello')).toBe('hello|')
  expect(edited('"hello', 'left', 'left', '"XX')).toBe('helXX|lo')
  expect(edited('"hello', 'home', 'delete', 'end', 'backspace')).toBe('ell|')
  expect(edited('"a quick fox', 'word-left', 'delete-word')).toBe('a |fox')
  expect(edited('"a quick fox', 'home', 'word-right', 'delete-after')).toBe('a|')
  expect(edited('"a quick fox', 'left', 'delete-before')).toBe('|x')
  expect(edited('backspace', 'delete', 'left', 'right', 'delete-word')).toBe('|')
})

test('a character is what a reader takes for one', () => {
  const editor = new LineEditor(100)
  editor.insert('a👩‍👩‍👧e')
  // the mark joins the letter that was typed before it
  editor.insert('\u0301')
  editor.press('backspace')
  expect(editor.text).toBe('a👩‍👩‍👧')
  expect(editor.view(80, '⏎').cursor).toBe(3)
  editor.press('backspace')
  expect(editor.text).toBe('a')
})

test('lines said before come back, and the one that was being typed', () => {
  expect(edited('"one', 'enter', '"two', 'enter', '"dra', 'up', 'up', 'up')).toBe('one|')
  expect(edited('"one', 'enter', '"two', 'enter', '"dra', 'up', 'up', 'down', 'down', 'down')).toBe('dra|')
})

test('the view follows the cursor; wide characters are not cut in half', () => {
  const editor = new LineEditor(100)
  editor.insert('0123456789')
  expect(editor.view(6, '⏎')).toEqual({ text: '56789', cursor: 5 })
  editor.press('home')
  expect(editor.view(6, '⏎')).toEqual({ text: '012345', cursor: 0 })
  editor.press('delete-after')
  editor.insert('日本語')
  expect(editor.view(6, '⏎')).toEqual({ text: '本語', cursor: 4 })
  editor.take()
  editor.insert('a\nb\u001b[2J')
  expect(editor.text).toBe('a\nb[2J')
  expect(editor.view(20, '⏎').text).toBe('a⏎b[2J')
})

test('a line has a limit in bytes; what would go beyond is not taken', () => {
  const editor = new LineEditor(5)
  expect(editor.insert('日')).toBe(true)
  expect(editor.insert('本')).toBe(false)
  expect(editor.insert('ab')).toBe(true)
  expect(editor.text).toBe('日ab')
})
