/** A line of input as what is to be done. With `--json` a line may be an object, any other line is text all the same. Pure. */

export type ChatCommand =
  /** `to`: a name or an id; without it to whom the talk is with. */
  | { readonly kind: 'say'; readonly text: string; readonly to?: string }
  | { readonly kind: 'to'; readonly who: string }
  | { readonly kind: 'peers' }
  | { readonly kind: 'ticket' }
  /** Says that somebody has seen it. */
  | { readonly kind: 'read'; readonly id: string }
  | { readonly kind: 'help' }
  | { readonly kind: 'quit' }
  /** A line of so many bytes, more than any message has; what it said is gone. */
  | { readonly kind: 'too-long'; readonly bytes: number }
  /** No command of ours; `note` says so. */
  | { readonly kind: 'wrong'; readonly note: string }

export const HELP: readonly string[] = [
  '/to <name|id>  talk to somebody else',
  '/peers         who is there, and by which path',
  '/ticket        what others need to talk to you',
  '/quit          leave once everything is delivered; Ctrl-C leaves at once',
  '//text         says /text',
]

/** A slash begins a command, two of them a text with one. */
export function parseCommand(line: string): ChatCommand {
  if (line.startsWith('//')) return { kind: 'say', text: line.slice(1) }
  if (!line.startsWith('/')) return { kind: 'say', text: line }
  const [, word = '', rest = ''] = /^\/(\S*)\s*([\s\S]*?)\s*$/.exec(line) ?? []
  switch (word) {
    case 'to':
      return rest === '' ? { kind: 'wrong', note: '/to needs a name or an id' } : { kind: 'to', who: rest }
    case 'peers':
    case 'ticket':
    case 'help':
    case 'quit':
      return { kind: word }
    default:
      return { kind: 'wrong', note: `there is no command /${word}; /help lists them, //${word} says /${word}` }
  }
}

/**
 * `{"text":"…"}`, with `"to":"…"` to somebody else than the talk is with; `{"to":"…"}`, `{"read":"<message id>"}`, `{"peers":true}`, `{"quit":true}`. What is no such object is
 * read by `parseCommand`.
 */
export function parseJsonCommand(line: string): ChatCommand {
  const value = line.startsWith('{') ? parsed(line) : undefined
  if (typeof value !== 'object' || value === null) return parseCommand(line)
  const { text, to, read, peers, quit } = value as Readonly<Record<string, unknown>>
  if (typeof text === 'string') {
    if (to === undefined) return { kind: 'say', text }
    return typeof to === 'string' ? { kind: 'say', text, to } : { kind: 'wrong', note: '"to" is a name or an id' }
  }
  if (typeof to === 'string') return { kind: 'to', who: to }
  if (typeof read === 'string') return { kind: 'read', id: read }
  if (peers === true) return { kind: 'peers' }
  if (quit === true) return { kind: 'quit' }
  return { kind: 'wrong', note: 'an object has "text", "to", "read", "peers" or "quit"' }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
