/**
 * The processes of a load test: bundles of plain JavaScript, as users run it, each killed when its test is finished, whatever happened. A TypeScript loader
 * in the process would be measured as well.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, expect, type TestContext } from 'vitest'
import type { RelayServerLimits } from '../../src/relay/server/index.ts'
import type { Commands, Order, Report } from './processes/answer.ts'
import type { ClientsCommands } from './processes/clients.ts'
import type { PairsCommands } from './processes/pairs.ts'
import type { RelayCommands } from './processes/relay.ts'

/** A command, and a wait, that takes longer has hung, ms: a loaded machine may need twenty times what an idle one does. */
const LIMIT_MS = 120_000
const POLL_MS = 50

type Context = Pick<TestContext, 'onTestFinished'>
type Argument<C extends Commands, Name extends keyof C> = Parameters<C[Name]>[0]

const folder = mkdtempSync(join(tmpdir(), 'tom-load-'))
const bundles = new Map<string, Promise<string>>()
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function bundle(name: string): Promise<string> {
  let script = bundles.get(name)
  if (script === undefined) {
    const outfile = join(folder, `${name}.mjs`)
    script = build({
      entryPoints: [fileURLToPath(new URL(`processes/${name}.ts`, import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      outfile,
      logLevel: 'silent',
    }).then(() => outfile)
    bundles.set(name, script)
  }
  return script
}

export class Child<C extends Commands> {
  readonly #name: string
  readonly #process: ChildProcess
  readonly #waiting: Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>
  #complaint = ''
  #tag = 0
  #end: string | undefined = undefined

  private constructor(name: string, script: string) {
    this.#name = name
    this.#process = fork(script, { execArgv: ['--expose-gc'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#waiting = new Map()
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-2000)
    })
    this.#process.on('message', ({ tag, result, error }: Report) => {
      const order = this.#waiting.get(tag)
      this.#waiting.delete(tag)
      if (error === undefined) order?.resolve(result)
      else order?.reject(new Error(`${name}: ${error}`))
    })
    this.#process.once('close', (code, signal) => {
      this.#end = `${name} has ended with ${code ?? signal}: ${this.#complaint}`
      for (const { reject } of this.#waiting.values()) reject(new Error(this.#end))
      this.#waiting.clear()
    })
  }

  /** Runs `processes/<name>.ts`. */
  static async start<C extends Commands>({ onTestFinished }: Context, name: string): Promise<Child<C>> {
    const child = new Child<C>(name, await bundle(name))
    onTestFinished(() => child.kill())
    await child.#report(0, 'start')
    return child
  }

  /** Rejects with what the process reports, when it ends, and after two minutes. */
  ask<Name extends keyof C & string>(
    command: Name,
    ...[argument]: undefined extends Argument<C, Name> ? [] : [Argument<C, Name>]
  ): Promise<Awaited<ReturnType<C[Name]>>> {
    if (this.#end !== undefined) return Promise.reject(new Error(this.#end))
    const order: Order = { tag: ++this.#tag, command, argument }
    const report = this.#report(order.tag, command)
    this.#process.send(order, () => {})
    return report as Promise<Awaited<ReturnType<C[Name]>>>
  }

  /** `SIGSTOP`: its sockets stay, and nobody reads them or writes. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process.kill(signal)
  }

  /** Resolves when it is gone; its sockets are closed then. */
  kill(): Promise<void> {
    if (this.#end !== undefined) return Promise.resolve()
    const ended = new Promise<void>((resolve) => this.#process.once('close', () => resolve()))
    this.#process.kill('SIGKILL')
    return ended
  }

  #report(tag: number, what: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(tag)
        reject(new Error(`${this.#name}: no answer to ${what} within ${LIMIT_MS} ms`))
      }, LIMIT_MS)
      const settle =
        <T>(act: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer)
          act(value)
        }
      this.#waiting.set(tag, { resolve: settle(resolve), reject: settle(reject) })
    })
  }
}

export type RelayState = Awaited<ReturnType<RelayCommands['look']>>

export class Relay {
  readonly port: number
  /** That the process may have. */
  readonly openFiles: number
  readonly #child: Child<RelayCommands>

  private constructor(child: Child<RelayCommands>, { port, openFiles }: { port: number; openFiles: number }) {
    this.port = port
    this.openFiles = openFiles
    this.#child = child
  }

  static async start(context: Context, limits: Partial<RelayServerLimits>): Promise<Relay> {
    const child = await Child.start<RelayCommands>(context, 'relay')
    return new Relay(child, await child.ask('start', limits))
  }

  /** `collect`: after garbage collections. */
  look(collect = false): Promise<RelayState> {
    return this.#child.ask('look', { collect })
  }

  /** As soon as `condition` holds for it. */
  until(condition: (state: RelayState) => boolean, what: string): Promise<RelayState> {
    return until(() => this.look(), condition, what)
  }
}

export const startClients = (context: Context): Promise<Child<ClientsCommands>> => Child.start(context, 'clients')

/** So many honest pairs that talk. */
export async function startPairs(context: Context, relay: Relay, count: number): Promise<Child<PairsCommands>> {
  const pairs = await Child.start<PairsCommands>(context, 'pairs')
  await pairs.ask('start', { port: relay.port, count })
  return pairs
}

/** They stop, and nothing of what they said was lost. */
export async function expectNothingLost(pairs: Child<PairsCommands>): Promise<void> {
  const exchanged = await pairs.ask('finish')
  const { asked } = exchanged
  expect(asked).toBeGreaterThan(0)
  expect(exchanged).toEqual({ asked, heard: asked, answered: asked, misplaced: 0, losses: 0 })
}

/** What `look` finds as soon as `condition` holds for it. Fails after two minutes. */
export async function until<T>(look: () => T | Promise<T>, condition: (state: T) => boolean, what: string): Promise<T> {
  const limit = performance.now() + LIMIT_MS
  for (;;) {
    const state = await look()
    if (condition(state)) return state
    if (performance.now() > limit) throw new Error(`waited in vain for ${what}: ${JSON.stringify(state)}`)
    await sleep(POLL_MS)
  }
}
