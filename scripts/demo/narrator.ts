/** What the demo tells: for people steps, lines and a table; with --json event lines and nothing else. */

export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: 'ms'
  /** How it was measured. */
  readonly how: string
}

export interface Narrator {
  /** What happens now. */
  step(text: string): void
  /** What somebody saw. */
  saw(who: string, text: string, event?: Readonly<Record<string, unknown>>): void
  figure(figure: Figure): void
  /** The last word. */
  end(isSuccess: boolean, text: string): void
}

export class JsonNarrator implements Narrator {
  readonly #figures: Record<string, number> = {}
  #steps = 0

  step(text: string): void {
    this.#write({ event: 'step', number: ++this.#steps, text })
  }

  saw(who: string, text: string, event?: Readonly<Record<string, unknown>>): void {
    this.#write({ event: 'saw', who, text, ...(event === undefined ? {} : { detail: event }) })
  }

  figure({ name, value, unit, how }: Figure): void {
    this.#figures[name] = rounded(value)
    this.#write({ event: 'figure', name, value: rounded(value), unit, how })
  }

  end(isSuccess: boolean, text: string): void {
    this.#write({ event: 'ended', success: isSuccess, text, figures: this.#figures })
  }

  #write({ event, ...fields }: { readonly event: string } & Readonly<Record<string, unknown>>): void {
    console.log(JSON.stringify({ event, time: Date.now(), ...fields }))
  }
}

export class TextNarrator implements Narrator {
  readonly #figures: Figure[] = []
  #steps = 0

  step(text: string): void {
    console.log(`\n${++this.#steps}. ${text}`)
  }

  saw(who: string, text: string): void {
    console.log(`   ${who.padEnd(6)} | ${text}`)
  }

  figure(figure: Figure): void {
    this.#figures.push(figure)
  }

  end(isSuccess: boolean, text: string): void {
    if (!isSuccess) {
      console.error(`\ndemo failed: ${text}`)
      return
    }
    const rows = this.#figures.map(({ name, value, unit, how }) => [name, `${rounded(value)} ${unit}`, how] as const)
    const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column as 0 | 1].length)))
    console.log('\nmeasured')
    for (const [name, value, how] of rows)
      console.log(`   ${name.padEnd(widths[0]!)}   ${value.padStart(widths[1]!)}   ${how}`)
    console.log(`\n${text}`)
  }
}

function rounded(ms: number): number {
  return ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)
}
