/**
 * The screen of `tom chat` as rows of text: messages above, then the line that is typed, then the status line. Pure: the same model, size and style make the same rows.
 */
import type { DeliveryState } from '../envelope/index.ts'
import type { EditorView } from './chat-editor.ts'
import { type ChatModel, type Entry, partnerName, remarkOf } from './chat-model.ts'
import { cut, textWidth, wrap } from './chat-text.ts'
import { clock, milliseconds, nodes } from './tom-node-events.ts'

type OtherEntry = Entry & { readonly kind: 'other' }

export interface ScreenStyle {
  /** ✓ and its kin; otherwise ASCII. */
  readonly isUnicode: boolean
  readonly hasColor: boolean
}

export interface ScreenSize {
  readonly columns: number
  readonly rows: number
}

export interface Screen {
  /** One for each row, from the top; with escape sequences for colours. */
  readonly rows: readonly string[]
  /** From the top left, 0-based. */
  readonly cursor: { readonly row: number; readonly column: number }
  /** Messages of others that can be seen, at least their last row. */
  readonly seen: readonly OtherEntry[]
  /** Rows that could be scrolled back. */
  readonly maxScroll: number
}

/** Narrower screens go without the time. */
const MIN_COLUMNS_FOR_TIME = 48
const PROMPT = '> '
/** Cells of a mark and what parts it from the text. */
const MARK_WIDTH = 4

type Color = 'own' | 'other' | 'note' | 'read' | 'failed' | 'status'

/** Select Graphic Rendition (ECMA-48 §8.3.117). */
const SGR: Readonly<Record<Color, string>> = {
  own: '1',
  other: '1;36',
  note: '2',
  read: '36',
  failed: '31',
  status: '7',
}

/** Delivery ticks; where there is no colour to tell read from delivered, a sign does. */
export function markOf(state: DeliveryState, { isUnicode, hasColor }: ScreenStyle): string {
  const tick = isUnicode ? '✓' : '+'
  switch (state) {
    case 'pending':
      return isUnicode ? '·' : '.'
    case 'sent':
    case 'relayed':
      return tick
    case 'delivered':
      return tick + tick
    case 'read':
      return hasColor ? tick + tick : `${tick}${tick}*`
    case 'failed':
      return '!'
  }
}

/** `scroll`: rows back from the newest. */
export function renderScreen(
  model: ChatModel,
  editor: EditorView,
  size: ScreenSize,
  style: ScreenStyle,
  scroll: number,
): Screen {
  const columns = Math.max(8, size.columns)
  const height = Math.max(0, size.rows - 2)
  const log = renderLog(model, columns, height, style, scroll)
  const rows = [
    ...log.rows,
    ...(size.rows >= 1 ? [PROMPT + editor.text] : []),
    ...(size.rows >= 2 ? [statusRow(model, columns, style, log.scroll)] : []),
  ]
  return {
    rows,
    cursor: { row: height, column: PROMPT.length + editor.cursor },
    seen: log.seen,
    maxScroll: log.maxScroll,
  }
}

/** Cells that are left for what is typed. */
export function inputWidth(columns: number): number {
  return Math.max(8, columns) - PROMPT.length
}

interface Log {
  readonly rows: string[]
  readonly seen: readonly OtherEntry[]
  readonly scroll: number
  readonly maxScroll: number
}

function renderLog(model: ChatModel, columns: number, height: number, style: ScreenStyle, wanted: number): Log {
  const all: { text: string; entry: Entry; isLast: boolean }[] = []
  // from the newest back, no further than is to be seen
  const { entries } = model
  let needed = height + wanted
  const blocks: (typeof all)[] = []
  for (let index = entries.length - 1; index >= 0 && needed > 0; index--) {
    const entry = entries[index]!
    const rows = entryRows(entry, columns, style)
    const block = rows.map((text, row) => ({ text, entry, isLast: row === rows.length - 1 }))
    needed -= block.length
    blocks.push(block)
  }
  for (const block of blocks.reverse()) all.push(...block)
  const maxScroll = Math.max(0, all.length - height)
  const scroll = Math.min(wanted, maxScroll)
  const end = all.length - scroll
  const visible = all.slice(Math.max(0, end - height), end)
  const seen = visible.flatMap(({ entry, isLast }) => (isLast && entry.kind === 'other' ? [entry] : []))
  const empty = Array.from({ length: height - visible.length }, () => '')
  return { rows: [...empty, ...visible.map(({ text }) => text)], seen, scroll, maxScroll }
}

/** One message or note, as wide as the screen. */
export function entryRows(entry: Entry, columns: number, style: ScreenStyle): string[] {
  const time = columns < MIN_COLUMNS_FOR_TIME ? '' : entry.kind === 'note' ? ' '.repeat(9) : `${clock(entry.time)} `
  const indent = ' '.repeat(time.length + MARK_WIDTH)
  const room = Math.max(2, columns - indent.length)
  const mark = entry.kind === 'own' ? markOf(entry.state, style) : entry.kind === 'note' ? '--' : ''
  const head = time + colored(mark, markColor(entry), style) + ' '.repeat(MARK_WIDTH - textWidth(mark))
  const who = whoOf(entry)
  const remark = entry.kind === 'own' ? remarkOf(entry) : ''
  const rows = entry.lines.flatMap((line, index) => {
    const isLast = index === entry.lines.length - 1
    return wrap((index === 0 ? who : '') + line + (isLast && remark !== '' ? ` [${remark}]` : ''), room)
  })
  return rows.map((row, index) => {
    const isNamed = index === 0 && who !== '' && row.startsWith(who.trimEnd())
    const text = isNamed
      ? colored(who.trimEnd(), entry.kind === 'own' ? 'own' : 'other', style) + row.slice(who.trimEnd().length)
      : entry.kind === 'note'
        ? colored(row, 'note', style)
        : row
    return (index === 0 ? head : indent) + text
  })
}

function whoOf(entry: Entry): string {
  if (entry.kind === 'note') return ''
  if (entry.kind === 'own') return entry.to === '' ? 'you: ' : `you to ${entry.to}: `
  return `${entry.name}: `
}

function markColor(entry: Entry): Color | undefined {
  if (entry.kind === 'note') return 'note'
  if (entry.kind === 'other') return undefined
  return entry.state === 'read' ? 'read' : entry.state === 'failed' ? 'failed' : undefined
}

/** Whom the talk is with and how it goes, as much as fits. */
function statusRow(model: ChatModel, columns: number, style: ScreenStyle, scroll: number): string {
  const dot = style.isUnicode ? ' · ' : ' | '
  const [first, ...parts] = statusParts(model, scroll)
  let text = cut(` ${first}`, columns - 1, style.isUnicode ? '…' : '~')
  for (const part of parts) {
    if (textWidth(text + dot + part) >= columns) break
    text += dot + part
  }
  const hint = '/peers /to /quit '
  const room = columns - textWidth(text)
  const filled = text + (hint.length < room ? hint.padStart(room) : ' '.repeat(Math.max(0, room)))
  return colored(filled, 'status', style)
}

/** The most wanted first. */
function statusParts(model: ChatModel, scroll: number): [string, ...string[]] {
  const { partner, online, waiting } = model
  const back = scroll === 0 ? [] : [`${scroll} rows back (PageDown)`]
  const queued = waiting === 0 ? [] : [`${waiting} waiting`]
  if (partner === undefined) return ['nobody yet', ...back, ...queued]
  const { liveness, path } = partner
  const rtt = path === null || path.rtt_ms === 0 ? '' : ` ${milliseconds(path.rtt_ms)}`
  return [
    partnerName(partner),
    ...back,
    liveness ?? 'not seen yet',
    ...(path !== null ? [`${path.kind}${rtt}`] : liveness === 'online' ? ['not connected'] : []),
    ...queued,
    ...(online > 1 ? [`${nodes(online)} online`] : []),
  ]
}

function colored(text: string, color: Color | undefined, { hasColor }: ScreenStyle): string {
  // without colour the status line is still to be told from the text
  if (text === '' || color === undefined || (!hasColor && color !== 'status')) return text
  return `\u001b[${SGR[color]}m${text}\u001b[0m`
}
