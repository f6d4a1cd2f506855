/**
 * `tom chat` on a terminal: raw mode, keys in, screens out, resizing, and the terminal as it was when it is over. What is shown is `chat-screen.ts`'s, what happened `chat-model.ts`'s.
 */
import type { ReadStream, WriteStream } from 'node:tty'
import { type ChatCommand, parseCommand } from './chat-command.ts'
import { LineEditor } from './chat-editor.ts'
import { type Key, KeyDecoder } from './chat-keys.ts'
import { ChatModel } from './chat-model.ts'
import { ENTER_SCREEN, LEAVE_SCREEN, Painter } from './chat-painter.ts'
import { entryRows, inputWidth, renderScreen, type ScreenStyle } from './chat-screen.ts'
import type { Path, TalkEvent, TalkReporter } from './tom-node-events.ts'

/** How often the round trip in the status line is looked up, ms. */
const STATUS_INTERVAL_MS = 1_000
/** Changes that come together are one screen, ms. */
const PAINT_DELAY_MS = 15
/** The last messages, which stay on the terminal after the end. */
const MAX_TRANSCRIPT = 200

/** What of a terminal's input is needed. */
export type TerminalInput = Pick<ReadStream, 'setRawMode' | 'on' | 'off' | 'resume' | 'pause'>
export type TerminalOutput = Pick<WriteStream, 'columns' | 'rows' | 'write' | 'on' | 'off'>

export interface TerminalSetup {
  readonly input: TerminalInput
  readonly output: TerminalOutput
  readonly style: ScreenStyle
  /** A line has at most so many bytes. */
  readonly maxBytes: number
  /** ms since 1970. */
  wallClock(): number
  /** Of the one the talk is with, as it is now. */
  partnerPath(): Path | null
  /** A message can be seen. */
  onSeen(id: string, from: string): void
  /** Ctrl-C. */
  onInterrupt(): void
}

export class ChatTerminal implements TalkReporter {
  readonly #setup: TerminalSetup
  readonly #model: ChatModel
  readonly #editor: LineEditor
  readonly #keys = new KeyDecoder()
  readonly #painter = new Painter()
  readonly #commands: ChatCommand[] = []
  #scroll = 0
  #isOpen = false
  #isEnded = false
  #wake = (): void => {}
  #paintTimer: NodeJS.Timeout | undefined
  #statusTimer: NodeJS.Timeout | undefined

  constructor(setup: TerminalSetup) {
    this.#setup = setup
    this.#model = new ChatModel(setup.wallClock)
    this.#editor = new LineEditor(setup.maxBytes)
  }

  event(event: TalkEvent): void {
    this.#model.apply(event)
    this.#changed()
  }

  note(line: string): void {
    this.#model.note(line)
    this.#changed()
  }

  /** Takes the terminal over. */
  open(): void {
    const { input, output } = this.#setup
    this.#isOpen = true
    input.setRawMode(true)
    output.write(ENTER_SCREEN + this.#painter.forget())
    output.on('resize', this.#onResize)
    input.on('data', this.#onData)
    input.on('end', this.#onEnd)
    input.resume()
    // whatever ends the process, its terminal is usable afterwards
    process.on('exit', this.#restore)
    this.#statusTimer = setInterval(() => this.#measure(), STATUS_INTERVAL_MS)
    this.#measure()
  }

  /** The terminal is as it was, with the end of the talk in it. */
  close(): void {
    if (!this.#isOpen) return
    const { input, output } = this.#setup
    clearInterval(this.#statusTimer)
    clearTimeout(this.#paintTimer)
    output.off('resize', this.#onResize)
    input.off('data', this.#onData)
    input.off('end', this.#onEnd)
    input.pause()
    this.#restore()
    process.off('exit', this.#restore)
    for (const row of this.#transcript()) output.write(`${row}\n`)
    this.#onEnd()
  }

  /** What is typed, line by line, until Ctrl-D. For one reader. */
  async *commands(): AsyncGenerator<ChatCommand, void, undefined> {
    for (;;) {
      const command = this.#commands.shift()
      if (command !== undefined) yield command
      else if (this.#isEnded) return
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
    }
  }

  // in

  readonly #onData = (bytes: Uint8Array): void => {
    for (const key of this.#keys.push(bytes)) this.#onKey(key)
    this.#changed()
  }

  readonly #onEnd = (): void => {
    this.#isEnded = true
    this.#wake()
  }

  #onKey(key: Key): void {
    if (key.kind === 'text') {
      if (!this.#editor.insert(key.text)) this.#model.note('no message can be longer than that')
      this.#scroll = 0
      return
    }
    switch (key.name) {
      case 'enter':
        this.#enter()
        return
      case 'interrupt':
        this.#setup.onInterrupt()
        return
      case 'end-of-input':
        // with something typed it deletes, as in shells
        if (this.#editor.text === '') this.#onEnd()
        else this.#editor.press('delete')
        return
      case 'page-up':
      case 'page-down':
        this.#scrollBy(key.name === 'page-up' ? 1 : -1)
        return
      case 'redraw':
        this.#setup.output.write(this.#painter.forget())
        return
      default:
        this.#editor.press(key.name)
    }
  }

  #enter(): void {
    const line = this.#editor.take()
    if (line === '') return
    this.#scroll = 0
    this.#commands.push(parseCommand(line))
    this.#wake()
  }

  #scrollBy(pages: number): void {
    const page = Math.max(1, this.#size().rows - 4)
    this.#scroll = Math.max(0, this.#scroll + pages * page)
  }

  // out

  readonly #onResize = (): void => {
    this.#setup.output.write(this.#painter.forget())
    this.#changed()
  }

  readonly #restore = (): void => {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#setup.input.setRawMode(false)
    this.#setup.output.write(LEAVE_SCREEN)
  }

  #measure(): void {
    const { partner } = this.#model
    if (partner !== undefined) this.#model.measured(partner.id, this.#setup.partnerPath())
    this.#changed()
  }

  #changed(): void {
    if (!this.#isOpen) return
    this.#paintTimer ??= setTimeout(() => {
      this.#paintTimer = undefined
      this.#paint()
    }, PAINT_DELAY_MS)
  }

  #paint(): void {
    if (!this.#isOpen) return
    const { output, style, onSeen } = this.#setup
    const size = this.#size()
    const view = this.#editor.view(inputWidth(size.columns), style.isUnicode ? '↵' : '^')
    const screen = renderScreen(this.#model, view, size, style, this.#scroll)
    this.#scroll = Math.min(this.#scroll, screen.maxScroll)
    output.write(this.#painter.paint(screen))
    for (const entry of screen.seen) {
      if (entry.isSeen) continue
      entry.isSeen = true
      onSeen(entry.id, entry.from)
    }
  }

  #size(): { columns: number; rows: number } {
    const { columns, rows } = this.#setup.output
    // some terminals say 0 when they do not know
    return { columns: columns || 80, rows: rows || 24 }
  }

  #transcript(): string[] {
    const { columns } = this.#size()
    return this.#model.entries.slice(-MAX_TRANSCRIPT).flatMap((entry) => entryRows(entry, columns, this.#setup.style))
  }
}
