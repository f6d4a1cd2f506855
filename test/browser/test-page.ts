/** A page with a Worker in a headless Chromium, as a test sees it: tasks with typed answers. */
import { fileURLToPath } from 'node:url'
import { bundleForBrowser, servePages, type WebFile } from '../../scripts/demo-pages.ts'
import type { Chromium, Page } from './chromium.ts'
import type { Answer, Task, Tasks } from './tasks.ts'

/** What a page may do that runs tom-transport: its own scripts, WebAssembly for the fast cipher, and relays of this machine. */
export const POLICY =
  "default-src 'none'; img-src data:; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src http://127.0.0.1:* ws://127.0.0.1:*"

const HTML: WebFile = {
  type: 'text/html',
  body: '<!doctype html><title>tom-transport</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script>',
}

type Value<T extends Task> = Awaited<ReturnType<Tasks[T]>>

export class TestPage {
  readonly #page: Page
  readonly #closeServer: () => Promise<void>

  private constructor(page: Page, closeServer: () => Promise<void>) {
    this.#page = page
    this.#closeServer = closeServer
  }

  /** `policy` is the page's Content-Security-Policy. */
  static async open(chromium: Chromium, policy: string = POLICY): Promise<TestPage> {
    const script = (name: string): Promise<WebFile> =>
      bundleForBrowser(fileURLToPath(new URL(`${name}.ts`, import.meta.url)))
    const [page, worker] = await Promise.all([script('page'), script('worker')])
    const pages = await servePages({ '/': HTML, '/page.js': page, '/worker.js': worker }, policy)
    try {
      return new TestPage(await chromium.openPage(`${pages.origin}/`), pages.close)
    } catch (error) {
      await pages.close()
      throw error
    }
  }

  /** What page, Worker and browser said. */
  get messages(): readonly string[] {
    return this.#page.messages
  }

  /** Asks the Worker. Rejects with its error (`CODE: Name: message`), or after `limitMs`. */
  async call<T extends Task>(task: T, args: Parameters<Tasks[T]>[0], limitMs?: number): Promise<Value<T>> {
    const answer = await this.#page.evaluate<Answer>(`call(${JSON.stringify(task)}, ${JSON.stringify(args)})`, limitMs)
    if ('error' in answer) throw new Error(answer.error)
    return answer.value as Value<T>
  }

  async close(): Promise<void> {
    await this.#page.close()
    await this.#closeServer()
  }
}
