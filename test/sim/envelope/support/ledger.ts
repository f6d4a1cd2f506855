/**
 * What was sent, what was written down where, what applications were handed, and what receipts say; and from that everything that must be true of them: nothing acknowledged is
 * lost, nothing comes twice, nothing outlives its day, and what a living node has written down arrives (spec/envelope.md §4.6 locks 1 and 2, §6 BAK-1 to BAK-3).
 */
import type { JournalRecord } from '../../../../src/envelope/backup/stored-message.ts'
import type { Taken } from '../../../../src/envelope/core/deliveries.ts'
import type { DeliveryState } from '../../../../src/envelope/routing/delivery-state.ts'
import { LIFETIME_MS, type PeerKey } from '../../../../src/envelope/wire/envelope.ts'
import type { Life, SimNode } from './node.ts'
import type { EnvelopeWorld } from './world.ts'

interface Handover {
  readonly life: Life
  readonly at: number
  readonly diskNumber: number
  /** The record that says so is on the disk. */
  isWritten: boolean
  /** It could not be written. */
  isUnwritable: boolean
}

export interface Entry {
  readonly id: string
  readonly from: SimNode
  readonly to: SimNode
  readonly bytes: Uint8Array
  /** Monotonic, ms. */
  readonly sentAt: number
  /** Of the sender: it keeps the message at least as long as this lasts. */
  readonly life: Life
  readonly handovers: Handover[]
  /** Nodes that have it on their disks, as far as they were told, and which disk. */
  readonly copies: Map<SimNode, number>
  readonly states: DeliveryState[]
}

/** Longest chain of violations that a report holds. */
const MOST_VIOLATIONS = 40
/** Of a life that is over, nobody knows what it had written: the next one does. */
function isStillUnwritten({ isWritten, isUnwritable, life }: Handover): boolean {
  return !isWritten && !isUnwritable && !life.isOver
}

/** What was delivered is remembered five minutes longer (RTR-11), files are cleaned every five minutes, and clocks differ, ms. */
const OVER_MS = 15 * 60_000
/** Clocks differ by so much at most, and messages may be gone so much before their day is over, ms. */
export const LARGEST_SKEW_MS = 4 * 60_000

export class Ledger {
  readonly entries = new Map<string, Entry>()
  readonly violations: string[] = []
  /** What was counted, so that a run that does nothing is noticed. */
  readonly counts = { sent: 0, handed: 0, again: 0, delivered: 0, failed: 0, lateDelivered: 0, excepted: 0 }
  readonly #world: EnvelopeWorld

  constructor(world: EnvelopeWorld) {
    this.#world = world
  }

  violation(text: string): void {
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push(`${Math.round(this.#world.now)} ${text}`)
  }

  // what nodes tell

  sent(from: SimNode, life: Life, { id, to, bytes, sentAt }: Pick<Entry, 'id' | 'to' | 'bytes' | 'sentAt'>): void {
    this.counts.sent++
    if (this.entries.has(id)) this.violation(`the id ${id} twice`)
    const entry = { id, from, to, bytes, sentAt, life, handovers: [], copies: new Map(), states: [] }
    this.entries.set(id, entry)
  }

  /** The journal has said what became of a record. */
  written(node: SimNode, record: JournalRecord, isDurable: boolean): void {
    if (record.kind === 'drop') return
    const { id } = record.kind === 'keep' ? record.message : record
    const entry = this.entries.get(id)
    if (entry === undefined) return
    if (record.kind === 'keep') {
      if (!isDurable) return
      entry.copies.set(node, node.diskNumber)
      return
    }
    const handover = entry.handovers.at(-1)
    if (node !== entry.to || handover === undefined || handover.life !== node.life) return
    if (isDurable) handover.isWritten = true
    else handover.isUnwritable = true
  }

  /** Nothing that stood on this disk is there for certain. */
  ruined(node: SimNode): void {
    for (const { copies } of this.entries.values()) copies.delete(node)
  }

  handed(node: SimNode, life: Life, taken: Taken): void {
    this.counts.handed++
    const entry = this.entries.get(taken.id)
    if (entry === undefined) {
      // hostile nodes may write to whom they like, under their own names
      if (!this.#isHostile(taken.from)) this.violation(`${node.name} was handed ${taken.id}, which nobody sent`)
      return
    }
    const what = `${this.#name(entry)}, handed to ${node.name}`
    if (node !== entry.to || taken.from !== entry.from.key) this.violation(`${what}: meant for somebody else`)
    if (!Buffer.from(entry.bytes).equals(taken.bytes)) this.violation(`${what}: another content`)
    for (const before of entry.handovers) {
      if (before.life === life) this.violation(`${what}: for the second time in one life`)
      else if (before.isWritten && before.diskNumber === node.diskNumber)
        this.violation(`${what}: although it was written down that it had been before`)
    }
    if (node.wall > taken.sentAt + LIFETIME_MS + CLOCK_CHECKED_LATE_MS)
      this.violation(`${what}: ${((node.wall - taken.sentAt) / 3_600_000).toFixed(2)} h after it was sent`)
    if (entry.handovers.length > 0) this.counts.again++
    entry.handovers.push({
      life,
      at: this.#world.now,
      diskNumber: node.diskNumber,
      isWritten: false,
      isUnwritable: false,
    })
  }

  became(node: SimNode, id: string, state: DeliveryState): void {
    const entry = this.entries.get(id)
    // an event within `send` comes before the entry does: it says that nothing was delivered yet
    if (entry === undefined) return
    if (entry.from !== node) this.violation(`${node.name} has a receipt of ${this.#name(entry)}`)
    const isDelivered = state === 'delivered' || state === 'read'
    if (isDelivered && entry.handovers.length === 0)
      this.violation(`${this.#name(entry)} is ${state} says its receipt, and it was not`)
    else if (isDelivered && entry.handovers.every(isStillUnwritten))
      this.violation(`${this.#name(entry)} is ${state} before its recipient has written that down`)
    const before = entry.states.at(-1)
    if (before === 'read' || (before === 'delivered' && state !== 'read' && state !== 'delivered'))
      this.violation(`${this.#name(entry)}: ${state} after ${before}`)
    if (state === 'delivered' && before !== 'delivered') this.counts.delivered++
    if (isDelivered && before === 'failed') this.counts.lateDelivered++
    if (state === 'failed') this.counts.failed++
    entry.states.push(state)
  }

  // what must be true

  /** All nodes that are still to come are there for five minutes, and everything passes: what a living node has, and is not over, has arrived. */
  checkCustody(): void {
    for (const entry of this.entries.values()) {
      if (entry.handovers.length > 0) continue
      const ageMs = this.#world.now - entry.sentAt
      if (ageMs > LIFETIME_MS - 2 * LARGEST_SKEW_MS || entry.to.isGone) continue
      const copies = this.#living(entry)
      if (copies.length === 0) {
        this.counts.excepted++
        continue
      }
      const where = copies.map(({ name }) => name).join(', ')
      this.violation(
        `${this.#name(entry)} has not arrived after ${Math.round(ageMs / 1_000)} s, and is kept by ${where}`,
      )
    }
  }

  /** Their senders are gone, and others have had time to keep them. */
  checkCame(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.handovers.length === 0)
        this.violation(`${this.#name(entry)} has not arrived, and its sender had some minutes before it died`)
    }
  }

  /** These were sent while nothing was wrong. */
  checkPrompt(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { handovers, states } = entry
      if (handovers.length === 0) this.violation(`${this.#name(entry)} has not arrived in quiet times`)
      else if (!states.includes('delivered') && !states.includes('read'))
        this.violation(`${this.#name(entry)} has arrived in quiet times, and its receipt says ${states.join(', ')}`)
    }
  }

  checkMetrics(node: SimNode, life: Life): void {
    const metrics = life.messenger!.metrics()
    const { sent, received, delivered, pending, stored, storedBytes, waiting, peers, online } = metrics
    const say = (text: string): void => this.violation(`${node.name}: ${text}: ${JSON.stringify(metrics)}`)
    if (sent !== life.sent) say(`${life.sent} messages were sent`)
    if (received !== life.handed) say(`${life.handed} messages were handed over`)
    if (delivered > sent) say('more delivered than sent')
    if (pending > sent || pending > 10_000) say('too many pending')
    if (stored > 10_000 || storedBytes > 67_108_864 || (stored === 0) !== (storedBytes === 0)) say('too much stored')
    if (waiting > 1_024) say('too many waiting')
    if (online > peers || peers > 10_000) say('too many peers')
    const { stats } = life.journal!
    if (stats.liveBytes > stats.fileBytes) say(`a journal with ${stats.liveBytes} of ${stats.fileBytes} bytes`)
  }

  /** A day is over for everything, and one clean-up period: nothing of it is anywhere. */
  checkEmpty(): void {
    for (const node of this.#world.nodes) {
      const metrics = node.metrics()
      if (metrics !== undefined && metrics.pending + metrics.stored + metrics.waiting > 0)
        this.violation(`${node.name} is not empty after a day: ${JSON.stringify(metrics)}`)
    }
    this.checkFiles()
  }

  /** What is over, and was when the last clean-up came, is in no file of anybody who is there. */
  checkFiles(): void {
    const over = [...this.entries.values()].filter(({ sentAt }) => this.#world.now - sentAt > LIFETIME_MS + OVER_MS)
    for (const node of this.#world.nodes) {
      if (!node.isUp) continue
      for (const [name, content] of node.folder.files()) {
        const file = Buffer.from(content)
        const entry = over.find(({ id }) => file.includes(id))
        if (entry !== undefined)
          this.violation(`${this.#name(entry)} is still in ${name} of ${node.name}, which has ${file.length} bytes`)
      }
    }
  }

  #living({ copies, from, life }: Entry): SimNode[] {
    const living = new Set<SimNode>()
    for (const [node, disk] of copies) if (node.isUp && node.diskNumber === disk) living.add(node)
    if (from.life === life && from.isUp) living.add(from)
    return [...living]
  }

  #isHostile(key: PeerKey): boolean {
    return this.#world.hostiles.some((hostile) => hostile.key === key)
  }

  #name({ id, from, to }: Entry): string {
    return `${id.slice(0, 8)} of ${from.name} for ${to.name}`
  }
}

/** A node notices that its clock was set within so long, ms. */
const CLOCK_CHECKED_LATE_MS = 2 * 60_000 + 10_000
