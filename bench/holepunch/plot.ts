/** Goodput and RTT of one transfer over relay, direct path and relay again, as an SVG: two panels above one time axis, the phases shaded. Pure. */
import type { Phase, Switching } from './switching.ts'

const WIDTH = 880
const PANEL_HEIGHT = 170
const LEFT = 64
const RIGHT = 16
const TOP = 40
const GAP = 44
const BOTTOM = 44
/** Goodput is shown as the mean of so many ms. */
const SMOOTH_MS = 100

const COLORS = {
  relay: '#fdf1e0',
  direct: '#e3f1e7',
  goodput: '#1f6feb',
  rtt: '#c2410c',
  grid: '#d0d7de',
  ink: '#24292f',
}

type Point = readonly [number, number]

interface Panel {
  readonly title: string
  readonly top: number
  readonly color: string
  readonly points: readonly Point[]
}

/** 1, 2 or 5 times a power of ten: about four lines. */
export function gridStep(max: number): number {
  const rough = max / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough)!
}

export function goodput({ bytes, stepMs }: Pick<Switching, 'bytes' | 'stepMs'>): Point[] {
  const perPoint = SMOOTH_MS / stepMs
  const points: Point[] = []
  for (let at = 0; at + perPoint <= bytes.length; at += perPoint) {
    const sum = bytes.slice(at, at + perPoint).reduce((total, amount) => total + amount, 0)
    points.push([(at + perPoint / 2) * stepMs, (sum * 8) / SMOOTH_MS / 1000])
  }
  return points
}

function round(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '')
}

export function renderPlot(switching: Switching, title: string): string {
  const { bytes, stepMs, phases, rtts } = switching
  const duration = bytes.length * stepMs
  const x = (ms: number): number => LEFT + (ms / duration) * (WIDTH - LEFT - RIGHT)
  const panels: readonly Panel[] = [
    { title: 'goodput, Mbit/s', top: TOP, color: COLORS.goodput, points: goodput(switching) },
    { title: 'smoothed RTT of the path in use, ms', top: TOP + PANEL_HEIGHT + GAP, color: COLORS.rtt, points: rtts },
  ]
  const height = TOP + 2 * PANEL_HEIGHT + GAP + BOTTOM
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="${COLORS.ink}">`,
    `<title>${title}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    `<text x="${LEFT}" y="20" font-size="14" font-weight="600">${title}</text>`,
    ...panels.flatMap((panel) => renderPanel(panel, phases, x)),
  ]
  const axis = TOP + 2 * PANEL_HEIGHT + GAP
  for (let second = 0; second * 1000 <= duration; second += gridStep(duration / 1000))
    parts.push(`<text x="${round(x(second * 1000))}" y="${axis + 18}" text-anchor="middle">${second}</text>`)
  parts.push(`<text x="${round(x(duration / 2))}" y="${axis + 36}" text-anchor="middle">seconds</text>`, '</svg>')
  return `${parts.join('\n')}\n`
}

function renderPanel(
  { title, top, color, points }: Panel,
  phases: readonly Phase[],
  x: (ms: number) => number,
): string[] {
  const max = Math.max(1, ...points.map(([, value]) => value)) * 1.08
  const y = (value: number): number => top + PANEL_HEIGHT - (value / max) * PANEL_HEIGHT
  const parts = phases.map(
    ({ kind, from, to }) =>
      `<rect x="${round(x(from))}" y="${top}" width="${round(x(to) - x(from))}" height="${PANEL_HEIGHT}" fill="${COLORS[kind]}"/>`,
  )
  for (const { kind, from, to } of phases)
    parts.push(
      `<text x="${round(x((from + to) / 2))}" y="${top + 14}" text-anchor="middle" fill-opacity="0.6">${kind}</text>`,
    )
  const step = gridStep(max)
  for (let value = 0; value <= max; value += step) {
    const at = round(y(value))
    parts.push(
      `<line x1="${LEFT}" y1="${at}" x2="${WIDTH - RIGHT}" y2="${at}" stroke="${COLORS.grid}"/>`,
      `<text x="${LEFT - 8}" y="${round(y(value) + 4)}" text-anchor="end">${round(value)}</text>`,
    )
  }
  parts.push(`<text x="${LEFT}" y="${top - 6}" fill="${color}">${title}</text>`)
  const line = points.map(([at, value]) => `${round(x(at))},${round(y(value))}`).join(' ')
  parts.push(`<polyline points="${line}" fill="none" stroke="${color}" stroke-width="1.5" stroke-linejoin="round"/>`)
  return parts
}
