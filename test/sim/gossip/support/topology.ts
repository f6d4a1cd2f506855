/** The swarm as a graph: views, components, clustering, path lengths, symmetry (spec/gossip.md §12.8 S5). Looks, and changes nothing. */
import { clusteringOf, componentsOf, pathsOf, undirected } from './graph.ts'
import type { SimNode } from './node.ts'
import { histogram, largest, mean } from './statistics.ts'
import type { Swarm } from './swarm.ts'

export interface Topology {
  readonly nodes: number
  /** Of the graph whose edges are the active views, in either direction, between living nodes. */
  readonly components: number
  readonly largestComponent: number
  /** Nodes that have no living neighbour in their active view. */
  readonly isolated: number
  /** Entries of active views whose peer has no entry in return; those that are just being made or ended count, too. */
  readonly oneSided: number
  /** Entries of active views whose peer is gone. */
  readonly dead: number
  readonly meanActive: number
  readonly meanPassive: number
  /** The part of all nodes whose active view is full. */
  readonly fullShare: number
  /** Mean over the nodes of the part of their neighbours' pairs that are neighbours themselves. */
  readonly clustering: number
  /** Mean of the shortest paths from the sampled nodes to all they reach, and the longest. */
  readonly averagePath: number
  readonly longestPath: number
  /** How many nodes have 0, 1, 2, … entries. */
  readonly active: readonly number[]
  readonly passive: readonly number[]
  readonly eager: readonly number[]
  readonly lazy: readonly number[]
  /** How many nodes stand in 0, 1, 2, … active views. */
  readonly inDegree: readonly number[]
  /** Eager entries whose peer has not us as eager in return. */
  readonly oneSidedEager: number
}

/** Paths are measured from so many nodes, about. */
const PATH_SAMPLES = 400

export function topologyOf(swarm: Swarm, pathSamples = PATH_SAMPLES): Topology {
  const nodes = swarm.alive()
  const place = new Map(nodes.map((node, index) => [node.id, index]))
  const views = nodes.map((node) => activeOf(node))
  const living = views.map((view) => view.filter((peer) => place.has(peer)).map((peer) => place.get(peer)!))
  const inDegree = new Array<number>(nodes.length).fill(0)
  for (const view of living) for (const to of view) inDegree[to]!++
  const graph = undirected(living)
  const sizes = componentsOf(graph)
  const paths = pathsOf(graph, pathSamples)
  const capacity = swarm.options.profile.membership.activeViewCapacity
  const entries = (list: readonly (readonly number[])[]) => list.reduce((count, view) => count + view.length, 0)
  return {
    nodes: nodes.length,
    components: sizes.length,
    largestComponent: largest(sizes),
    isolated: living.filter((view) => view.length === 0).length,
    oneSided: living.reduce((count, view, from) => count + view.filter((to) => !living[to]!.includes(from)).length, 0),
    dead: entries(views) - entries(living),
    meanActive: mean(views.map((view) => view.length)),
    meanPassive: mean(nodes.map((node) => node.topic?.membership.passive.length ?? 0)),
    fullShare: mean(views.map((view) => (view.length >= capacity ? 1 : 0))),
    clustering: clusteringOf(graph),
    averagePath: paths.average,
    longestPath: paths.longest,
    active: histogram(views.map((view) => view.length)),
    passive: histogram(nodes.map((node) => node.topic?.membership.passive.length ?? 0)),
    eager: histogram(nodes.map((node) => eagerOf(node).length)),
    lazy: histogram(nodes.map((node) => node.topic?.tree.lazy.length ?? 0)),
    inDegree: histogram(inDegree),
    oneSidedEager: nodes.reduce(
      (count, node) => count + eagerOf(node).filter((peer) => !eagerOf(swarm.nodes[peer]!).includes(node.id)).length,
      0,
    ),
  }
}

function activeOf(node: SimNode): readonly number[] {
  return node.topic?.membership.active ?? []
}

function eagerOf(node: SimNode): readonly number[] {
  return node.topic?.tree.eager ?? []
}

/** Longer than any request of a profile takes. */
const LASTING_MS = 5_000

/** Links that only one end believes in, and still does after a while. Time goes on. */
export function lastingOneSided(swarm: Swarm): number {
  const before = new Set(oneSidedLinks(swarm))
  swarm.runForMs(LASTING_MS)
  return oneSidedLinks(swarm).filter((link) => before.has(link)).length
}

function oneSidedLinks(swarm: Swarm): string[] {
  const links: string[] = []
  for (const node of swarm.alive())
    for (const peer of activeOf(node)) {
      const other = swarm.nodes[peer]!
      if (other.topic !== undefined && !activeOf(other).includes(node.id)) links.push(`${node.id}>${peer}`)
    }
  return links
}
