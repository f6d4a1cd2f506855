/**
 * The `path` events of conformance/README.md out of the npm package, whose own event streams end the process: its list of paths, looked at every few
 * milliseconds. What comes and goes in between is not told.
 */
import type { Connection } from '@number0/iroh'
import type { Emit } from './serve.ts'

const EVERY_MS = 3

/** Until the connection ends. Paths that there are already are told of as well. */
export function watchPaths(connection: Connection, number: number, emit: Emit): void {
  let selected: string | undefined
  const open = new Map<string, string>()
  const look = (): void => {
    const paths = connection.paths()
    const say = (id: string, change: string, remote: string): void => {
      const kind = remote.startsWith('relay') ? 'relay' : 'direct'
      emit({ event: 'path', connection: number, path: Number(id), change, remote, kind, at: Date.now() })
    }
    for (const [id, remote] of [...open])
      if (!paths.some((path) => path.id === id)) {
        open.delete(id)
        say(id, 'closed', remote)
      }
    for (const { id, remoteAddr, isSelected } of paths) {
      if (!open.has(id)) say(id, 'opened', remoteAddr)
      open.set(id, remoteAddr)
      if (!isSelected || selected === id) continue
      selected = id
      say(id, 'selected', remoteAddr)
    }
  }
  look()
  const timer = setInterval(look, EVERY_MS)
  void connection.closed().then(() => clearInterval(timer))
}
