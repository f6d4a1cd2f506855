/** Blocks of a document that a run writes: what stands between `<!-- name:start -->` and `<!-- name:end -->`. */
import { readFileSync, writeFileSync } from 'node:fs'

/** Replaces the block; throws when the document has not both marks, in this order. */
export function replaceBlock(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`]
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`the document has no ${start} … ${end}`)
  return `${text.slice(0, from + start.length)}\n${content.trim()}\n${text.slice(to)}`
}

export function writeBlock(path: string, name: string, content: string): void {
  writeFileSync(path, replaceBlock(readFileSync(path, 'utf8'), name, content))
}
