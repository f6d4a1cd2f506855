/**
 * Messages of others that we keep: taken over as they are, whole and signed, for 24 h at most, given to their recipients, and dropped when recipient or sender says that they are
 * delivered (spec/envelope.md §6, BAK-1 to BAK-6). Bringing is the courier's.
 */
import { EnvelopeError } from '../errors.ts'
import { decodeBackupReplica, decodeId, decodeIdList, encodeId, encodeIdList } from '../wire/body-codec.ts'
import { CLOCK_SKEW_MS, type Envelope, LIFETIME_MS, type PeerKey } from '../wire/envelope.ts'
import { decodeEnvelope } from '../wire/envelope-codec.ts'
import { type Context, sendSigned } from './context.ts'
import type { Courier } from './courier.ts'
import type { Shelf } from './shelf.ts'

export class Custody {
  readonly #context: Context
  readonly #courier: Courier
  readonly #shelf: Shelf
  /** Messages whose record is not on the disk yet: nobody is told that we keep them. */
  readonly #unwritten = new Set<string>()

  constructor(context: Context, courier: Courier, shelf: Shelf) {
    this.#context = context
    this.#courier = courier
    this.#shelf = shelf
  }

  /** Somebody asks us to keep a message. Throws EnvelopeError for what is none. */
  onReplica({ from: asker, payload }: Envelope): void {
    const { key, keys, sealer, mailbox, world, clock, counters } = this.#context
    const replica = decodeBackupReplica(payload, keys)
    const inner = decodeEnvelope(replica.wire, keys)
    sealer.verify(inner)
    const { id, from, to, type, timestamp } = inner
    const isTrue = id === replica.id && from === replica.from && to === replica.to && type === 'Chat' && to !== key
    if (!isTrue) throw new EnvelopeError('UNREADABLE_BODY', 'a replica whose envelope is another one')
    if (timestamp > clock.wall + CLOCK_SKEW_MS) throw new EnvelopeError('FROM_FUTURE', 'a replica from the future')
    // our own, come back to us: the mailbox has it, or it was acknowledged
    if (from === key) return
    const { wire, holders } = replica
    // what the replica says of it is not signed by the author: who asks first would decide how long all others' is kept
    const expiresAt = timestamp + LIFETIME_MS
    const put = mailbox.put({ id, from, to, wire, expiresAt, holders }, timestamp, clock.wall)
    const name = from + id
    if (!put.isKept) {
      if (put.reason !== 'known') this.#context.refuse(asker, put.reason === 'expired' ? 'EXPIRED' : 'NOT_KEPT')
      else if (!this.#unwritten.has(name)) this.#thank(asker, id)
      return
    }
    this.#shelf.left(put.pushedOut)
    counters.kept++
    this.#unwritten.add(name)
    world.persist({ kind: 'keep', message: put.message }, (isDurable) => {
      this.#unwritten.delete(name)
      if (isDurable) this.#thank(asker, id)
      else {
        // it would not survive us: whoever asked shall look for somebody else
        this.#context.refuse(asker, 'NOT_KEPT')
        mailbox.remove(id, from)
      }
    })
    if (this.#context.peers.livenessOf(to) === 'online') this.#courier.wake(to)
  }

  #thank(asker: PeerKey, id: string): void {
    sendSigned(this.#context, asker, 'BackupReplicateAck', encodeId(id))
  }

  /** A recipient is back and asks for its mail. Throws EnvelopeError. */
  onQuery({ from: recipient, payload }: Envelope): void {
    if (decodeId(payload) !== recipient) {
      this.#context.refuse(recipient, 'NOT_ENTITLED')
      return
    }
    const ids = this.#context.mailbox.forRecipient(recipient).map(({ id }) => id)
    if (ids.length > 0) sendSigned(this.#context, recipient, 'BackupQueryResponse', encodeIdList(ids))
    this.#courier.wake(recipient)
  }

  /** Messages are delivered, says their recipient or their sender; nobody else may (BAK-4). Throws EnvelopeError. */
  onConfirm({ from: speaker, payload }: Envelope): void {
    const { key, mailbox } = this.#context
    const ids = new Set(decodeIdList(payload))
    for (const { id, from } of mailbox.forRecipient(speaker)) {
      // of our own messages only an acknowledgement says that they are delivered (lock 1)
      if (ids.delete(id) && from !== key) this.#shelf.remove(id, from)
    }
    for (const id of ids) this.#shelf.remove(id, speaker)
  }
}
