/** The locked decisions 3, 4, 6 and 7 of ToM (spec/envelope.md §4.6) as they show from outside: in the sources, and at a node on sockets. */
import { readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { TomNode } from '../../src/envelope/node.ts'
import { ROOMS } from '../structure/rules.ts'
import { blank, importsOf, readSources } from '../structure/source-scan.ts'
import { Liar } from './locks-support.ts'

const LIMIT = { timeout: 10_000, interval: 5 }
const sources = readSources(fileURLToPath(new URL('../..', import.meta.url)), ['src/envelope'])

const open: TomNode[] = []

afterEach(async () => {
  vi.restoreAllMocks()
  await Promise.all(open.splice(0).map((node) => node.close()))
})

async function openNode(): Promise<TomNode> {
  const node = await TomNode.start({ bind: ['127.0.0.1:0'], onError: () => {} })
  open.push(node)
  return node
}

describe('lock 3: a ledger records, it does not decide', () => {
  const LEDGER = /\b(?:anchor|ledger|blockchain|quorum|consensus|validator|wallet|layer ?1|L1 ?hook)\w*/i

  test('L3a: nothing in this room knows of one', () => {
    expect(sources.length).toBeGreaterThan(60)
    const found = sources.flatMap(({ path, text }) => {
      const match = LEDGER.exec(text)
      return match === null ? [] : [`${path}: ${match[0]}`]
    })
    expect(found).toEqual([])
    // nor could it: it only imports rooms below, and no packages
    const below = ROOMS.slice(0, ROOMS.indexOf('envelope') + 1)
    const outside = sources.flatMap(({ path, text }) =>
      importsOf(text)
        .map(({ specifier }) => posix.join(posix.dirname(path), specifier))
        .filter((target) => !below.some((room) => target.startsWith(`src/${room}/`)))
        .map((target) => `${path}: ${target}`),
    )
    expect(outside).toEqual([])
  })

  test('L3b: somebody who watches, and throws or never goes on, holds nothing up', async () => {
    const [alice, bob] = await Promise.all([openNode(), openNode()])
    const watchers = [alice, bob].flatMap((node) => [node.peerEvents(), node.pathEvents()])
    // asked once and never again
    for (const watcher of watchers) watcher.next().catch(() => {})
    const broken = (async () => {
      for await (const _ of alice.peerEvents()) throw new Error('the recorder is broken')
    })()
    const refused = broken.catch(({ message }: Error) => message)
    const receipts = await Promise.all(
      Array.from({ length: 20 }, (_, index) => alice.send(bob.ticket(), Uint8Array.of(index))),
    )
    const read: number[] = []
    for await (const { bytes } of bob.messages()) if (read.push(bytes[0]!) === 20) break
    await Promise.all(receipts.map((receipt) => receipt.delivered({ timeoutMs: 10_000 })))
    expect([...read].sort((left, right) => left - right)).toEqual(Array.from({ length: 20 }, (_, index) => index))
    expect(await refused).toBe('the recorder is broken')
  })
})

describe('lock 4: reputation decays; nobody is banned for good', () => {
  test('L4a: there is no word for a ban, in the code or on the disk', () => {
    const BAN = /\b(?:ban|banned|bans|blacklist|blocklist|denylist|blocked)\b/i
    expect(sources.filter(({ text }) => BAN.test(text)).map(({ path }) => path)).toEqual([])
    const schema = sources.find(({ path }) => path.endsWith('backup/stored-message.ts'))!.text
    expect([...schema.matchAll(/readonly kind: '(\w+)'/g)].map(([, kind]) => kind)).toEqual([
      'keep',
      'drop',
      'delivered',
    ])
  })
})

describe('lock 6: end users never meet it', () => {
  test('L6a: it prints nothing, whatever happens', async () => {
    const printed: string[] = []
    const note = (...words: unknown[]) => {
      printed.push(words.map(String).join(' '))
      return true
    }
    vi.spyOn(process.stdout, 'write').mockImplementation(note)
    vi.spyOn(process.stderr, 'write').mockImplementation(note)
    for (const method of ['log', 'info', 'warn', 'error', 'debug', 'trace'] as const)
      vi.spyOn(console, method).mockImplementation(note)
    const [alice, bob] = await Promise.all([openNode(), openNode()])
    const liar = new Liar('eve')
    const receipt = await alice.send(bob.ticket(), Uint8Array.of(1))
    for await (const message of bob.messages()) {
      message.markRead()
      break
    }
    await vi.waitFor(() => expect(receipt.state).toBe('read'), LIMIT)
    // and things that go wrong
    await expect(alice.send(bob.id, new Uint8Array(300_000))).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    const connection = await alice.endpoint.connect(bob.ticket(), 'tom-protocol/transport/0')
    for (const frame of [
      Uint8Array.of(0x9a, 1, 2),
      liar.seal(bob.id.toString(), 'GroupCreate', new Uint8Array(), Date.now()),
    ]) {
      const { send } = await connection.openBi()
      const framed = new Uint8Array(4 + frame.length)
      new DataView(framed.buffer).setUint32(0, frame.length)
      framed.set(frame, 4)
      await send.write(framed)
      await send.finish()
    }
    await vi.waitFor(() => expect(bob.metrics().refused).toMatchObject({ MALFORMED: 1, UNSUPPORTED_TYPE: 1 }), LIMIT)
    await bob.close()
    await expect(bob.send(alice.id, new Uint8Array())).rejects.toMatchObject({ code: 'NODE_CLOSED' })
    expect(printed).toEqual([])
  })

  test('L6b: it starts without any configuration', async () => {
    const node = await TomNode.start()
    open.push(node)
    expect(node.id.toString()).toMatch(/^[0-9a-f]{64}$/)
    expect([node.isClosed, node.peers(), node.name]).toEqual([false, [], ''])
  })

  test('L6c: the state of the protocol cannot be reached from a node', async () => {
    const node = await openNode()
    expect(Object.keys(node).sort()).toEqual(['endpoint', 'gossip', 'name'])
    const members = new Set<string>()
    for (let proto = Object.getPrototypeOf(node); proto !== Object.prototype; proto = Object.getPrototypeOf(proto))
      for (const name of Object.getOwnPropertyNames(proto)) members.add(name)
    expect(
      [...members].filter((name) => /messenger|router|tracker|mailbox|journal|envelope|sealer|budget/i.test(name)),
    ).toEqual([])
    const index = readFileSync(new URL('../../src/index.ts', import.meta.url), 'utf8')
    expect(index).not.toMatch(/\b(?:Messenger|Router|DeliveryTracker|Mailbox|Sealer|Envelope|encodeEnvelope)\b/)
  })
})

describe('lock 7: a layer for any application, not a product', () => {
  test('L7b: it knows no application, and never looks into a payload of Chat', () => {
    const applications = /(?:^|\/)(?:cli|examples|demo|bench|test)\//
    const imported = sources.flatMap(({ path, text }) =>
      importsOf(text).map(({ specifier }) => `${path}: ${specifier}`),
    )
    expect(imported.filter((line) => applications.test(line.split(': ')[1]!))).toEqual([])
    // whoever reads texts or JSON: the codec of MessagePack; the earlier stack and the bridge to it are JSON themselves
    const readers = /\bTextDecoder\b|\bdecodeUtf8\b|\bJSON\b/
    const parsing = sources.map(({ path, text }) => (readers.test(blank(text)) ? path : '')).filter(Boolean)
    expect(parsing.filter((path) => !/^src\/envelope\/(?:v1|bridge)\//.test(path))).toEqual([
      'src/envelope/wire/pack-reader.ts',
    ])
  })
})
