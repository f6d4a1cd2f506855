/**
 * What ToM is for, as one run: three nodes that know one ticket find each other, talk through a relay and then without, lose two of their processes and no message, and go on
 * when the relay is gone. Every step is checked; the first that fails ends it.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EndpointAddr, EndpointTicket, SecretKey } from '../../src/index.ts'
import type { Narrator } from './narrator.ts'
import { type EventLine, Program } from './programs.ts'

/** Messages whose delivery is measured in each direction. */
const ROUNDS = 20
/** Messages in search of the direct path, one every `BEAT_MS`. */
const ATTEMPTS = 20
/** Between two messages while the relay dies, ms, and how many before and after. */
const BEAT_MS = 100
const BEATS_BEFORE = 5
const BEATS_AFTER = 15

interface Member {
  readonly name: string
  readonly id: string
  readonly args: readonly string[]
}

export class Mission {
  readonly #cli: string
  readonly #folder: string
  readonly #tell: Narrator

  /** `folder` is for keys and storage; somebody else empties it. */
  constructor(cli: string, folder: string, narrator: Narrator) {
    this.#cli = cli
    this.#folder = folder
    this.#tell = narrator
  }

  async run(): Promise<void> {
    const relay = this.#start('relay', ['relay', '--dev', '--bind', '127.0.0.1:0'])
    const url = String((await relay.event('the relay runs', is('started'))).url)
    const [alice, bob, carol] = ['Alice', 'Bob', 'Carol'].map((name) => this.#member(name, url)) as [
      Member,
      Member,
      Member,
    ]
    this.#tell.step('A relay on this machine, and Alice, who is found there. Her ticket is all that the others get.')
    this.#tell.saw('relay', `listens at ${url}`)
    const a = this.#chat(alice)
    const whole = EndpointTicket.parse(String((await a.event('a ticket', is('ticket'))).ticket))
    // without addresses: the first packets have to take the relay
    const ticket = new EndpointTicket(new EndpointAddr(whole.addr.id).withRelay(url)).toString()
    this.#tell.saw('Alice', `ticket ${ticket.slice(0, 24)}… (${ticket.length} characters: her key and the relay)`)

    const [b, c] = await this.#discover(bob, carol, ticket)
    await this.#relayFirst(a, b, alice)
    await this.#talk(b, c, bob, carol)
    await this.#lose(a, b, c, carol, alice)
    const returned = await this.#recover(b, bob, carol, alice, ticket)
    await this.#relayDies(relay, a, returned, alice)
    this.#tell.step('The end of the input: both leave once everything is delivered.')
    await Promise.all(
      [returned, a].map(async (program) => {
        await program.finish()
        this.#tell.saw(program.name, 'ended with code 0')
      }),
    )
  }

  /** Bob and Carol, who have never heard of each other. */
  async #discover(bob: Member, carol: Member, ticket: string): Promise<[Program, Program]> {
    this.#tell.step("Bob and Carol start with Alice's ticket. Gossip tells each of the other; Bob says hello at once.")
    const b = this.#chat(bob, ticket)
    const c = this.#chat(carol, ticket)
    b.say({ text: 'hello Alice, this is Bob' })
    const found = await Promise.all(
      [
        { program: b, other: carol },
        { program: c, other: bob },
      ].map(async ({ program, other }) => {
        const started = await program.event('a start', is('started'))
        const seen = await program.event(
          `${other.name} is online`,
          (line) => line.event === 'peer' && line.id === other.id && line.liveness === 'online',
        )
        this.#tell.saw(program.name, `${other.name} is online: an announcement signed with ${other.name}'s key`, seen)
        return seen.at - started.at
      }),
    )
    this.#measure('discovery', Math.max(...found), 'start of a node until it has verified the other, by gossip')
    return [b, c]
  }

  async #relayFirst(a: Program, b: Program, alice: Member): Promise<void> {
    this.#tell.step(
      'Every conversation begins at the relay, which can read nothing, and leaves it as soon as there is a way.',
    )
    const delivered = await b.event('hello is delivered', isState('delivered', alice.id))
    const heard = await a.event('hello from Bob', isMessage('hello Alice, this is Bob'))
    this.#tell.saw('Alice', `"${heard.text}", sealed, by ${heard.path}`, heard)
    if (delivered.path !== 'relay' && heard.path !== 'relay')
      throw new Error('the first message did not take the relay')
    this.#measure('first message, by relay', Number(delivered.after_ms), 'said until acknowledged, dialling included')
    const relayed = await b.event('a path by relay', isPath('relay', alice.id))
    const direct = await b.event('a direct path', isPath('direct', alice.id))
    this.#tell.saw('Bob', `path to Alice: relay, then direct to ${(direct.path as { remote: string }).remote}`, direct)
    this.#measure('relay to direct', direct.at - relayed.at, "until Bob's path to Alice has moved")
    const straight = await this.#straight(a, b, alice)
    this.#tell.saw('Alice', `"${straight.text}", ${straight.path}`, straight)
  }

  /** Both sides have a connection each way, and each moves for itself. */
  async #straight(a: Program, b: Program, alice: Member): Promise<EventLine> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const text = `is this the short way? (${attempt})`
      await this.#deliver(b, alice, text)
      const heard = await a.event('a message', isMessage(text))
      if (heard.path === 'direct') return heard
      await new Promise((resolve) => setTimeout(resolve, BEAT_MS))
    }
    throw new Error(`${ATTEMPTS} messages later it is still the relay`)
  }

  async #talk(b: Program, c: Program, bob: Member, carol: Member): Promise<void> {
    this.#tell.step(`Bob and Carol talk, ${ROUNDS} messages each way, each signed, encrypted and acknowledged.`)
    const latencies: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      latencies.push(await this.#deliver(b, carol, `to Carol ${round}`))
      latencies.push(await this.#deliver(c, bob, `to Bob ${round}`))
    }
    latencies.sort((left, right) => left - right)
    const median = latencies[latencies.length >> 1]!
    const slowest = latencies.at(-1)!
    this.#tell.saw('Bob', `all delivered; half of them within ${median.toFixed(1)} ms`)
    this.#measure('delivery, median', median, `said until acknowledged, ${latencies.length} messages`)
    this.#measure('delivery, slowest', slowest, 'the first ones dial')
  }

  /** Carol is gone, and then so is Bob, who had written to her. */
  async #lose(a: Program, b: Program, c: Program, carol: Member, alice: Member): Promise<void> {
    this.#tell.step(
      'Carol is killed (SIGKILL). Bob writes to her; Alice keeps the sealed message. Then Bob is killed, too.',
    )
    await c.kill()
    this.#tell.saw('Carol', `process ${c.pid} is gone`)
    b.say({ to: carol.id, text: MAIL })
    const kept = await b.event(
      'somebody keeps the message',
      (line) =>
        line.event === 'state' && line.to === carol.id && Number(line.holders) > 0 && line.state !== 'delivered',
    )
    this.#tell.saw('Bob', `not delivered, but kept by ${kept.holders} other node`, kept)
    this.#measure('kept by another', Number(kept.after_ms), 'said until a third node has it on its disk')
    await b.kill()
    if (!b.isDead) throw new Error('Bob is still there')
    this.#tell.saw('Bob', `process ${b.pid} is gone`)
    if (a.events.some((line) => line.event === 'message' && line.text === MAIL))
      throw new Error(`${alice.name} got what was for Carol`)
  }

  async #recover(b: Program, bob: Member, carol: Member, alice: Member, ticket: string): Promise<Program> {
    this.#tell.step('Carol returns, with the same key and the same one ticket. Whoever wrote to her is dead.')
    const c = this.#chat(carol, ticket)
    const started = await c.event('a start', is('started'))
    const mail = await c.event('her mail', isMessage(MAIL))
    if (!b.isDead) throw new Error('Bob is still there')
    if (mail.from !== bob.id || mail.brought_by !== alice.id || mail.encrypted !== true)
      throw new Error('the mail is not what Bob wrote and Alice brought')
    this.#tell.saw('Carol', `"${mail.text}" by ${bob.name}, says the signature, brought by ${alice.name}`, mail)
    this.#measure('mail from the backup', mail.at - started.at, "Carol's return until her mail is there")
    return c
  }

  async #relayDies(relay: Program, a: Program, c: Program, alice: Member): Promise<void> {
    this.#tell.step(`Carol and Alice talk, a message every ${BEAT_MS} ms. Meanwhile the relay is killed.`)
    await this.#deliver(c, alice, 'are you there?')
    await c.event('a direct path', isPath('direct', alice.id))
    for (let beat = 0; beat < BEATS_BEFORE; beat++) await this.#beat(c, alice, beat)
    const death = performance.now()
    await relay.kill()
    this.#tell.saw('relay', `process ${relay.pid} is gone`)
    for (let beat = BEATS_BEFORE; beat < BEATS_BEFORE + BEATS_AFTER; beat++) await this.#beat(c, alice, beat)
    const last = `beat ${BEATS_BEFORE + BEATS_AFTER - 1}`
    await a.event('the last beat', isMessage(last))
    const said = c.events.filter((line) => line.event === 'said' && String(line.text).startsWith('beat '))
    for (const { id, text } of said)
      await c.event(
        `"${text}" is delivered`,
        (line) => line.event === 'state' && line.id === id && line.state === 'delivered',
      )
    const heard = a.events.filter((line) => line.event === 'message' && String(line.text).startsWith('beat '))
    if (heard.length !== BEATS_BEFORE + BEATS_AFTER) throw new Error(`${heard.length} beats were heard`)
    const gaps = heard.slice(1).map(({ at }, index) => ({ at, gap: at - heard[index]!.at }))
    const gap = Math.max(...gaps.filter(({ at }) => at >= death - BEAT_MS).map((entry) => entry.gap))
    this.#tell.saw('Alice', `all ${heard.length} were heard; the longest silence was ${gap.toFixed(0)} ms`)
    this.#measure('silence at the death of the relay', gap, `longest between two messages, one every ${BEAT_MS} ms`)
  }

  async #beat(from: Program, to: Member, number: number): Promise<void> {
    from.say({ to: to.id, text: `beat ${number}` })
    await new Promise((resolve) => setTimeout(resolve, BEAT_MS))
  }

  /** Resolves when it is acknowledged, with the time that took, ms. */
  async #deliver(from: Program, to: Member, text: string): Promise<number> {
    from.say({ to: to.id, text })
    const said = await from.event(`"${text}" is said`, (line) => line.event === 'said' && line.text === text)
    const delivered = await from.event(
      `"${text}" is delivered`,
      (line) => line.event === 'state' && line.id === said.id && line.state === 'delivered',
    )
    return Number(delivered.after_ms)
  }

  #measure(name: string, value: number, how: string): void {
    this.#tell.figure({ name, value, unit: 'ms', how })
  }

  /** A key and a folder that outlive its processes. */
  #member(name: string, relay: string): Member {
    const key = SecretKey.generate()
    const file = join(this.#folder, `${name}.key`)
    writeFileSync(file, `${key.toHex()}\n`, { mode: 0o600 })
    const id = key.id.toString()
    const place = ['--bind', '127.0.0.1:0', '--relay', relay]
    return { name, id, args: ['--name', name, '--secret-file', file, '--storage', join(this.#folder, name), ...place] }
  }

  #chat({ name, args }: Member, ticket?: string): Program {
    return this.#start(name, ['chat', ...(ticket === undefined ? [] : [ticket]), ...args])
  }

  #start(name: string, args: readonly string[]): Program {
    return new Program(name, this.#cli, args)
  }
}

const MAIL = 'read this when you are back'

type Test = (line: EventLine) => boolean

function is(event: string): Test {
  return (line) => line.event === event
}

function isMessage(text: string): Test {
  return (line) => line.event === 'message' && line.text === text
}

function isState(state: string, to: string): Test {
  return (line) => line.event === 'state' && line.state === state && line.to === to
}

function isPath(kind: 'relay' | 'direct', to: string): Test {
  return (line) => line.event === 'path' && line.id === to && (line.path as { kind?: string } | null)?.kind === kind
}
