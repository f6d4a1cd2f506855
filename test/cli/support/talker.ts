/** A `tom` process and somebody who types. */
import { Tom } from '../tom.ts'

export class Talker extends Tom {
  protected override get stdin(): 'pipe' {
    return 'pipe'
  }

  type(text: string | Uint8Array): void {
    this.child.stdin!.write(text)
  }

  /** Ctrl-D, or the end of a pipe. */
  endInput(): void {
    this.child.stdin!.end()
  }
}
