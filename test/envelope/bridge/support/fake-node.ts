/** Nodes that know each other and nothing of networks: what is sent waits until it is taken, and then is delivered. */
import { WaitQueue } from '../../../../src/endpoint/index.ts'
import type { BridgeMail, BridgeNode } from '../../../../src/envelope/bridge/types.ts'
import type { DeliveryState } from '../../../../src/envelope/routing/delivery-state.ts'
import { type EndpointId, SecretKey } from '../../../../src/identity/index.ts'

export class FakeReceipt implements AsyncIterable<{ state: DeliveryState }> {
  readonly states: DeliveryState[] = ['sent']
  #isOver = false
  readonly #news = new WaitQueue()

  update(state: DeliveryState): void {
    if (this.#isOver) return
    this.states.push(state)
    this.#isOver = state === 'read'
    this.#news.wake()
  }

  end(): void {
    this.#isOver = true
    this.#news.wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<{ state: DeliveryState }> {
    for (let next = this.states.length - 1; ; next++) {
      while (next >= this.states.length) {
        if (this.#isOver) return
        await this.#news.wait()
      }
      yield { state: this.states[next]! }
    }
  }
}

interface Mail extends BridgeMail {
  readonly receipt: FakeReceipt
}

export class FakeNode implements BridgeNode {
  readonly secretKey: SecretKey
  readonly sent: FakeReceipt[] = []
  /** What is sent is refused while this is set. */
  isFull = false
  readonly #net: Map<string, FakeNode>
  readonly #inbox: Mail[] = []
  readonly #news = new WaitQueue()
  #isEnded = false

  constructor(net: Map<string, FakeNode>, seed: number) {
    this.secretKey = SecretKey.fromBytes(new Uint8Array(32).fill(seed))
    this.#net = net
    net.set(this.id.toString(), this)
  }

  get id(): EndpointId {
    return this.secretKey.id
  }

  /** Messages that nobody has taken. */
  get waiting(): number {
    return this.#inbox.length
  }

  async send(to: EndpointId, bytes: Uint8Array): Promise<FakeReceipt> {
    if (this.isFull) throw new Error('full')
    const receipt = new FakeReceipt()
    this.sent.push(receipt)
    const target = this.#net.get(to.toString())
    if (target !== undefined) {
      target.#inbox.push({ from: this.id, bytes: bytes.slice(), receipt })
      target.#news.wake()
    }
    return receipt
  }

  async *messages({ signal }: { signal?: AbortSignal | undefined } = {}): AsyncGenerator<Mail, void, undefined> {
    while (!this.#isEnded) {
      const mail = this.#inbox.shift()
      if (mail === undefined) await this.#news.wait(signal)
      else {
        mail.receipt.update('delivered')
        yield mail
      }
    }
  }

  /** The next message, taken. */
  async next(): Promise<Mail> {
    const mails = this.messages({ signal: AbortSignal.timeout(3_000) })
    const { value } = await mails.next()
    await mails.return()
    return value as Mail
  }

  end(): void {
    this.#isEnded = true
    this.#news.wake()
  }
}
