/** INTEROP.md: what a conformance run found, as tables. Only a run writes it. */
import { run } from '../scripts/run.ts'

/** The part of vitest's JSON report that is used here. */
export interface TestReport {
  readonly testResults: readonly { readonly assertionResults: readonly AssertionResult[] }[]
}

interface AssertionResult {
  /** Peer, role, and perhaps a group. */
  readonly ancestorTitles: readonly string[]
  readonly title: string
  readonly status: string
  /** Milliseconds; missing for tests that did not run. */
  readonly duration?: number | null
  /** What the test wants to stand beside its result. */
  readonly meta?: { readonly note?: string }
}

export interface Circumstances {
  readonly version: string
  readonly commit: string
  readonly date: string
  readonly runtime: string
  /** Peer name and what there is to know about it. */
  readonly peers: readonly { readonly name: string; readonly about: string }[]
  /** Paragraphs at the end. */
  readonly remarks?: readonly string[]
}

interface Row {
  readonly test: string
  readonly cells: Map<string, string>
}

/** The commit that is checked out in `root`, and whether the files differ from it. */
export function commitOf(root: string): string {
  try {
    const commit = run('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: root }).trim()
    // The report itself does not count.
    const changed = run('git', ['status', '--porcelain', '--', '.', ':!INTEROP.md'], { cwd: root }).trim() !== ''
    return changed ? `${commit} and changes that were not committed` : commit
  } catch {
    return 'unknown'
  }
}

export function renderReport(report: TestReport, circumstances: Circumstances): string {
  const { version, commit, date, runtime, peers, remarks = [] } = circumstances
  const all = report.testResults.flatMap(({ assertionResults }) => assertionResults)
  // The rest are tests of the instruments.
  const results = all.filter(({ ancestorTitles }) => peers.some(({ name }) => name === ancestorTitles[0]))
  const roles = [...new Set(results.map(({ ancestorTitles }) => ancestorTitles[1] ?? ''))]
  const passed = results.filter(({ status }) => status === 'passed').length
  const lines = [
    '# Interop',
    '',
    '<!-- Written by `npm run conformance -- --write`. Do not edit. -->',
    '',
    `tom-transport ${version} against real iroh nodes, the real iroh relay and other QUIC stacks, over loopback: **${passed} of ${results.length} tests passed**.`,
    '',
    `Commit ${commit}; ${date}; ${runtime}. Each cell: the result and the seconds it took.`,
    '',
    '| peer | what it is |',
    '| --- | --- |',
    ...peers.map(({ name, about }) => `| ${name} | ${about} |`),
  ]
  for (const role of roles) {
    const isHere = (name: string): boolean =>
      results.some(({ ancestorTitles: [peer, ofRole] }) => peer === name && ofRole === role)
    const names = peers.map(({ name }) => name).filter(isHere)
    lines.push(
      '',
      `## ${heading(role)}`,
      '',
      `| test | ${names.join(' | ')} |`,
      `| --- |${' --- |'.repeat(names.length)}`,
    )
    for (const { test, cells } of rowsOf(results, role))
      lines.push(`| ${test} | ${names.map((name) => cells.get(name) ?? '–').join(' | ')} |`)
  }
  for (const remark of remarks) lines.push('', remark)
  return `${lines.join('\n')}\n`
}

function heading(role: string): string {
  return role.charAt(0).toUpperCase() + role.slice(1)
}

function rowsOf(results: readonly AssertionResult[], role: string): Row[] {
  const rows = new Map<string, Row>()
  for (const { ancestorTitles, title, status, duration, meta } of results) {
    const [peer = '', ofRole = '', ...groups] = ancestorTitles
    if (ofRole !== role) continue
    const test = [...groups, title].join(': ').replaceAll('|', '\\|')
    let row = rows.get(test)
    if (row === undefined) {
      row = { test, cells: new Map() }
      rows.set(test, row)
    }
    const result = `${status === 'passed' ? 'passed' : `**${status}**`} ${((duration ?? 0) / 1000).toFixed(1)}`
    row.cells.set(peer, meta?.note === undefined ? result : `${result} (${meta.note})`)
  }
  return [...rows.values()]
}
