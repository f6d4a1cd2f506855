/**
 * Records that the connections of one engine take turns to use: each is filled and read within one call, so that one set serves them all
 * and an idle connection holds none.
 */
import { Reader } from '../bytes/index.ts'
import { PacketDraft } from './connection/packet-draft.ts'
import { SentFramePool } from './recovery/frame-owner.ts'
import { AckFrame } from './wire/ack-frames.ts'
import { PacketHeader } from './wire/header.ts'
import { StreamFrame } from './wire/stream-frames.ts'

export class Scratch {
  readonly header = new PacketHeader()
  readonly reader = new Reader(new Uint8Array(0))
  readonly ack = new AckFrame()
  readonly stream = new StreamFrame()
  /** One for each packet that a datagram may hold: Initial, Handshake, 1-RTT. */
  readonly drafts: readonly [PacketDraft, PacketDraft, PacketDraft]

  constructor() {
    // whoever begins a packet says whose frames go into it
    const nobody = new SentFramePool()
    this.drafts = [new PacketDraft(nobody), new PacketDraft(nobody), new PacketDraft(nobody)]
  }
}
