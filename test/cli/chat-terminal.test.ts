/** The terminal interface on streams of the test's own: what it writes, what it takes over, what it gives back. */
import { EventEmitter } from 'node:events'
import { afterEach, expect, test, vi } from 'vitest'
import type { ChatCommand } from '../../src/cli/chat-command.ts'
import { ChatTerminal, type TerminalSetup } from '../../src/cli/chat-terminal.ts'
import type { TalkEvent } from '../../src/cli/tom-node-events.ts'

const A = 'a1'.repeat(32)

class FakeInput extends EventEmitter {
  isRaw = false
  isReading = false

  setRawMode(mode: boolean): this {
    this.isRaw = mode
    return this
  }

  resume(): this {
    this.isReading = true
    return this
  }

  pause(): this {
    this.isReading = false
    return this
  }

  type(text: string): void {
    this.emit('data', new TextEncoder().encode(text))
  }
}

class FakeOutput extends EventEmitter {
  columns = 60
  rows = 8
  written = ''

  write(text: string): boolean {
    this.written += text
    return true
  }

  resize(columns: number, rows: number): void {
    this.columns = columns
    this.rows = rows
    this.emit('resize')
  }
}

interface Stage {
  readonly input: FakeInput
  readonly output: FakeOutput
  readonly terminal: ChatTerminal
  readonly seen: string[]
  readonly interruptions: () => number
}

const open = new Set<ChatTerminal>()
afterEach(() => {
  for (const terminal of open) terminal.close()
  vi.useRealTimers()
})

function stage(): Stage {
  vi.useFakeTimers()
  const input = new FakeInput()
  const output = new FakeOutput()
  const seen: string[] = []
  let interruptions = 0
  const terminal = new ChatTerminal({
    input,
    output,
    style: { isUnicode: true, hasColor: false },
    maxBytes: 1_000,
    wallClock: () => 0,
    partnerPath: () => ({ kind: 'direct', remote: '192.0.2.1:1', rtt_ms: 7.5 }),
    onSeen: (id: string) => void seen.push(id),
    onInterrupt: () => void interruptions++,
  } as unknown as TerminalSetup)
  open.add(terminal)
  return { input, output, terminal, seen, interruptions: () => interruptions }
}

/** What was written since the last time, once all is painted. */
function painted({ output }: Stage): string {
  vi.advanceTimersByTime(50)
  const { written } = output
  output.written = ''
  return written
}

const message = (id: string, text: string): TalkEvent => ({
  event: 'message',
  id,
  from: A,
  name: 'Alice',
  text,
  bytes: text.length,
  sent_at: 0,
  encrypted: true,
  author_bound: true,
  via: [],
  brought_by: A,
  path: null,
})

test('it takes the terminal over, gives it back, and leaves the talk there', () => {
  const { input, output, terminal } = stage()
  terminal.event({ event: 'to', id: A, name: 'Alice' })
  expect(output.written).toBe('')
  terminal.open()
  expect(input.isRaw).toBe(true)
  expect(output.written).toContain('\u001b[?1049h')
  terminal.event(message('1', 'hello'))
  vi.advanceTimersByTime(50)
  terminal.close()
  terminal.close()
  expect(input).toMatchObject({ isRaw: false, isReading: false })
  const [, after, ...more] = output.written.split('\u001b[?1049l')
  expect(more).toEqual([])
  expect(after).toContain('Alice: hello\n')
  expect([input.eventNames(), output.eventNames(), process.listenerCount('exit')]).toEqual([[], [], expect.any(Number)])
})

test('typing appears, Enter makes a command, Ctrl-D ends the input', async () => {
  const here = stage()
  const { input, terminal } = here
  terminal.open()
  const commands: ChatCommand[] = []
  const reading = (async () => {
    for await (const command of terminal.commands()) commands.push(command)
  })()
  input.type('hé')
  input.type('llo')
  expect(painted(here)).toContain('> héllo')
  input.type('\r/peers\r')
  expect(painted(here)).toContain('\u001b[K> \u001b')
  input.type('x\u0004\u007f')
  input.type('\u0004')
  await reading
  expect(commands).toEqual([{ kind: 'say', text: 'héllo' }, { kind: 'peers' }])
})

test('Ctrl-C interrupts; a paste of several lines is one message', async () => {
  const { input, terminal, interruptions } = stage()
  terminal.open()
  input.type('\u0003')
  expect(interruptions()).toBe(1)
  input.type('\u001b[200~one\rtwo\u001b[201~\r')
  const { value } = await terminal.commands().next()
  expect(value).toEqual({ kind: 'say', text: 'one\ntwo' })
})

test('messages are read once they can be seen, and only then', () => {
  const here = stage()
  const { input, terminal, seen } = here
  terminal.event(message('0', 'before'))
  vi.advanceTimersByTime(50)
  expect(seen).toEqual([])
  terminal.open()
  painted(here)
  terminal.note('another screen')
  painted(here)
  expect(seen).toEqual(['0'])
  // scrolled back, new ones are below the screen
  for (let index = 1; index <= 20; index++) terminal.event(message(String(index), `line ${index}`))
  painted(here)
  expect(seen.slice(1)).toEqual(['15', '16', '17', '18', '19', '20'])
  input.type('\u001b[5~\u001b[5~')
  painted(here)
  terminal.event(message('21', 'below'))
  painted(here)
  expect(seen).not.toContain('21')
  input.type('\u001b[6~\u001b[6~\u001b[6~')
  painted(here)
  expect(seen).toContain('21')
})

test('a new size is a new screen; the round trip follows by itself', () => {
  const here = stage()
  const { output, terminal } = here
  terminal.event({ event: 'to', id: A, name: 'Alice' })
  terminal.open()
  expect(painted(here)).toContain('direct 7.5 ms')
  expect(painted(here)).toBe('')
  output.resize(30, 4)
  const narrow = painted(here)
  expect(narrow).toContain('\u001b[2J')
  expect(narrow).toContain('\u001b[4;1H')
  expect(narrow).not.toContain('\u001b[5;1H')
  // a terminal that does not know its size
  output.resize(0, 0)
  expect(painted(here)).toContain('\u001b[24;1H')
})

test('when the process ends all the same, the terminal is usable', async () => {
  const { input, output, terminal } = stage()
  const before = process.listeners('exit')
  terminal.open()
  const restore = process.listeners('exit').find((listener) => !before.includes(listener))!
  restore.call(process, 1)
  expect(input.isRaw).toBe(false)
  expect(output.written).toContain('\u001b[?1049l')
  process.off('exit', restore)
})
