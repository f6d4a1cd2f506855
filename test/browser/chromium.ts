/**
 * A headless Chromium for tests: finds it, starts it with a profile of its own, opens pages, runs expressions in them, and always ends it. It speaks the
 * DevTools protocol over a pipe, so there is no port to guess, and a Chromium whose test died ends by itself.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import type { Readable, Writable } from 'node:stream'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome']
const MISSING = 'Chromium is missing: apt-get install chromium, or set CHROMIUM to the program'
/** From the start of the process to the first answer, ms. */
const START_LIMIT_MS = 30_000
/** One expression or command, ms, unless the caller says otherwise. */
const CALL_LIMIT_MS = 20_000
/** A Chromium that nobody stopped is killed after this, ms. */
const LIFE_LIMIT_MS = 180_000
/** It is asked to close, and killed when it has not after this, ms. */
const CLOSE_LIMIT_MS = 3_000

/** Chromium or Chrome: the environment's CHROMIUM, else the first on the PATH. Undefined where there is none. */
export function findChromium(): string | undefined {
  const { CHROMIUM, PATH = '' } = process.env
  if (CHROMIUM !== undefined && CHROMIUM !== '') return CHROMIUM
  const folders = PATH.split(delimiter).filter((folder) => folder !== '')
  return NAMES.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** What the DevTools protocol sends: an answer (`id`), or an event (`method`). */
interface Message {
  readonly id?: number
  readonly sessionId?: string
  readonly method?: string
  readonly params?: Json
  readonly result?: Json
  readonly error?: { readonly message: string }
}

// biome-ignore lint/suspicious/noExplicitAny: the protocol's objects are described nowhere in this project
type Json = any

interface Waiting {
  readonly resolve: (result: Json) => void
  readonly reject: (error: Error) => void
}

export class Chromium {
  readonly #child: ChildProcess
  readonly #profile: string
  readonly #input: Writable
  readonly #waiting: Map<number, Waiting>
  /** Pages by their session, and by the sessions of their Workers. */
  readonly #pages: Map<string, Page>
  readonly #ended: Promise<void>
  readonly #timer: NodeJS.Timeout
  #partial: string
  #complaints: string
  #nextId: number
  #isOver: boolean

  /** Throws where there is no Chromium, or when it does not answer in time. */
  static async start(): Promise<Chromium> {
    const program = findChromium()
    if (program === undefined) throw new Error(MISSING)
    const chromium = new Chromium(program)
    try {
      await chromium.send('Browser.getVersion', {}, undefined, START_LIMIT_MS)
    } catch (error) {
      await chromium.stop()
      throw error
    }
    return chromium
  }

  private constructor(program: string) {
    this.#profile = mkdtempSync(join(tmpdir(), 'tom-chromium-'))
    const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run']
    // It would phone home: updates, safe browsing, translations, the default search.
    const quiet = [
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-breakpad',
    ]
    const args = [...flags, ...quiet, '--remote-debugging-pipe', `--user-data-dir=${this.#profile}`, 'about:blank']
    // A group of its own: its many processes are killed together.
    this.#child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], detached: true })
    this.#input = this.#child.stdio[3] as Writable
    this.#waiting = new Map()
    this.#pages = new Map()
    this.#partial = ''
    this.#complaints = ''
    this.#nextId = 1
    this.#isOver = false
    this.#timer = setTimeout(() => this.#kill(), LIFE_LIMIT_MS)
    process.once('exit', this.#kill)
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints = (this.#complaints + text).slice(-4000)
    })
    const output = this.#child.stdio[4] as Readable
    output.setEncoding('utf8').on('data', (text: string) => this.#read(text))
    // Its end is told by `close`; what it did not read is nobody's loss.
    this.#input.on('error', () => {})
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => this.#over(`${program} did not start: ${error.message}`, resolve))
      this.#child.once('close', (code, signal) =>
        this.#over(`Chromium ended (${code ?? signal}): ${this.#complaints.trim()}`, resolve),
      )
    })
  }

  /** A new tab at `url`, loaded. */
  async openPage(url: string): Promise<Page> {
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true })
    const page = new Page(this, sessionId, targetId)
    this.#pages.set(sessionId, page)
    await this.#listen(sessionId)
    await this.send('Page.enable', {}, sessionId)
    await this.send(
      'Target.setAutoAttach',
      { autoAttach: true, waitForDebuggerOnStart: false, flatten: true },
      sessionId,
    )
    await page.load(url)
    return page
  }

  /** One command. Rejects when it fails, takes longer than `limitMs`, or Chromium ends. */
  send(method: string, params: Json = {}, sessionId?: string, limitMs: number = CALL_LIMIT_MS): Promise<Json> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      if (this.#isOver) {
        reject(new Error(`${method}: Chromium has ended`))
        return
      }
      const settle = (act: () => void): void => {
        clearTimeout(timer)
        this.#waiting.delete(id)
        act()
      }
      const timer = setTimeout(
        () => this.#waiting.get(id)?.reject(new Error(`${method} took longer than ${limitMs} ms`)),
        limitMs,
      )
      this.#waiting.set(id, {
        resolve: (result) => settle(() => resolve(result)),
        reject: (error) => settle(() => reject(error)),
      })
      this.#input.write(
        `${JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) })}\0`,
      )
    })
  }

  /** Closes it, by force where it takes too long, and removes its profile. Never rejects. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#kill(), CLOSE_LIMIT_MS)
    // Closing may cut off its own answer.
    this.send('Browser.close').catch(() => {})
    await this.#ended
    clearTimeout(timer)
  }

  readonly #kill = (): void => {
    if (this.#isOver || this.#child.pid === undefined) return
    try {
      process.kill(-this.#child.pid, 'SIGKILL')
    } catch {
      // It ended in this moment.
    }
  }

  #over(why: string, resolve: () => void): void {
    if (this.#isOver) return
    // Of its processes, the last ones may still be writing into the profile.
    this.#kill()
    this.#isOver = true
    clearTimeout(this.#timer)
    process.off('exit', this.#kill)
    for (const waiting of [...this.#waiting.values()]) waiting.reject(new Error(why))
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
    resolve()
  }

  async #listen(sessionId: string): Promise<void> {
    await Promise.all([this.send('Runtime.enable', {}, sessionId), this.send('Log.enable', {}, sessionId)])
  }

  #read(text: string): void {
    const pieces = (this.#partial + text).split('\0')
    this.#partial = pieces.pop()!
    for (const piece of pieces) this.#receive(JSON.parse(piece) as Message)
  }

  #receive({ id, sessionId, method, params, result, error }: Message): void {
    if (id !== undefined) {
      const waiting = this.#waiting.get(id)
      if (error === undefined) waiting?.resolve(result)
      else waiting?.reject(new Error(error.message))
      return
    }
    const page = this.#pages.get(sessionId ?? '')
    if (page === undefined) return
    if (method === 'Target.attachedToTarget') {
      const child = params.sessionId as string
      this.#pages.set(child, page)
      // A Worker that is gone already has nothing to say.
      this.#listen(child).catch(() => {})
    } else page.receive(method!, params)
  }
}

/** A tab, with the Workers in it. */
export class Page {
  /** What the page and its Workers wrote to the console, and what the browser complained about (blocked by a policy, not found). */
  readonly messages: string[]
  readonly #chromium: Chromium
  readonly #sessionId: string
  readonly #targetId: string
  #onLoad: () => void

  /** Made by `Chromium`. */
  constructor(chromium: Chromium, sessionId: string, targetId: string) {
    this.messages = []
    this.#chromium = chromium
    this.#sessionId = sessionId
    this.#targetId = targetId
    this.#onLoad = () => {}
  }

  /** Resolves when the page and its scripts are loaded. */
  async load(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => {
      this.#onLoad = resolve
    })
    const { errorText } = await this.#chromium.send('Page.navigate', { url }, this.#sessionId)
    if (errorText !== undefined) throw new Error(`${url}: ${errorText}`)
    await loaded
  }

  /** The value of a JavaScript expression, awaited; it must fit JSON. Rejects with what the page threw, and with the page's messages after the time limit. */
  async evaluate<T>(expression: string, limitMs: number = CALL_LIMIT_MS): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true, userGesture: true }
    let answer: Json
    try {
      answer = await this.#chromium.send('Runtime.evaluate', params, this.#sessionId, limitMs)
    } catch (error) {
      throw new Error([(error as Error).message, ...this.messages].join('\n'), { cause: error })
    }
    if (answer.exceptionDetails !== undefined) throw new Error(textOfException(answer.exceptionDetails))
    return answer.result.value as T
  }

  /** PNG of what is in view, `width` by `height` CSS pixels. */
  async screenshot(width: number, height: number, isDark = false): Promise<Uint8Array> {
    const send = (method: string, params: Json): Promise<Json> => this.#chromium.send(method, params, this.#sessionId)
    await send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
    const features = [{ name: 'prefers-color-scheme', value: isDark ? 'dark' : 'light' }]
    await send('Emulation.setEmulatedMedia', { features })
    const { data } = await send('Page.captureScreenshot', { format: 'png' })
    return Buffer.from(data, 'base64')
  }

  async close(): Promise<void> {
    await this.#chromium.send('Target.closeTarget', { targetId: this.#targetId })
  }

  /** An event of the browser; called by `Chromium`. */
  receive(method: string, params: Json): void {
    if (method === 'Page.loadEventFired') this.#onLoad()
    else if (method === 'Runtime.exceptionThrown') this.messages.push(textOfException(params.exceptionDetails))
    else if (method === 'Log.entryAdded') this.messages.push(`${params.entry.text} ${params.entry.url ?? ''}`.trim())
    else if (method === 'Runtime.consoleAPICalled') {
      const words = params.args.map((arg: Json) => String(arg.value ?? arg.description ?? arg.type))
      this.messages.push(words.join(' '))
    }
  }
}

function textOfException(details: Json): string {
  return String(details.exception?.description ?? details.exception?.value ?? details.text)
}
