/**
 * What some work allocates: bytes of the JavaScript heap, by its growth plus what collections freed meanwhile. Array buffers live outside of it; they are counted by their growth in a window
 * without collections, so the process needs room for all of it (`--max-semi-space-size`).
 */
import { GCProfiler, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export interface Allocated {
  readonly heapBytes: number
  readonly bufferBytes: number
}

interface Heap {
  readonly usedHeapSize: number
  readonly externalMemory: number
}

export async function allocatedBy(work: () => Promise<void> | void): Promise<Allocated> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  const profiler = new GCProfiler()
  profiler.start()
  const before = process.memoryUsage()
  await work()
  const after = process.memoryUsage()
  const { statistics } = profiler.stop() as unknown as {
    statistics: { beforeGC: { heapStatistics: Heap }; afterGC: { heapStatistics: Heap } }[]
  }
  const freed = (of: keyof Heap): number =>
    statistics.reduce((sum, { beforeGC, afterGC }) => sum + beforeGC.heapStatistics[of] - afterGC.heapStatistics[of], 0)
  return {
    heapBytes: after.heapUsed - before.heapUsed + freed('usedHeapSize'),
    bufferBytes: after.arrayBuffers - before.arrayBuffers + freed('externalMemory'),
  }
}
