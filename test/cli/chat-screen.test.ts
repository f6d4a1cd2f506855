/** Golden screens of `tom chat`: the same events and size make the same rows. */
import { expect, test } from 'vitest'
import { type EditorView, LineEditor } from '../../src/cli/chat-editor.ts'
import { ChatModel } from '../../src/cli/chat-model.ts'
import { Painter } from '../../src/cli/chat-painter.ts'
import { inputWidth, markOf, renderScreen, type ScreenStyle } from '../../src/cli/chat-screen.ts'
import { hasTerminal, screenStyle } from '../../src/cli/chat-style.ts'
import { textWidth } from '../../src/cli/chat-text.ts'
import type { Message, TalkEvent } from '../../src/cli/tom-node-events.ts'

const A = 'a1'.repeat(32)
const B = 'b2'.repeat(32)
const NOON = new Date(2026, 10, 26, 12, 0, 0).getTime()
const PLAIN: ScreenStyle = { isUnicode: true, hasColor: false }
const ASCII: ScreenStyle = { isUnicode: false, hasColor: false }
const COLOR: ScreenStyle = { isUnicode: true, hasColor: true }
const TYPED: EditorView = { text: 'how are', cursor: 7 }

const message = (fields: Partial<Message>): TalkEvent => ({
  event: 'message',
  id: 'm1',
  from: A,
  name: 'Alice',
  text: 'hi',
  bytes: 2,
  sent_at: NOON + 1_000,
  encrypted: true,
  author_bound: true,
  via: [],
  brought_by: fields.from ?? A,
  path: 'direct',
  ...fields,
})
const said = (id: string, text: string, to = A): TalkEvent => ({
  event: 'said',
  id,
  to,
  name: '',
  text,
  bytes: text.length,
})
const state = (id: string, is: 'sent' | 'delivered' | 'read' | 'failed', holders = 0): TalkEvent => ({
  event: 'state',
  id,
  to: A,
  name: 'Alice',
  state: is,
  holders,
  path: 'direct',
  after_ms: 1,
})
const peer = (id: string, name: string, liveness: 'online' | 'stale' | 'offline'): TalkEvent => ({
  event: 'peer',
  id,
  name,
  liveness,
  role: 'Peer',
  verified: true,
})
const path = (kind: 'relay' | 'direct', rtt_ms: number): TalkEvent => ({
  event: 'path',
  id: A,
  name: 'Alice',
  path: { kind, remote: '192.0.2.1:1', rtt_ms },
})

function modelOf(...events: TalkEvent[]): ChatModel {
  const model = new ChatModel(() => NOON)
  for (const event of events) model.apply(event)
  return model
}

const TALK: TalkEvent[] = [
  { event: 'to', id: A, name: 'Alice' },
  peer(A, 'Alice', 'online'),
  path('relay', 31.2),
  said('1', 'hello'),
  state('1', 'read'),
  message({ text: 'hi\nthis is a second line, and it is longer than the screen is wide' }),
  path('direct', 0.42),
  said('2', 'fine'),
  state('2', 'delivered'),
  said('3', 'on its way'),
  state('3', 'sent'),
  said('4', 'kept'),
  state('4', 'sent', 2),
  said('5', 'lost'),
  state('5', 'failed'),
  said('6', 'new'),
]

function shot(model: ChatModel, columns: number, rows: number, style = PLAIN, scroll = 0, typed = TYPED): string[] {
  return [...renderScreen(model, typed, { columns, rows }, style, scroll).rows]
}

const withoutColor = (row: string): string => row.replaceAll('\u001b[7m', '').replaceAll('\u001b[0m', '')

/** As it looks: the status line between brackets instead of its colour. */
const visible = (rows: readonly string[]): string[] =>
  rows.map((row) => (row.startsWith('\u001b[7m') ? `[${withoutColor(row)}]` : row))

test('a talk: notes, marks of delivery, a message of two lines, the line that is typed, the status', () => {
  expect(visible(shot(modelOf(...TALK), 66, 14))).toEqual([
    '',
    '         --  talking to Alice (a1a1a1a1a1)',
    '         --  Alice (a1a1a1a1a1) is online',
    '12:00:00 ✓✓* you: hello',
    '12:00:01     Alice: hi',
    '             this is a second line, and it is longer than the',
    '             screen is wide',
    '12:00:00 ✓✓  you: fine',
    '12:00:00 ✓   you: on its way',
    '12:00:00 ✓   you: kept [kept by 2 nodes]',
    '12:00:00 !   you: lost [not delivered]',
    '12:00:00 ·   you: new',
    '> how are',
    '[ Alice a1a1a1a1a1 · online · direct 0.4 ms       /peers /to /quit ]',
  ])
})

test('ASCII where there is no UTF-8; a narrow screen goes without the time, and says less below', () => {
  expect(visible(shot(modelOf(...TALK), 30, 8, ASCII))).toEqual([
    '++  you: fine',
    '+   you: on its way',
    '+   you: kept [kept by 2',
    '    nodes]',
    '!   you: lost [not delivered]',
    '.   you: new',
    '> how are',
    '[ Alice a1a1a1a1a1 | online    ]',
  ])
})

test('colour tells read from delivered; without it a sign does', () => {
  expect(markOf('read', COLOR)).toBe(markOf('delivered', COLOR))
  expect(markOf('read', PLAIN)).not.toBe(markOf('delivered', PLAIN))
  const rows = shot(modelOf(...TALK), 60, 14, COLOR)
  expect(rows.find((row) => row.includes('hello'))).toBe('12:00:00 \u001b[36m✓✓\u001b[0m  \u001b[1myou:\u001b[0m hello')
  expect(rows.find((row) => row.includes('lost'))).toContain('\u001b[31m!\u001b[0m')
})

test('no size is too small, none has a row that is too wide or one too many', () => {
  const model = modelOf(...TALK, message({ text: '日本語 👩‍👩‍👧 '.repeat(20) }))
  const editor = new LineEditor(1_000)
  editor.insert('日本語 and more, '.repeat(20))
  for (const columns of [8, 9, 13, 20, 47, 48, 200]) {
    for (const rows of [1, 2, 3, 5, 50]) {
      const shown = shot(model, columns, rows, PLAIN, 0, editor.view(inputWidth(columns), '↵'))
      expect(shown.length).toBe(rows)
      const tooWide = shown.map(withoutColor).filter((row) => textWidth(row) > columns)
      expect({ columns, rows, tooWide }).toEqual({ columns, rows, tooWide: [] })
    }
  }
})

test('strangers: their names and texts do nothing to the terminal, and somebody else of the same name is told apart', () => {
  const model = modelOf(
    { event: 'to', id: A, name: 'Alice' },
    message({ from: B, name: 'Alice', text: '\u001b[2J\u001b]0;x\u0007 you: \u202eok' }),
    message({ from: B, name: '\n\u0007', text: null, bytes: 7, encrypted: false, brought_by: A }),
    message({ text: `${'x\n'.repeat(100)}` }),
  )
  const rows = visible(shot(model, 80, 60))
  expect(rows.filter((row) => /[\p{Cc}\u202e]/u.test(row))).toEqual([])
  expect(rows).toContain('12:00:01     Alice (b2b2b2b2b2): \ufffd[2J\ufffd]0;x\ufffd you: \ufffdok')
  expect(rows).toContain('12:00:01     \ufffd\ufffd (b2b2b2b2b2): 7 bytes that are no text [not encrypted, brought')
  expect(rows).toContain('             by a1a1a1a1a1]')
  // a hundred lines of one message are not the whole screen
  expect(rows.filter((row) => row.trim() === 'x').length).toBe(39)
  expect(rows).toContain('             [2 bytes, not all are shown]')
})

test('scrolling back, and what of it is seen for the first time', () => {
  const model = modelOf({ event: 'to', id: A, name: 'Alice' })
  for (let index = 0; index < 50; index++) model.apply(message({ id: `m${index}`, text: `line ${index}` }))
  const size = { columns: 60, rows: 7 }
  const bottom = renderScreen(model, TYPED, size, PLAIN, 0)
  expect(bottom.rows[4]).toContain('line 49')
  expect(bottom.seen.map(({ id }) => id)).toEqual(['m45', 'm46', 'm47', 'm48', 'm49'])
  model.apply(message({ id: 'tall', text: 'a\nb\nc' }))
  // its beginning alone is not all of it
  expect(renderScreen(model, TYPED, size, PLAIN, 1).seen.map(({ id }) => id)).toEqual(['m47', 'm48', 'm49'])
  expect(renderScreen(model, TYPED, { columns: 60, rows: 4 }, PLAIN, 0).seen.map(({ id }) => id)).toEqual(['tall'])
  model.entries.pop()
  const back = renderScreen(model, TYPED, size, PLAIN, 10)
  expect(back.rows[4]).toContain('line 39')
  expect(visible(back.rows).at(-1)).toContain(' · 10 rows back (PageDown)')
  const top = renderScreen(model, TYPED, size, PLAIN, 1_000)
  expect(top.rows[0]).toContain('talking to')
  expect(top.maxScroll).toBe(46)
})

test('what is old is forgotten, with its states', () => {
  const model = modelOf({ event: 'to', id: A, name: 'Alice' })
  for (let index = 0; index < 1_500; index++) model.apply(said(`s${index}`, 'x'))
  expect(model.entries.length).toBe(1_000)
  model.apply(state('s0', 'delivered'))
  model.apply(state('s1499', 'delivered'))
  expect(model.entries.at(-1)).toMatchObject({ id: 's1499', state: 'delivered' })
})

test('nobody yet, somebody who is not seen yet, others who are there, lines that wait', () => {
  const status = (model: ChatModel): string => visible(shot(model, 100, 3)).at(-1)!
  const model = modelOf()
  expect(status(model)).toMatch(/^\[ nobody yet {3,}\/peers \/to \/quit \]$/)
  model.apply({ event: 'queued', text: 'x', waiting: 1 })
  expect(status(model)).toMatch(/^\[ nobody yet · 1 waiting /)
  model.apply({ event: 'to', id: A, name: '' })
  model.apply(said('1', 'x'))
  expect(status(model)).toMatch(/^\[ a1a1a1a1a1 · not seen yet {3,}/)
  model.apply(peer(A, 'Alice', 'online'))
  model.apply(peer(B, 'Bob', 'online'))
  expect(status(model)).toMatch(/^\[ Alice a1a1a1a1a1 · online · not connected · 2 nodes online /)
  model.apply(peer(A, 'Alice', 'offline'))
  expect(status(model)).toMatch(/^\[ Alice a1a1a1a1a1 · offline {3,}/)
})

test('what a peer calls itself is told when it becomes known, and when whom the talk is with changes it', () => {
  const model = modelOf(peer(A, '', 'online'), peer(A, 'Alice', 'online'), peer(A, 'Alice', 'online'))
  model.apply(peer(A, 'Eve', 'online'))
  model.apply({ event: 'to', id: A, name: '' })
  model.apply(peer(A, 'Mallory', 'online'))
  expect(model.entries.map(({ lines }) => lines[0])).toEqual([
    'a1a1a1a1a1 is online',
    'a1a1a1a1a1 is called Alice',
    'talking to Eve (a1a1a1a1a1)',
    'Eve (a1a1a1a1a1) is called Mallory',
  ])
})

test('a swarm of strangers is counted and does not fill the screen; who talks with us is told of', () => {
  const model = modelOf({ event: 'to', id: A, name: 'Alice' }, message({ from: B, name: 'Bob' }))
  for (let index = 0; index < 100; index++) model.apply(peer(index.toString(16).padStart(64, '0'), '', 'online'))
  expect(model.entries.length).toBeLessThan(10)
  expect(model.online).toBe(100)
  model.apply(peer(B, 'Bob', 'online'))
  model.apply(peer(A, 'Alice', 'online'))
  expect(model.entries.slice(-2).map(({ lines }) => lines[0])).toEqual([
    'Bob (b2b2b2b2b2) is online',
    'Alice (a1a1a1a1a1) is online',
  ])
  expect(model.online).toBe(102)
  model.apply({ ...(peer(B, 'Bob', 'online') as TalkEvent & { event: 'peer' }), liveness: 'forgotten' })
  expect(model.online).toBe(101)
})

test('painting: first everything, then only rows that differ, and the cursor where the typing goes on', () => {
  const model = modelOf({ event: 'to', id: A, name: 'Alice' }, said('1', 'hello'))
  const size = { columns: 50, rows: 4 }
  const painter = new Painter()
  const first = painter.paint(renderScreen(model, TYPED, size, PLAIN, 0))
  expect(first).toMatch('\u001b[?25l\u001b[1;1H')
  expect(first).toContain('hello')
  expect(painter.paint(renderScreen(model, TYPED, size, PLAIN, 0))).toBe('\u001b[3;10H')
  model.apply(state('1', 'delivered'))
  // the tick changes in its place; erasing after a row of full width would take its last cell
  expect(painter.paint(renderScreen(model, TYPED, size, PLAIN, 0))).toBe(
    '\u001b[?25l\u001b[2;1H\u001b[0m\u001b[K12:00:00 ✓✓  you: hello\u001b[3;10H\u001b[?25h',
  )
  // a smaller screen leaves nothing of the larger one
  expect(painter.paint(renderScreen(model, TYPED, { columns: 50, rows: 3 }, PLAIN, 0))).toContain('\u001b[4;1H\u001b[J')
  expect(painter.forget()).toContain('\u001b[2J')
  expect(painter.paint(renderScreen(model, TYPED, size, PLAIN, 0))).toContain('hello')
})

test('the environment: a terminal at both ends, NO_COLOR, a locale', () => {
  expect(hasTerminal({ isTTY: true }, { isTTY: true }, { TERM: 'xterm' })).toBe(true)
  expect(hasTerminal({}, { isTTY: true }, { TERM: 'xterm' })).toBe(false)
  expect(hasTerminal({ isTTY: true }, {}, { TERM: 'xterm' })).toBe(false)
  expect(hasTerminal({ isTTY: true }, { isTTY: true }, { TERM: 'dumb' })).toBe(false)
  expect(screenStyle({ LANG: 'en_GB.UTF-8' })).toEqual({ isUnicode: true, hasColor: true })
  expect(screenStyle({ LC_ALL: 'C', LANG: 'en_GB.UTF-8', NO_COLOR: '1' })).toEqual({
    isUnicode: false,
    hasColor: false,
  })
  expect(screenStyle({ NO_COLOR: '' })).toEqual({ isUnicode: false, hasColor: true })
})
