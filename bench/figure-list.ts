/** Which figures are measured in rounds: what each asks of a contender, and how its answer and the CPU time become values. */
import type { FigureName, FigureOptions, FigureResult } from './figures.ts'

export type RoundFigure = 'bulk' | 'bulk16' | 'bulk-loopback' | 'rtt' | 'handshake' | 'streams'

export interface Figure {
  readonly name: RoundFigure
  readonly run: FigureName
  readonly options: FigureOptions
  /** Values by name, from one round. CPU in µs. */
  readonly values: (result: FigureResult, cpu: { client: number; server: number }) => Record<string, number>
}

/** UDP payload of a full packet, for stacks that do not count datagrams. */
const FULL_PACKET = 1_400

function rate(result: FigureResult): number {
  return (result.bytes! * 8) / result.ms! / 1000
}

/** A datagram of 1,452 bytes or less: CPU per packet can be compared. */
function packetValues(result: FigureResult, cpu: { client: number; server: number }): Record<string, number> {
  const packets = result.datagrams ?? result.bytes! / FULL_PACKET
  return { 'Mbit/s': rate(result), 'CPU µs, sender': cpu.client / packets, 'CPU µs, receiver': cpu.server / packets }
}

/** Datagrams of any size, or none: CPU by amount. */
function amountValues(result: FigureResult, cpu: { client: number; server: number }): Record<string, number> {
  return {
    'Mbit/s': rate(result),
    'CPU ms/MB': (cpu.client + cpu.server) / 1000 / (result.bytes! / 1e6),
    ...(result.datagrams === undefined ? {} : { 'B/datagram': result.bytes! / result.datagrams }),
  }
}

export function figureList(quick: boolean): readonly Figure[] {
  const bytes = (quick ? 16 : 128) << 20
  return [
    { name: 'bulk', run: 'bulk', options: { bytes, datagram: 1452 }, values: packetValues },
    {
      name: 'bulk16',
      run: 'bulk',
      options: { bytes, streams: 16 },
      values: (result) => ({ 'Mbit/s': rate(result) }),
    },
    { name: 'bulk-loopback', run: 'bulk', options: { bytes: bytes * 4, datagram: 16_000 }, values: amountValues },
    {
      name: 'rtt',
      run: 'roundTrips',
      options: { count: quick ? 500 : 2000 },
      values: (result) => ({ 'p50 µs': result.p50! * 1000, 'p99 µs': result.p99! * 1000 }),
    },
    {
      name: 'handshake',
      run: 'handshakes',
      options: { count: quick ? 40 : 100 },
      values: (result) => ({ 'median ms': result.median! }),
    },
    {
      name: 'streams',
      run: 'freshStreams',
      options: { count: quick ? 1000 : 4000, streams: 32 },
      values: (result) => ({ 'a second': result.count! / (result.ms! / 1000) }),
    },
  ]
}
