/** The face to packets of a part whose frames have owners of their own, or are never sent again: nobody has to tell it what became of them. */
import type { FrameOwner, PacketWriter } from '../recovery/frame-owner.ts'

export class WriteOnlyOwner implements FrameOwner {
  readonly write: (packet: PacketWriter) => boolean

  constructor(write: (packet: PacketWriter) => boolean) {
    this.write = write
  }

  acked(): void {}

  lost(): void {}
}
