/** Measures of an undirected graph: components, clustering, path lengths. Knows nothing of nodes and swarms. */
import { largest, mean } from './statistics.ts'

/** By vertex: those it shares an edge with, each once. */
export type Graph = readonly (readonly number[])[]

/** The graph whose edges are the entries of `views`, in either direction. */
export function undirected(views: readonly (readonly number[])[]): Graph {
  const edges = views.map(() => new Set<number>())
  for (const [from, view] of views.entries())
    for (const to of view) {
      edges[from]!.add(to)
      edges[to]!.add(from)
    }
  return edges.map((edge) => [...edge])
}

/** The sizes of the components. */
export function componentsOf(graph: Graph): number[] {
  const isSeen = new Uint8Array(graph.length)
  const sizes: number[] = []
  for (const start of graph.keys()) {
    if (isSeen[start] === 1) continue
    const stack = [start]
    isSeen[start] = 1
    let size = 0
    for (let vertex = stack.pop(); vertex !== undefined; vertex = stack.pop()) {
      size++
      for (const next of graph[vertex]!) {
        if (isSeen[next] === 1) continue
        isSeen[next] = 1
        stack.push(next)
      }
    }
    sizes.push(size)
  }
  return sizes
}

/** Mean over the vertices of the part of their neighbours' pairs that share an edge; 0 for a vertex with fewer than two. */
export function clusteringOf(graph: Graph): number {
  return mean(
    graph.map((own) => {
      if (own.length < 2) return 0
      let closed = 0
      for (const [index, a] of own.entries()) for (const b of own.slice(index + 1)) if (graph[a]!.includes(b)) closed++
      return closed / ((own.length * (own.length - 1)) / 2)
    }),
  )
}

/** Shortest paths from about `samples` vertices to all they reach: the mean, and the longest. 0 samples: none. */
export function pathsOf(graph: Graph, samples: number): { readonly average: number; readonly longest: number } {
  const count = graph.length
  if (samples === 0) return { average: 0, longest: 0 }
  const step = Math.max(1, Math.floor(count / samples))
  const distance = new Int32Array(count)
  const queue = new Int32Array(count)
  const longests: number[] = []
  let total = 0
  let pairs = 0
  for (let source = 0; source < count; source += step) {
    distance.fill(-1)
    distance[source] = 0
    queue[0] = source
    let end = 1
    for (let at = 0; at < end; at++) {
      const vertex = queue[at]!
      for (const next of graph[vertex]!) {
        if (distance[next] !== -1) continue
        distance[next] = distance[vertex]! + 1
        queue[end++] = next
      }
      total += distance[vertex]!
    }
    pairs += end - 1
    longests.push(distance[queue[end - 1]!]!)
  }
  return { average: pairs === 0 ? 0 : total / pairs, longest: largest(longests) }
}
