/**
 * Text as cells of a terminal: what strangers wrote made harmless, how wide it stands, cut and wrapped. Pure; a guess where terminals differ, so whoever paints
 * begins every row by its address.
 */
import { printable } from './gossip-message.ts'

/** Marks that may stand on one character; more only make a row unreadable. */
const MAX_MARKS = 3
// hangul, kana, ideographs and their forms; plane 2 and 3 (Unicode's East Asian Width W and F, whole blocks)
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18aff}\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u
const ZERO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/gu
const FORMAT = /[\p{Cf}\u115f\u1160\u3164\uffa0]/u
const ASCII = /^[\x20-\x7e]*$/

/** One line that does nothing but show: see `printable`; and no more than a few marks on one character, nothing invisible but joiners inside emoji. */
export function safeLine(text: string): string {
  const line = printable(text.replace(/\t/g, ' '))
  return ASCII.test(line) ? line : graphemes(line).map(safeGrapheme).join('')
}

/** As `safeLine`, line by line. */
export function safeLines(text: string): string[] {
  return text.split(/\r\n|[\n\r\u0085\u2028\u2029]/).map(safeLine)
}

function safeGrapheme(grapheme: string): string {
  if (/\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(grapheme)) return grapheme.slice(0, 32)
  let marks = 0
  let kept = ''
  for (const character of grapheme) {
    if (FORMAT.test(character)) continue
    if (/[\p{Mn}\p{Me}]/u.test(character) && ++marks > MAX_MARKS) continue
    kept += character
  }
  return kept
}

/** What a reader takes for one character each. */
export function graphemes(text: string): string[] {
  if (ASCII.test(text)) return [...text]
  return Array.from(new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text), ({ segment }) => segment)
}

/** Cells that one grapheme takes: 0, 1 or 2. */
export function graphemeWidth(grapheme: string): number {
  if (grapheme.length === 1 && grapheme >= ' ' && grapheme <= '~') return 1
  if (EMOJI.test(grapheme) || WIDE.test(grapheme)) return 2
  return grapheme.replace(ZERO_WIDTH, '') === '' ? 0 : 1
}

export function textWidth(text: string): number {
  if (ASCII.test(text)) return text.length
  let width = 0
  for (const grapheme of graphemes(text)) width += graphemeWidth(grapheme)
  return width
}

/** At most `width` cells; what was cut ends in `ellipsis`. */
export function cut(text: string, width: number, ellipsis: string): string {
  if (textWidth(text) <= width) return text
  const room = width - textWidth(ellipsis)
  if (room <= 0) return ellipsis.slice(0, Math.max(0, width))
  let kept = ''
  let used = 0
  for (const grapheme of graphemes(text)) {
    used += graphemeWidth(grapheme)
    if (used > room) break
    kept += grapheme
  }
  return kept + ellipsis
}

/** Rows of at most `width` cells (2 or more), broken at spaces where there are some. Never an empty list. */
export function wrap(text: string, width: number): string[] {
  const rows: string[] = []
  let row = ''
  let rowWidth = 0
  /** Length of `row` up to and with its last space, and the cells of that. */
  let breakAt = 0
  let breakWidth = 0
  for (const grapheme of graphemes(text)) {
    const cells = graphemeWidth(grapheme)
    if (rowWidth + cells > width) {
      if (grapheme === ' ') {
        rows.push(row)
        row = ''
        rowWidth = breakAt = breakWidth = 0
        continue
      }
      if (breakAt === 0) {
        breakAt = row.length
        breakWidth = rowWidth
      }
      rows.push(row.slice(0, breakAt).trimEnd())
      row = row.slice(breakAt)
      rowWidth -= breakWidth
      breakAt = breakWidth = 0
    }
    row += grapheme
    rowWidth += cells
    if (grapheme === ' ') {
      breakAt = row.length
      breakWidth = rowWidth
    }
  }
  rows.push(row)
  return rows
}
