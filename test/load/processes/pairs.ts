/** Honest pairs in a process of their own. */
import { type Exchanged, HonestPair } from '../honest-pair.ts'
import { answer } from './answer.ts'

const pairs: HonestPair[] = []

const commands = {
  /** Resolves when all are in; then they talk. */
  start: async ({ port, count }: { readonly port: number; readonly count: number }) => {
    for (let number = 0; number < count; number++) pairs.push(new HonestPair(port))
    await Promise.all(pairs.map((pair) => pair.connected()))
    for (const pair of pairs) pair.start()
  },

  look: () => sum(pairs.map(({ exchanged }) => exchanged)),

  /** They talk no more; resolves when the last answer is there, or is late. */
  finish: async () => sum(await Promise.all(pairs.map((pair) => pair.finish()))),

  /** They leave the relay. */
  close: async () => {
    await Promise.all(pairs.map((pair) => pair.close()))
  },
}

export type PairsCommands = typeof commands

answer(commands)

function sum(all: readonly Exchanged[]): Exchanged {
  const total = (field: keyof Exchanged): number => all.reduce((sum, exchanged) => sum + exchanged[field], 0)
  return {
    asked: total('asked'),
    heard: total('heard'),
    answered: total('answered'),
    misplaced: total('misplaced'),
    losses: total('losses'),
  }
}
