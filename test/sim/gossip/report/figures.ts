/** Which figures of a result a person reads, under which names and in which form. */
import type { Result } from '../scenarios/result.ts'

export interface Column {
  readonly title: string
  readonly of: (result: Result) => string
}

/** 0.9987 → `99.87`, and 1 → `100`; never rounded up to 100. */
export function percent(part: number): string {
  if (part === 1) return '100'
  return (Math.floor(part * 10_000) / 100).toFixed(2)
}

/** As many digits as say something. */
export function number(value: number): string {
  if (Number.isInteger(value)) return String(value)
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 0.1 ? 2 : 4
  return value.toFixed(digits)
}

function plain(title: string, figure: string): Column {
  return { title, of: ({ figures }) => (figures[figure] === undefined ? '' : number(figures[figure])) }
}

function share(title: string, figure: string): Column {
  return { title, of: ({ figures }) => (figures[figure] === undefined ? '' : percent(figures[figure])) }
}

const WHO: readonly Column[] = [
  { title: 'variant', of: ({ variant }) => variant },
  { title: 'profile', of: ({ profile }) => profile },
  { title: 'nodes', of: ({ nodes }) => String(nodes) },
  { title: 'seed', of: ({ seed }) => seed },
]

const GRAPH: readonly Column[] = [
  plain('comps', 'components'),
  plain('isolated', 'isolated'),
  plain('1-sided', 'oneSided'),
  plain('active', 'meanActive'),
  share('full %', 'fullShare'),
]

const COST: readonly Column[] = [
  plain('RMR', 'rmr'),
  plain('RMR paper', 'paperRmr'),
  plain('LDH', 'ldh'),
  plain('ms', 'durationMs'),
  plain('ctrl/node', 'controlPerNode'),
  plain('B/node', 'bytesPerNode'),
]

const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  upstream: [
    ...WHO,
    plain('missed', 'missed'),
    plain('RMR', 'rmr'),
    plain('first', 'rmrFirst'),
    plain('last 10', 'rmrSettled'),
    plain('paper', 'paperRmr'),
    plain('LDH', 'ldh'),
    plain('ms', 'durationMs'),
    plain('ctrl/node', 'controlPerNode'),
    plain('B/node', 'bytesPerNode'),
  ],
  failures: [
    ...WHO,
    share('1st %', 'first'),
    share('2nd %', 'second'),
    share('5th %', 'fifth'),
    share('last 10 %', 'last10'),
    share('+2 cycles %', 'afterTwoCycles'),
    ...GRAPH,
    plain('RMR +2', 'rmrAfterTwoCycles'),
    plain('LDH +2', 'ldhAfterTwoCycles'),
  ],
  healing: [...WHO, plain('whole after trips', 'tripsUntilWhole'), share('delivery %', 'delivery'), ...GRAPH],
  churn: [
    ...WHO,
    share('delivery %', 'delivery'),
    share('worst %', 'deliveryWorst'),
    plain('rounds below', 'roundsBelow'),
    ...GRAPH,
    ...COST,
  ],
  replace: [
    ...WHO,
    share('delivery %', 'delivery'),
    share('worst %', 'deliveryWorst'),
    plain('rounds below', 'roundsBelow'),
    ...GRAPH,
    ...COST,
  ],
  partition: [
    ...WHO,
    plain('comps split', 'componentsSplit'),
    plain('healed', 'componentsHealed'),
    plain('rejoined', 'componentsRejoined'),
    share('own half %', 'deliverySplit'),
    share('healed %', 'deliveryHealed'),
    share('rejoined %', 'deliveryRejoined'),
    ...GRAPH,
  ],
  stream: [
    ...WHO,
    plain('missed', 'missed'),
    plain('mean ms', 'lastMs'),
    plain('p90', 'lastMsP90'),
    plain('most', 'lastMsMost'),
    plain('RMR paper', 'paperRmr'),
    ...GRAPH,
  ],
  papers: [
    ...WHO,
    plain('path', 'averagePath'),
    plain('clustering', 'clustering'),
    plain('active', 'meanActive'),
    share('full %', 'fullShare'),
    plain('1st RMR', 'paperRmrFirst'),
    plain('settled RMR', 'paperRmrSettled'),
    plain('LDH', 'ldh'),
    plain('most', 'ldhMost'),
    plain('ms', 'durationMs'),
    share('delivery %', 'delivery'),
  ],
}

const OTHERS: readonly Column[] = [...WHO, share('delivery %', 'delivery'), ...GRAPH, ...COST]

export function columnsOf(scenario: string): readonly Column[] {
  return COLUMNS[scenario] ?? OTHERS
}
