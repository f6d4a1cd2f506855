/** URLs without exceptions. `URL.canParse` will not do: once V8 has optimised the caller, Node 20 says no to every text with a letter like ü in it. */

/** The URL that `text` is, by the WHATWG rules; undefined when it is none. */
export function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
