/** What holds whatever happens: random lives of a swarm, and random messages at one node. A failure prints fast-check's seed. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { HyParView } from '../../../src/gossip/proto/hyparview.ts'
import type { MembershipMessage } from '../../../src/gossip/proto/messages.ts'
import {
  DEFAULT_GOSSIP_PROFILE,
  type GossipProfile,
  UPSTREAM_GOSSIP_PROFILE,
} from '../../../src/gossip/proto/settings.ts'
import { FACTOR, TIMEOUT } from '../../fuzz/support/budget.ts'
import { Recorder } from './hyparview-recorder.ts'
import { Swarm, seededDice } from './swarm.ts'

const SHUFFLE_MS = 5_000
/** Lives of swarms. */
const RUNS = 40 * FACTOR

type ValueOf<A> = A extends fc.Arbitrary<infer T> ? T : never

type Step =
  | { readonly kind: 'start' | 'join'; readonly who: number; readonly through: number }
  | { readonly kind: 'quit' | 'kill' | 'restart' | 'broadcast'; readonly who: number }
  | { readonly kind: 'cut'; readonly who: number; readonly through: number }

const COUNT = 14
const who = fc.nat(COUNT - 1)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('start' as const), who, through: who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('join' as const), who, through: who }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('quit' as const, 'kill', 'restart', 'broadcast'), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cut' as const), who, through: who }) },
)
const life = fc.record({
  seed: fc.nat(1_000_000),
  steps: fc.array(fc.record({ step, pauseMs: fc.constantFrom(0, 10, 60, 250, 4_000) }), {
    minLength: 5,
    maxLength: 60,
  }),
  capacity: fc.constantFrom(2, 3, 5),
  isReordering: fc.boolean(),
  isDialFailing: fc.boolean(),
  isCounting: fc.boolean(),
})

/** Node 0 is always there, and everybody's contact. */
function apply(swarm: Swarm, action: Step): void {
  const { who } = action
  switch (action.kind) {
    case 'start':
      if (!swarm.has(who)) swarm.start(who, [action.through, 0])
      break
    case 'join':
      if (swarm.has(who)) swarm.join(who, [action.through])
      break
    case 'quit':
      if (who !== 0 && swarm.has(who)) swarm.quit(who)
      break
    case 'kill':
      if (who !== 0 && swarm.has(who)) swarm.kill(who)
      break
    case 'restart':
      if (who !== 0 && swarm.has(who)) swarm.restart(who, [0])
      break
    case 'broadcast':
      if (swarm.has(who)) swarm.broadcast(who, `${who} ${swarm.now}`)
      break
    case 'cut':
      swarm.cut(who, action.through)
  }
}

/** Empty when all is well. `expect` would cost more than the swarm does. */
function faultsOf(node: HyParView<number>, id: number, limits: { active: number; passive: number }): string[] {
  const { active, passive, pending } = node
  const faults: string[] = []
  if (active.length > limits.active) faults.push(`${id} has ${active.length} neighbours`)
  if (passive.length > limits.passive) faults.push(`${id} remembers ${passive.length}`)
  if (new Set([...active, ...passive, id]).size !== active.length + passive.length + 1)
    faults.push(`${id} has one twice, or itself: ${active} ${passive}`)
  return faults.concat(pending.length <= limits.passive ? [] : [`${id} waits for ${pending.length}`])
}

function repairedFaultsOf(node: HyParView<number>, id: number): string[] {
  const { active, passive, pending } = node
  const faults: string[] = []
  for (const peer of pending) if (active.includes(peer) || peer === id) faults.push(`${id} waits for ${peer}`)
  if (node.knownDataCount > active.length + passive.length) faults.push(`${id} keeps data of ${node.knownDataCount}`)
  for (const peer of [...active, ...pending]) if (!node.needs(peer)) faults.push(`${id} does not need ${peer}`)
  return faults
}

function checkViews(swarm: Swarm, capacity: number, isRepaired: boolean): void {
  const faults: string[] = []
  for (const id of swarm.ids) {
    const { membership, tree } = swarm.node(id)
    const limits = { active: capacity, passive: 30 }
    faults.push(...faultsOf(membership, id, limits))
    if (!isRepaired) continue
    faults.push(...repairedFaultsOf(membership, id))
    const inTree = [...tree.eager, ...tree.lazy]
    if (inTree.length !== membership.active.length || !inTree.every((peer) => membership.active.includes(peer)))
      faults.push(`${id} has ${inTree} in the tree, ${membership.active} as neighbours`)
  }
  expect(faults).toEqual([])
}

function live(profile: GossipProfile, { seed, steps, capacity, ...network }: ValueOf<typeof life>): Swarm {
  const settings = { activeViewCapacity: capacity, shuffleIntervalMs: SHUFFLE_MS }
  const swarm = new Swarm({ seed, profile, settings, latencyMs: [5, 60], ...network })
  swarm.start(0, [], { data: Uint8Array.of(1) })
  for (const { step, pauseMs } of steps) {
    apply(swarm, step)
    swarm.run(pauseMs)
    checkViews(swarm, capacity, profile.isRepaired)
  }
  return swarm
}

test(
  'spec/gossip.md §6.7, §11.1: whatever happened, links have two sides when it is quiet, and nobody is alone',
  () => {
    fc.assert(
      fc.property(life, (happenings) => {
        const swarm = live(DEFAULT_GOSSIP_PROFILE, happenings)
        // Joins are repeated within 38 s at the latest; shuffles find what is one-sided
        swarm.run(60_000 + 20 * SHUFFLE_MS)
        checkViews(swarm, happenings.capacity, true)
        expect(swarm.oneSided()).toEqual([])
        const sizes = swarm.components()
        if (sizes.length > 1) for (const size of sizes) expect(size).toBeGreaterThan(1 + happenings.capacity / 2)
      }),
      { numRuns: RUNS },
    )
  },
  TIMEOUT,
)

test(
  'spec/gossip.md §6.7: views of the upstream profile are disjoint, bounded, and without the node itself',
  () => {
    fc.assert(
      fc.property(life, (happenings) => {
        live(UPSTREAM_GOSSIP_PROFILE, happenings).run(10_000)
      }),
      { numRuns: RUNS / 2 },
    )
  },
  TIMEOUT,
)

const peer = fc.integer({ min: 1, max: 40 })
const data = fc.option(fc.uint8Array({ maxLength: 3 }), { nil: undefined })
const info = fc.record({ id: peer, data })
const ttl = fc.constantFrom(0, 1, 3, 6, 7, 65_535)
const nodes = fc.oneof(fc.array(info, { maxLength: 12 }), fc.array(info, { minLength: 100, maxLength: 120 }))
const message: fc.Arbitrary<MembershipMessage<number>> = fc.oneof(
  fc.record({ kind: fc.constant('join' as const), data }),
  fc.record({ kind: fc.constant('forward-join' as const), peer: info, ttl }),
  fc.record({ kind: fc.constant('shuffle' as const), origin: peer, nodes, ttl }),
  fc.record({ kind: fc.constant('shuffle-reply' as const), nodes }),
  fc.record({ kind: fc.constant('neighbor' as const), priority: fc.constantFrom('high' as const, 'low'), data }),
  fc.record({ kind: fc.constant('disconnect' as const), alive: fc.boolean() }),
)
const input = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('message' as const), from: peer, message }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lost' as const), from: peer }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('join' as const), from: peer }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('request' as const), from: peer, serial: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rejoin' as const), serial: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('shuffle' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(4_000) }) },
)

type Input = ValueOf<typeof input>

test(
  'spec/gossip.md §11.3: no messages of strangers break a node, let it grow, or make it speak to itself',
  () => {
    fc.assert(
      fc.property(fc.array(input, { maxLength: 120, size: 'max' }), fc.nat(), (inputs, seed) => {
        const settings = { activeViewCapacity: 3, passiveViewCapacity: 8 }
        const node = new Recorder({ settings, dice: seededDice(seed), data: Uint8Array.of(9) })
        const { machine } = node
        const up = new Set<string>()
        const faults: string[] = []
        for (const input of inputs) {
          const outputs = perform(node, input)
          for (const line of outputs) {
            const [verb, peer] = line.split(' ') as [string, string]
            if (/^(send|learned|up|release|join-failed) 1 /.test(`${line} `)) faults.push(line)
            // each goes up before it goes down, once
            if (verb === 'up' ? up.has(peer) : verb === 'down' && !up.has(peer)) faults.push(line)
            if (verb === 'up') up.add(peer)
            else if (verb === 'down') up.delete(peer)
          }
          // however much came in: what goes out is bounded
          if (outputs.length > 40) faults.push(`${outputs.length} outputs`)
          if (up.size !== machine.active.length) faults.push(`up ${[...up]}, neighbours ${machine.active}`)
          faults.push(...faultsOf(machine, 1, { active: 3, passive: 8 }), ...repairedFaultsOf(machine, 1))
        }
        expect(faults).toEqual([])
      }),
      { numRuns: 100 * FACTOR },
    )
  },
  TIMEOUT,
)

function perform(node: Recorder, input: Input): string[] {
  switch (input.kind) {
    case 'message':
      return node.receive(input.from, input.message)
    case 'lost':
      return node.disconnected(input.from)
    case 'join':
      return node.join(input.from)
    case 'request':
      return node.fireRequest(input.from, input.serial)
    case 'rejoin':
      return node.fireRejoin(input.serial)
    case 'shuffle':
      return node.fireShuffle()
    case 'wait':
      node.now += input.ms
      return []
  }
}
