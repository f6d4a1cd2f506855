/**
 * `npm run bench`: tom-transport beside native iroh, other stacks, and what the machine allows without a protocol; one table, one JSON. Options:
 * --quick (two short rounds), --rounds N, --only figure[,figure] (protect, bulk, bulk16, bulk-loopback, rtt, handshake, streams, idle, held,
 * sequence, relay, holepunch, gossip, envelope), --no-native, --no-peers, --json FILE, --write (README.md, bench/results.json, docs/img/paths.svg; with --only the
 * other figures stay as they were).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { BLAST_BARE, BLAST_SEALED, peerContenders, TOM, TOM_1452, TOM_DEFAULT } from './contenders.ts'
import { envelopePlan, envelopeStacks, measureEnvelopes } from './envelope/measure.ts'
import { ENVELOPE, ENVELOPE_BLOCK } from './envelope/names.ts'
import { envelopeNote } from './envelope/note.ts'
import { renderEnvelopeBlock } from './envelope/table.ts'
import { figureList } from './figure-list.ts'
import { gossipPlan, measureGossip, stacksOf } from './gossip/measure.ts'
import { GOSSIP, GOSSIP_BLOCK } from './gossip/names.ts'
import { gossipNote } from './gossip/note.ts'
import { renderGossipBlock } from './gossip/table.ts'
import { measureHolepunch, punchPlan } from './holepunch/measure.ts'
import { HOLEPUNCH } from './holepunch/names.ts'
import { renderPlot } from './holepunch/plot.ts'
import { SHAPE } from './holepunch/switching.ts'
import { describeOrigin, origin } from './machine.ts'
import { replaceBlock, writeBlock } from './markers.ts'
import {
  measureHeld,
  measureIdle,
  measureProtection,
  measureRounds,
  measureSequence,
  progress,
  startAll,
} from './measure.ts'
import { installPeers } from './peers/load.ts'
import { describeOrigins, originOf, type Published, publishedJson, takeOver } from './published.ts'
import { measureRelay, relayPlan } from './relay/measure.ts'
import { RELAY } from './relay/names.ts'
import { Results } from './rows.ts'
import { missedAims, renderTables } from './table.ts'

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string' },
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    'no-native': { type: 'boolean', default: false },
    'no-peers': { type: 'boolean', default: false },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    'idle-seconds': { type: 'string' },
  },
})
const { quick } = flags
if (quick && flags.write && flags.only !== undefined)
  throw new Error('--quick is for looking: it would stand beside figures that were measured in full')
const rounds = Number(flags.rounds ?? (quick ? 2 : 5))
const idleSeconds = Number(flags['idle-seconds'] ?? (quick ? 2 : 60))
const connections = quick ? 300 : 1000
const wanted = flags.only?.split(',')
const isWanted = (name: string): boolean => wanted === undefined || wanted.includes(name)

const README = 'README.md'
const RESULTS = 'bench/results.json'
const PLOT = 'docs/img/paths.svg'
// before minutes of measuring, not after them
if (flags.write)
  for (const name of ['bench', GOSSIP_BLOCK, ENVELOPE_BLOCK]) replaceBlock(readFileSync(README, 'utf8'), name, '')
const started = performance.now()
const from = origin()
const results = new Results()
const alone = ['protect', 'held', 'sequence', RELAY, HOLEPUNCH, GOSSIP, ENVELOPE]
const hasPeers = !flags['no-peers'] && (wanted === undefined || wanted.some((name) => !alone.includes(name)))
let peers = hasPeers ? peerContenders(!flags['no-native']) : []
if (peers.length > 0) {
  progress('installing the other stacks (once)\n')
  try {
    await installPeers()
  } catch (error) {
    for (const { stack, isInstalled } of peers) if (isInstalled === true) results.absent(stack, error)
    peers = peers.filter(({ isInstalled }) => isInstalled !== true)
  }
}

if (isWanted('protect')) await measureProtection(results)
const figures = figureList(quick).filter(({ name }) => isWanted(name))
if (figures.length > 0) {
  const contenders = await startAll([TOM_1452, TOM_DEFAULT, ...peers, BLAST_SEALED, BLAST_BARE], results)
  try {
    for (const figure of figures) await measureRounds(contenders, figure, rounds, results)
  } finally {
    for (const contender of contenders) await contender.stop()
  }
}
if (isWanted('idle')) await measureIdle([TOM_1452, ...peers], connections, idleSeconds, results)
if (isWanted('held')) await measureHeld(TOM_1452, connections, quick ? 3 : 7, results)
if (isWanted('sequence')) await measureSequence(TOM_1452, connections, results)
const relays = relayPlan(quick, rounds)
if (isWanted(RELAY)) await measureRelay(relays, !flags['no-native'], results)
const punches = punchPlan(quick)
const shown = isWanted(HOLEPUNCH) ? await measureHolepunch(punches, !flags['no-native'], results) : undefined
const gossip = gossipPlan(quick)
if (isWanted(GOSSIP)) await measureGossip(gossip, stacksOf(!flags['no-native']), results)
const envelopes = envelopePlan(quick)
if (isWanted(ENVELOPE)) await measureEnvelopes(envelopes, envelopeStacks(!flags['no-native']), results)

const seconds = Math.round((performance.now() - started) / 1000)
const note =
  `Medians of ${rounds} interleaved rounds (least–most), both ends in processes of their own, loopback; idle connections: growth of the process over ` +
  `${connections}, ${idleSeconds} s after they were opened (node-datachannel: a fifth of them). ` +
  `Relay: 1,200-byte datagrams over plain HTTP, one generator process for both servers; added round trip: through the relay, less the median between two sockets; ` +
  `idle clients: ${relays.idleClients}, after ${relays.idleSeconds} s. ` +
  `From relay to direct: ${punches.runs} dials through our relay on loopback (NATs: see the lab); the switch behind paced uplinks of ${SHAPE.mbit} Mbit/s and ${2 * SHAPE.delayMs} ms RTT, relay and direct ` +
  `alike, ${punches.switches} runs; idle: ${punches.idle.connections} connections, ${punches.idle.seconds} s.`
// what was not wanted now is published as it was
const own = { ...from, rounds, quick, seconds, absences: results.absences }
const head =
  flags.write && wanted !== undefined
    ? takeOver(JSON.parse(readFileSync(RESULTS, 'utf8')) as Published, wanted, from, results)
    : own
const hasPlot = shown !== undefined || (head !== own && existsSync(PLOT))
const plot = hasPlot ? `\n\n![Goodput and RTT of one transfer: relay, direct path, relay again](${PLOT})` : ''
const printed = `${renderTables(results)}${plot}\n\n${note} ${describeOrigins(head, [GOSSIP, ENVELOPE])}.`
const swarms = renderGossipBlock(results, `${gossipNote(gossip)} ${describeOrigin(originOf(head, GOSSIP))}.`)
const messages = renderEnvelopeBlock(results, `${envelopeNote(envelopes)} ${describeOrigin(originOf(head, ENVELOPE))}.`)
const blocks = [printed, swarms, messages].filter((block) => block !== undefined)
process.stdout.write(`\n${blocks.join('\n\n')}\n\n`)
for (const line of missedAims(results)) process.stdout.write(`missed: ${line}\n`)
process.stdout.write(`${seconds} s\n`)

const json = publishedJson(head, results.rows)
if (flags.json !== undefined) writeFileSync(flags.json, json)
if (flags.write) {
  writeBlock(README, 'bench', printed)
  if (swarms !== undefined) writeBlock(README, GOSSIP_BLOCK, swarms)
  if (messages !== undefined) writeBlock(README, ENVELOPE_BLOCK, messages)
  writeFileSync(RESULTS, json)
  if (shown !== undefined) {
    mkdirSync(dirname(PLOT), { recursive: true })
    const title = `One transfer: relay, direct path, relay again (${SHAPE.mbit} Mbit/s, ${2 * SHAPE.delayMs} ms)`
    writeFileSync(PLOT, renderPlot(shown, title))
  }
}
process.exit(results.absences.some(({ stack }) => stack === TOM) ? 1 : 0)
