/** A small line chart as SVG text: axes with labels, a legend of up to four lines, marks, colours that differ in lightness too. */

export interface Line {
  readonly name: string
  readonly points: readonly (readonly [x: number, y: number])[]
  /** Position in the palette; lines of one thing share a colour. */
  readonly color: number
  readonly isDashed?: boolean
}

export interface Chart {
  readonly title: string
  readonly subtitle: string
  readonly xTitle: string
  readonly yTitle: string
  readonly lines: readonly Line[]
  /** Default: the values', rounded outwards. */
  readonly yMax?: number
  readonly yMin?: number
  readonly xMax?: number
  readonly xMin?: number
}

const WIDTH = 720
const HEIGHT = 400
const LEFT = 70
const RIGHT = 24
const TOP = 62
const BOTTOM = 104
const COLORS = ['#0b5fa5', '#d9480f', '#2b8a3e', '#862e9c', '#5c5f66']
const MARKS_UP_TO = 40

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** About five round steps from low to high: 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number): number[] {
  const span = high - low || 1
  const raw = span / 5
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw)!
  const out: number[] = []
  for (let index = Math.ceil(low / step); index * step <= high + step / 1e6; index++)
    out.push(Number((index * step).toPrecision(12)))
  return out
}

function text(x: number, y: number, content: string, rest = ''): string {
  return `<text x="${x}" y="${y}" ${rest}>${escapeXml(content)}</text>`
}

/** One chart as a group, its upper left corner at (0, `offset`). */
function group(chart: Chart, offset: number): string {
  const xs = chart.lines.flatMap((line) => line.points.map(([x]) => x))
  const ys = chart.lines.flatMap((line) => line.points.map(([, y]) => y))
  const xLow = chart.xMin ?? Math.min(...xs)
  const xHigh = chart.xMax ?? Math.max(...xs, xLow + 1)
  const yLow = chart.yMin ?? Math.min(0, ...ys)
  const yTicks = ticks(yLow, chart.yMax ?? Math.max(...ys, yLow + 0.1) * 1.05)
  const yHigh = chart.yMax ?? Math.max(...ys, yTicks.at(-1)!) * 1.02
  const x = (value: number) => round(LEFT + ((value - xLow) / (xHigh - xLow)) * (WIDTH - LEFT - RIGHT))
  const y = (value: number) => round(HEIGHT - BOTTOM - ((value - yLow) / (yHigh - yLow)) * (HEIGHT - TOP - BOTTOM))
  const out = [
    `<g transform="translate(0 ${offset})">`,
    text(LEFT, 26, chart.title, 'font-size="17" font-weight="600" fill="#1a1b1e"'),
    text(LEFT, 45, chart.subtitle, 'font-size="12" fill="#5c5f66"'),
  ]
  for (const tick of yTicks) {
    out.push(`<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(tick)}" y2="${y(tick)}" stroke="#e3e5e8"/>`)
    out.push(text(LEFT - 8, y(tick) + 4, String(tick), 'text-anchor="end" font-size="12" fill="#373a40"'))
  }
  for (const tick of ticks(xLow, xHigh)) {
    out.push(
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM + 5}" stroke="#5c5f66"/>`,
    )
    out.push(text(x(tick), HEIGHT - BOTTOM + 19, String(tick), 'text-anchor="middle" font-size="12" fill="#373a40"'))
  }
  out.push(
    `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}" stroke="#5c5f66"/>`,
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 38, chart.xTitle, 'text-anchor="middle" font-size="13"'),
    text(0, 0, chart.yTitle, `text-anchor="middle" font-size="13" transform="translate(18 ${middle()}) rotate(-90)"`),
  )
  for (const line of chart.lines) {
    const color = COLORS[line.color % COLORS.length]!
    const path = line.points.map(([a, b]) => `${x(a)},${y(Math.max(yLow, Math.min(yHigh, b)))}`).join(' ')
    const dashes = line.isDashed === true ? ' stroke-dasharray="6 4"' : ''
    out.push(`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"${dashes}/>`)
    if (line.points.length <= MARKS_UP_TO)
      for (const [a, b] of line.points) out.push(`<circle cx="${x(a)}" cy="${y(b)}" r="3" fill="${color}"/>`)
  }
  out.push(legend(chart.lines), '</g>')
  return out.join('\n')
}

/** Below the chart, two in a row: the lines of one colour stand together. */
function legend(lines: readonly Line[]): string {
  return lines
    .map((line, index) => {
      const color = COLORS[line.color % COLORS.length]!
      const dashes = line.isDashed === true ? ' stroke-dasharray="6 4"' : ''
      const left = LEFT + (index % 2) * ((WIDTH - LEFT - RIGHT) / 2)
      const y = HEIGHT - BOTTOM + 66 + Math.floor(index / 2) * 20
      const stroke = `<line x1="${left}" x2="${left + 26}" y1="${y - 4}" y2="${y - 4}" stroke="${color}" stroke-width="2"${dashes}/>`
      return `${stroke}${text(left + 32, y, line.name, 'font-size="12" fill="#1a1b1e"')}`
    })
    .join('\n')
}

function middle(): number {
  return (TOP + HEIGHT - BOTTOM) / 2
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

/** The charts below each other, as one file. */
export function renderCharts(charts: readonly Chart[]): string {
  const height = HEIGHT * charts.length
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="Helvetica, Arial, sans-serif">`,
    `<title>${escapeXml(charts.map(({ title }) => title).join('; '))}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...charts.map((chart, index) => group(chart, index * HEIGHT)),
    '</svg>\n',
  ].join('\n')
}
