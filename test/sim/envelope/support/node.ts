/**
 * One node: a real messenger over a real journal on a disk that may do anything, driven as `TomNode` drives it; its births, deaths and goodbyes, and an application that
 * reads or does not. A crash ends the journal's promises for ever, and what the disk has left is the next life's.
 */
import { seededKeyExchange } from '../../../../src/crypto/index.ts'
import { Journal } from '../../../../src/envelope/backup/journal.ts'
import type { JournalRecord } from '../../../../src/envelope/backup/stored-message.ts'
import { Messenger } from '../../../../src/envelope/core/messenger.ts'
import type { MessengerMetrics } from '../../../../src/envelope/core/metrics.ts'
import type { MessengerEvent, MessengerWorld } from '../../../../src/envelope/core/world.ts'
import type { PeerKey } from '../../../../src/envelope/wire/envelope.ts'
import { SecretKey } from '../../../../src/identity/index.ts'
import type { ScheduledEvent } from '../../support/clock.ts'
import { type DiskFault, type DiskStep, drawSurvival, FaultyFolder } from '../../support/faulty-folder.ts'
import type { SimRandom } from '../../support/random.ts'
import { SlowFolder } from './slow-folder.ts'
import type { EnvelopeWorld, Station } from './world.ts'

/** As in `src/envelope/node/runner.ts`, ms. */
const CLOCK_CHECK_MS = 10_000
const CLOSE_LIMIT_MS = 5_000
/** Another attempt to start after the disk could not be read, ms. */
const START_AGAIN_MS = 3_000

export interface Birth {
  readonly name: string
  readonly index: number
  /** What its clock is ahead of the others, ms. */
  readonly skewMs?: number
}

/** One run of the process. */
export interface Life {
  readonly number: number
  journal: Journal | undefined
  messenger: Messenger | undefined
  /** The messenger does things. */
  isActing: boolean
  /** Nothing of it happens any more. */
  isOver: boolean
  readonly startedAt: number
  /** Since when it takes part, monotonic ms. */
  upAt: number
  sent: number
  handed: number
  clockCheckedAt: number
}

export type Trouble =
  /** Nothing more fits on the disk. */
  | { readonly kind: 'full' }
  /** Calls fail with a probability, some of them after having had their effect. */
  | { readonly kind: 'failing'; readonly share: number }

export class SimNode implements MessengerWorld, Station {
  readonly name: string
  readonly index: number
  readonly key: PeerKey
  readonly random: SimRandom
  /** What its clock is ahead, ms. */
  skewMs: number
  folder = new FaultyFolder()
  /** Another one since what was written may be gone. */
  diskNumber = 0
  trouble: Trouble | undefined
  /** So many calls of the disk from now the process dies. */
  diesAtStep = Number.POSITIVE_INFINITY
  /** It will not come back. */
  isGone = false
  reads = true
  life: Life | undefined
  readonly #world: EnvelopeWorld
  readonly #secretKey: SecretKey
  #births = 0
  #alarm: ScheduledEvent | undefined
  #armedFor = Number.POSITIVE_INFINITY
  #isReading = false

  constructor(world: EnvelopeWorld, { name, index, skewMs = 0 }: Birth) {
    this.#world = world
    this.name = name
    this.index = index
    this.skewMs = skewMs
    this.random = world.random.fork(name)
    this.#secretKey = SecretKey.generate(this.random.fork('key'))
    this.key = this.#secretKey.id.toString()
  }

  get isUp(): boolean {
    return this.life?.isActing === true
  }

  get lifeNumber(): number {
    return this.life?.number ?? -1
  }

  /** Its own clock, ms since 1970. */
  get wall(): number {
    return this.#world.wall + this.skewMs
  }

  // births and deaths

  /** Reads the disk, then takes part. */
  start(): void {
    if (this.life !== undefined || this.isGone) return
    const number = this.#births++
    const life: Life = {
      number,
      journal: undefined,
      messenger: undefined,
      isActing: false,
      isOver: false,
      startedAt: this.#world.now,
      upAt: Number.POSITIVE_INFINITY,
      sent: 0,
      handed: 0,
      clockCheckedAt: this.#world.now,
    }
    this.life = life
    const slow = new SlowFolder(this.folder, () => this.#turnOfDisk())
    this.folder.onStep = (step) => this.#onStep(step, life)
    const onError = (): void => {}
    this.#world.touch()
    Journal.open(slow, { wall: this.wall, onError }).then(
      ({ journal, restored }) => {
        if (life.isOver) return
        life.journal = journal
        this.#goUp(life, restored)
      },
      () => {
        if (life.isOver) return
        this.#over(life)
        this.folder = this.folder.kill()
        this.#world.after(START_AGAIN_MS, () => this.start())
      },
    )
  }

  #goUp(life: Life, restored: ConstructorParameters<typeof Messenger>[0]['restored']): void {
    const random = this.random.fork(`life ${life.number}`)
    life.messenger = new Messenger({
      secretKey: this.#secretKey,
      crypto: seededKeyExchange(this.#world.crypto, random.fork('exchanges')),
      random,
      world: this,
      name: this.name,
      addr: () => undefined,
      restored,
      settings: this.#world.settings,
    })
    life.isActing = true
    life.upAt = this.#world.now
    life.messenger.start(this.#world.now, this.wall)
    this.arm()
    this.#world.topic.enter(this)
  }

  /** The process dies, and with it, perhaps, the machine. */
  die(isMachine: boolean): void {
    const { life } = this
    if (life === undefined) return
    const wasUp = life.isActing
    this.#over(life)
    this.folder = isMachine ? this.folder.crash(drawSurvival(this.random)) : this.folder.kill()
    if (wasUp) this.#left(false)
  }

  /** As `TomNode.close`: what was sent is delivered or kept by others, or 5 s are over. Resolves when the process has ended. */
  leave(): void {
    const { life } = this
    if (!life?.isActing) return
    const endsAt = this.#world.now + CLOSE_LIMIT_MS
    this.act((messenger, now) => messenger.prepareToClose(now))
    const look = (): void => {
      if (life.isOver || !life.isActing) return
      if (this.#world.now < endsAt && life.messenger!.hasHope(true)) {
        this.#world.after(100, look)
        return
      }
      this.#left(true)
      this.#stop(life)
      this.#world.touch()
      life.journal!.close().then(() => {
        if (life.isOver) return
        this.#over(life)
        this.folder = this.folder.kill()
      })
    }
    this.#world.after(100, look)
  }

  #stop(life: Life): void {
    if (life.isActing) this.#world.ledger.checkMetrics(this, life)
    life.isActing = false
    if (this.#alarm !== undefined) this.#world.clock.cancel(this.#alarm)
    this.#alarm = undefined
    this.#armedFor = Number.POSITIVE_INFINITY
  }

  #over(life: Life): void {
    this.#stop(life)
    life.isOver = true
    this.life = undefined
    this.#isReading = false
    this.diesAtStep = Number.POSITIVE_INFINITY
  }

  #left(isFarewell: boolean): void {
    this.#world.lines.left(this, isFarewell)
    this.#world.topic.left(this, isFarewell)
  }

  // the disk

  /** Every bit of it is lost, or may be: nothing that was written counts any more. */
  ruined(): void {
    this.diskNumber++
    this.#world.ledger.ruined(this)
  }

  emptyDisk(): void {
    this.folder = new FaultyFolder()
  }

  #turnOfDisk(): Promise<void> {
    const delay = this.random.chance(0.03) ? this.random.between(10, 300) : this.random.between(0.02, 3)
    return new Promise((resolve) => {
      this.#world.after(delay, () => {
        this.#world.touch()
        resolve()
      })
    })
  }

  #onStep(step: DiskStep, life: Life): DiskFault | undefined {
    if (this.diesAtStep-- <= 0) {
      const wasUp = life.isActing
      this.#stop(life)
      // once the call had its effect, or has not
      this.#world.after(0, () => {
        if (life.isOver) return
        this.#over(life)
        this.folder = this.folder.crash(drawSurvival(this.random))
        if (wasUp) this.#left(false)
      })
      return { kind: 'crash', when: this.random.chance(0.5) ? 'before' : 'after' }
    }
    if (this.trouble?.kind !== 'failing' || !this.random.chance(this.trouble.share)) return undefined
    // a file is closed, whatever is said of it
    const isDone = step.call === 'close' || this.random.chance(0.5)
    const done = isDone ? this.random.int(step.call === 'append' ? 0 : 1, step.length || 1) : 0
    return { kind: 'fail', code: this.random.pick(['EIO', 'EIO', 'ENOSPC']), done }
  }

  troubled(trouble: Trouble | undefined): void {
    this.trouble = trouble
    let used = 0
    for (const content of this.folder.files().values()) used += content.length
    this.folder.capacity = trouble?.kind === 'full' ? used + this.random.int(0, 400) : Number.POSITIVE_INFINITY
  }

  // the application

  send(
    to: SimNode,
    bytes: Uint8Array,
    options: { isClear?: boolean; via?: readonly PeerKey[] } = {},
  ): string | undefined {
    let id: string | undefined
    this.act((messenger, now) => {
      const { life } = this
      id = messenger.send(to.key, bytes, options, now)
      life!.sent++
      this.#world.ledger.sent(this, life!, { id, to, bytes, sentAt: now })
    })
    return id
  }

  setReading(reads: boolean): void {
    this.reads = reads
    if (reads) this.#readSoon()
  }

  #readSoon(): void {
    if (this.#isReading || !this.reads || !this.isUp) return
    this.#isReading = true
    const { life } = this
    this.#world.after(this.random.between(0, 5), () => {
      if (life !== this.life) return
      this.#isReading = false
      this.act((messenger, now) => {
        for (let taken = messenger.take(now); taken !== undefined; taken = messenger.take(now)) {
          life!.handed++
          this.#world.ledger.handed(this, life!, taken)
          if (this.random.chance(0.2)) messenger.markRead(taken.id, taken.from, now)
        }
      })
    })
  }

  metrics(): MessengerMetrics | undefined {
    return this.life?.messenger?.metrics()
  }

  // Station

  receive(frame: Uint8Array, link: PeerKey): void {
    this.act((messenger, now) => messenger.receive(frame, link, now))
  }

  gossip(content: Uint8Array, link: PeerKey, isForNeighbors = false): void {
    this.act((messenger, now) => messenger.gossip(content, link, now, isForNeighbors))
  }

  connected(peer: PeerKey): void {
    this.act((messenger, now) => messenger.connected(peer, now))
  }

  disconnected(peer: PeerKey): void {
    this.act((messenger, now) => messenger.disconnected(peer, now))
  }

  /** The messenger does something in this life, if there is one. */
  act(run: (messenger: Messenger, now: number) => void): void {
    const { life } = this
    if (!life?.isActing) return
    run(life.messenger!, this.#world.now)
    this.arm()
  }

  arm(): void {
    const { life } = this
    if (!life?.isActing) return
    const deadline = life.messenger!.deadline()
    if (deadline === this.#armedFor && this.#alarm !== undefined && deadline > this.#world.now) return
    if (this.#alarm !== undefined) this.#world.clock.cancel(this.#alarm)
    this.#alarm = undefined
    this.#armedFor = deadline
    if (deadline === Number.POSITIVE_INFINITY) return
    this.#alarm = this.#world.at(deadline, () => {
      this.#alarm = undefined
      this.#tick(life)
    })
  }

  #tick(life: Life): void {
    const { now } = this.#world
    if (now - life.clockCheckedAt >= CLOCK_CHECK_MS) {
      life.clockCheckedAt = now
      life.messenger!.setClock(now, this.wall)
      life.journal!.tidy(this.wall)
      this.#world.touch()
    }
    this.act((messenger) => messenger.tick(now))
  }

  // MessengerWorld

  transmit(peer: PeerKey, frame: Uint8Array, ticket: number): void {
    const { life } = this
    this.#world.lines.send(this, peer, frame, (isAccepted) => {
      if (life === this.life) this.act((messenger, now) => messenger.transmitted(ticket, isAccepted, now))
    })
  }

  broadcast(content: Uint8Array): void {
    this.#world.topic.broadcast(this, content)
  }

  tellNeighbors(content: Uint8Array, neighbor?: PeerKey): void {
    this.#world.topic.tellNeighbors(this, content, neighbor)
  }

  persist(record: JournalRecord, done: (isDurable: boolean) => void): void {
    const { life } = this
    if (life?.journal === undefined) throw new Error(`${this.name} writes something while it is not there`)
    this.#world.touch()
    life.journal.append(record).then((isDurable) => {
      if (life.isOver) return
      this.#world.ledger.written(this, record, isDurable)
      if (life.isActing) this.act(() => done(isDurable))
    })
  }

  learned(): void {}
  answered(): void {}
  unanswered(): void {}

  emit(event: MessengerEvent): void {
    if (event.kind === 'message') this.#readSoon()
    else if (event.kind === 'state') this.#world.ledger.became(this, event.id, event.state)
  }
}
