/**
 * A real disco peer: iroh 0.35 from npm, in a namespace without any way out. What it does with packets of a stranger, and whole connections between it and
 * our endpoint, both ways, over one direct path (spec/disco-stun-nat.md §2.2, §3.7, §4.3).
 */
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { canMakeNamespaces } from './namespaces.ts'
import type { LabProcess } from './process.ts'
import { TwoHosts } from './two-hosts.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Without a wrapper process, which would leave its child behind when it is killed. */
const TSX = ['--import', `${ROOT}node_modules/tsx/dist/esm/index.mjs`]
const FOLDER = `${ROOT}test/lab/disco`
const PORT = '7000'
/** Its end of the cable to our host. */
const IROH = '10.77.1.1'
const START_MS = 30_000
const TEXT = 'tom'.repeat(30_000)

if (!canMakeNamespaces()) throw new Error('the lab needs root on Linux and the command `ip` (iproute2)')

describe('iroh 0.35', () => {
  let lab: TwoHosts
  let iroh: LabProcess
  let irohId: string
  const others: LabProcess[] = []

  beforeAll(async () => {
    lab = await TwoHosts.create(4)
  })
  afterAll(() => lab?.close())

  beforeEach(async () => {
    iroh = lab.run('middle', process.execPath, [...TSX, `${FOLDER}/iroh-0.35.ts`, IROH, PORT])
    irohId = await iroh.match(/"ready","id":"([0-9a-f]{64})","version":"0\.35\.0"/, START_MS)
  })
  afterEach(async () => {
    for (const one of [iroh, ...others.splice(0)]) await one.stop('SIGKILL')
  })

  async function ours(disco: 'disco' | 'none'): Promise<{ node: LabProcess; id: string }> {
    const node = lab.run('left', process.execPath, [...TSX, `${FOLDER}/our-node.ts`, lab.addresses.left, PORT, disco])
    others.push(node)
    return { node, id: await node.match(/"ready","id":"([0-9a-f]{64})"/, START_MS) }
  }

  /** What came of it; the text only as far as it is the same. */
  async function dial(from: LabProcess, id: string, address: string): Promise<Record<string, unknown>> {
    from.write(JSON.stringify({ dial: { id, address }, text: TEXT }))
    const result = JSON.parse(await from.match(/^(\{"event":"(?:echoed|failed)".*)$/, 30_000))
    return { ...result, text: result.text === TEXT }
  }

  test('D7, spec/disco-stun-nat.md §2.2, §3.7: a stranger’s packets', async () => {
    const stranger = lab.run('left', process.execPath, [
      ...TSX,
      `${FOLDER}/stranger.ts`,
      IROH,
      PORT,
      irohId,
      lab.addresses.left,
    ])
    const result = JSON.parse(await stranger.match(/^(\{.*\})$/, 60_000))
    expect(result).toMatchObject({
      observed: result.own,
      gate: 'opened by the ping',
      longer: 'pong',
      innerKey: 'pong',
      version1: 0,
      twice: 1,
      heartbeats: 'come',
      // QUIC from a port that never pinged, and an address in a CallMeMaybe that came by UDP
      otherPort: 0,
      called: 0,
    })
    expect(result.versions).toContain('00000001')
  })

  test('our endpoint pings, dials, and gets its echo', async () => {
    const { node, id } = await ours('disco')
    const result = await dial(node, irohId, `${IROH}:${PORT}`)
    expect(result).toEqual({ event: 'echoed', text: true, paths: [`direct ${IROH}:${PORT}`] })
    await iroh.match(new RegExp(`"served","peer":"${id}","bytes":${TEXT.length}`), 10_000)
  })

  test('without a ping it does not answer our endpoint', async () => {
    const { node } = await ours('none')
    expect(await dial(node, irohId, `${IROH}:${PORT}`)).toMatchObject({ event: 'failed' })
  })

  test('it dials our endpoint, and gets its echo', async () => {
    const { node, id } = await ours('disco')
    const result = await dial(iroh, id, `${lab.addresses.left}:${PORT}`)
    expect(result).toMatchObject({ event: 'echoed', text: true })
    await node.match(new RegExp(`"served","peer":"${irohId}","bytes":${TEXT.length}`), 10_000)
  })
})
