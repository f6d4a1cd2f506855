/** From one screen to the next in as few bytes as it takes: only rows that differ are written. Pure: it makes the text, somebody else writes it. */
import type { Screen } from './chat-screen.ts'

// ECMA-48 and xterm: alternate screen, no wrapping at the right edge (a row that is wider than we think must not spill), bracketed paste
export const ENTER_SCREEN = '\u001b[?1049h\u001b[?7l\u001b[?2004h'
export const LEAVE_SCREEN = '\u001b[?2004l\u001b[?7h\u001b[?25h\u001b[?1049l'

export class Painter {
  #rows: readonly string[] = []

  /** What to write so that a terminal which shows the last screen shows this one. */
  paint(screen: Screen): string {
    let out = ''
    for (const [index, row] of screen.rows.entries()) {
      // erased before it is written: afterwards the cursor may stand on the last cell, which would go, too
      if (row !== this.#rows[index]) out += `\u001b[${index + 1};1H\u001b[0m\u001b[K${row}`
    }
    if (screen.rows.length < this.#rows.length) out += `\u001b[${screen.rows.length + 1};1H\u001b[J`
    this.#rows = screen.rows
    const { row, column } = screen.cursor
    const cursor = `\u001b[${row + 1};${column + 1}H`
    return out === '' ? cursor : `\u001b[?25l${out}${cursor}\u001b[?25h`
  }

  /** Nothing is known of what the terminal shows: it changed its size, or somebody wrote into it. */
  forget(): string {
    this.#rows = []
    return '\u001b[0m\u001b[2J'
  }
}
