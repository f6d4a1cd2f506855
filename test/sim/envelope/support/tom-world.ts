/** Whole nodes in virtual time: the real `TomNode` with endpoint, links, gossip and journal, on the simulated network, over lines that lose and cuts that pass. */
import { seededKeyExchange } from '../../../../src/crypto/index.ts'
import { createNodeCrypto } from '../../../../src/crypto/node/index.ts'
import { type ConnectTarget, Endpoint } from '../../../../src/endpoint/index.ts'
import { TomNode } from '../../../../src/envelope/index.ts'
import type { Receipt } from '../../../../src/envelope/node/receipt.ts'
import { SecretKey } from '../../../../src/identity/index.ts'
import { drawSurvival, FaultyFolder } from '../../support/faulty-folder.ts'
import { Link, type LinkPart } from '../../support/link-parts.ts'
import { RelayWorld } from '../../support/relay/world.ts'

export interface Sent {
  readonly text: string
  readonly from: Member
  readonly to: Member
  readonly receipt: Receipt
}

/** One process of a member. */
interface Run {
  readonly site: string
  readonly node: TomNode
  readonly heard: string[]
}

/** Somebody with a key and a disk, who is there or not. */
export class Member {
  readonly name: string
  readonly secretKey: SecretKey
  folder = new FaultyFolder()
  run: Run | undefined
  /** In the order of their arrival, over all runs. */
  readonly heard: string[] = []
  readonly faults: unknown[] = []
  births = 0

  constructor(name: string, secretKey: SecretKey) {
    this.name = name
    this.secretKey = secretKey
  }

  get id() {
    return this.secretKey.id
  }
}

export class TomWorld extends RelayWorld {
  readonly members: Member[] = []
  readonly sent: Sent[] = []
  /** Members between which nothing passes, in any order. */
  readonly cuts = new Set<string>()
  /** Share of datagrams. */
  loss = 0
  readonly #endpoints: Endpoint[] = []
  readonly #sites: string[] = []
  #hosts = 0

  member(name: string): Member {
    const member = new Member(name, SecretKey.generate(this.random.fork(`key of ${name}`)))
    this.members.push(member)
    return member
  }

  /** A new process, at an address that nobody has had. */
  async start(member: Member, bootstrap: readonly ConnectTarget[] = []): Promise<void> {
    const birth = member.births++
    const site = `${member.name}.${birth}`
    for (const other of this.#sites) this.#wire(other, site)
    this.#sites.push(site)
    const random = this.random.fork(`handshakes of ${site}`)
    const onError = (error: unknown): void => {
      member.faults.push(error)
    }
    const endpoint = await Endpoint.bind({
      secretKey: member.secretKey,
      bind: [`10.2.${this.#hosts >> 8}.${this.#hosts++ & 255}:4433`],
      networkMonitor: false,
      onError,
      runtime: { platform: this.host(site), crypto: seededKeyExchange(createNodeCrypto(), random) },
    })
    this.#endpoints.push(endpoint)
    const parts = { name: member.name, bootstrap, storage: member.folder }
    const node = await this.value(TomNode.on(endpoint, parts), 5_000, `start of ${site}`)
    const run = { site, node, heard: [] }
    member.run = run
    this.#read(member, run)
  }

  async #read(member: Member, run: Run): Promise<void> {
    for await (const message of run.node.messages()) {
      // a dead process has no application
      if (member.run !== run) return
      member.heard.push(new TextDecoder().decode(message.bytes))
    }
  }

  /** The process is gone, and perhaps its machine with all that the disk had not confirmed; nobody hears of it. */
  kill(member: Member, isMachine: boolean): void {
    this.network.silence(member.run!.site)
    member.folder = isMachine ? member.folder.crash(drawSurvival(this.random)) : member.folder.kill()
    member.run = undefined
  }

  async leave(member: Member): Promise<void> {
    const { node, site } = member.run!
    await this.value(node.close(), 15_000, `the end of ${site}`)
    await this.value(node.endpoint.close(), 15_000, `the end of the endpoint of ${site}`)
    member.run = undefined
    member.folder = member.folder.kill()
  }

  async send(from: Member, to: Member, text: string, via: readonly Member[] = []): Promise<Sent> {
    const hops = via.map(({ id }) => id)
    const sending = from.run!.node.send(to.id, new TextEncoder().encode(text), { via: hops })
    const receipt = await this.value(sending, 5_000, `keeping of ${text}`)
    const sent = { text, from, to, receipt }
    this.sent.push(sent)
    return sent
  }

  #wire(left: string, right: string): void {
    const delay = this.random.fork(`line ${left} ${right}`)
    const part: LinkPart = {
      pass: (parcel, next) => {
        if (this.cuts.has(wayOf(left, right)) || delay.chance(this.loss)) return
        next({ ...parcel, at: parcel.at + delay.int(5, 30) })
      },
    }
    this.network.setLink(left, right, 4, new Link([part]))
    this.network.setLink(right, left, 4, new Link([part]))
  }

  override async close(): Promise<void> {
    const living = this.members.flatMap(({ run }) => (run === undefined ? [] : [run.node.close()]))
    await this.value(Promise.all(living), 30_000, 'closing')
    await this.value(Promise.all(this.#endpoints.map((endpoint) => endpoint.close())), 60_000, 'closing endpoints')
  }
}

/** Between two members, whichever runs of them. */
export function wayOf(left: string, right: string): string {
  return [left, right]
    .map((name) => name.split('.')[0]!)
    .sort()
    .join(' ')
}
