/** The far end of a `Child`: runs the commands that the test sends, and ends when the test is gone. */

/** What one process can do: each command takes one value and gives one back, both plain data. */
export type Commands = Readonly<Record<string, (argument: never) => unknown>>

export interface Order {
  readonly tag: number
  readonly command: string
  readonly argument: unknown
}

export interface Report {
  readonly tag: number
  readonly result?: unknown
  readonly error?: string
}

/** Call it once, last: it says that the process is ready. */
export function answer(commands: Commands): void {
  const report = (report: Report): void => {
    // The test may have gone meanwhile.
    if (process.connected) process.send?.(report)
  }
  process.on('message', async ({ tag, command, argument }: Order) => {
    try {
      report({ tag, result: await commands[command]!(argument as never) })
    } catch (error) {
      report({ tag, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    }
  })
  process.once('disconnect', () => process.exit(0))
  report({ tag: 0 })
}
