/** Takes the TypeScript examples out of a Markdown text, and what they promise to print: the `// => …` comments, line by line. */

export interface Example {
  /** The heading above it. */
  readonly title: string
  readonly code: string
}

export function readExamples(markdown: string): Example[] {
  const examples: Example[] = []
  let title = ''
  let code: string | undefined
  let isFence = false
  for (const line of markdown.split('\n')) {
    if (line.startsWith('```')) {
      if (code !== undefined) examples.push({ title, code })
      code = !isFence && line === '```ts' ? '' : undefined
      isFence = !isFence
    } else if (code !== undefined) code += `${line}\n`
    else if (!isFence && line.startsWith('#')) title = line.replace(/^#+ /, '')
  }
  return examples
}

/** One entry for each line on stdout. */
export function expectedOutput(code: string): string[] {
  return [...code.matchAll(/\/\/ => (.*)$/gm)].map((match) => match[1] ?? '')
}
