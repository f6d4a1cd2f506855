/** What the environment says of the terminal: whether there is one, its characters, its colours. Pure. */
import type { ScreenStyle } from './chat-screen.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Both ends are terminals that understand escape sequences. */
export function hasTerminal(
  input: { readonly isTTY?: boolean | undefined },
  output: { readonly isTTY?: boolean | undefined },
  { TERM }: Environment,
): boolean {
  return input.isTTY === true && output.isTTY === true && TERM !== undefined && TERM !== '' && TERM !== 'dumb'
}

/** NO_COLOR (no-color.org) with any text means none; the first of LC_ALL, LC_CTYPE and LANG that is set says whether UTF-8 is understood. */
export function screenStyle({ NO_COLOR, LC_ALL, LC_CTYPE, LANG }: Environment): ScreenStyle {
  const locale = [LC_ALL, LC_CTYPE, LANG].find((value) => value !== undefined && value !== '') ?? ''
  return { isUnicode: /utf-?8/i.test(locale), hasColor: NO_COLOR === undefined || NO_COLOR === '' }
}
