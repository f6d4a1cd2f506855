import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SecretKey } from '../../src/identity/index.ts'
import { bind } from '../endpoint/pair.ts'
import { events } from './events.ts'
import { folder, hurried, type Result, run, runEach, Tom, useTom } from './tom.ts'

useTom()

const LOOPBACK = ['--bind', '127.0.0.1:0']
const ID = SecretKey.fromBytes(new Uint8Array(32).fill(1)).id.toString()

async function listener(...args: string[]): Promise<{ tom: Tom; ticket: string }> {
  const tom = new Tom('listen', ...LOOPBACK, ...args)
  const [, ticket] = await tom.match(/ticket: (endpoint\S+)/)
  return { tom, ticket: ticket! }
}

test('wrong usage is exit code 2 and one line on stderr', async () => {
  const badKey = join(folder, 'bad.key')
  await writeFile(badKey, 'not a key\n')
  const cases: string[][] = [
    ['connect', 'endpointaaaa'],
    ['connect', 'F'.repeat(64)],
    ['connect', 'nonsense'],
    ['connect'],
    ['connect', ID, '--pings', 'many'],
    ['connect', ID, '--addr', 'example.org:1'],
    ['connect', ID, '--secret-file', badKey],
    ['listen', '--secret-file', join(folder, 'missing.key')],
    ['listen', '--bind', 'localhost'],
    ['listen', '--unknown'],
    ['listen', '--stun', 'stun.example.org:0'],
    ['connect', ID, '--external', '203.0.113.7'],
    ['dance'],
  ]
  const results = await runEach(cases)
  for (const [index, { code, stdout, stderr }] of results.entries()) {
    expect({ args: cases[index], code, stdout }).toEqual({ args: cases[index], code: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
  }
  expect(results[6]!.stderr).not.toContain('not a key\n')
})

test('--verbose shows the stack', async () => {
  const { code, stderr } = await run('connect', 'nonsense', '--verbose')
  expect(code).toBe(2)
  expect(stderr).toMatch(/IdentityError: .*\n\s+at /)
})

test('help lists what works now', async () => {
  const { code, stdout } = await run('--help')
  expect(code).toBe(0)
  expect(stdout).toMatch(/listen[\s\S]*chat[\s\S]*send[\s\S]*gossip[\s\S]*doctor/)
})

test('id: a fresh one, kept in a file that only the owner reads and that is never overwritten', async () => {
  const path = join(folder, 'new.key')
  const results = await runEach([
    ['id'],
    ['id', '--write', path],
    ['id', '--key', path],
    ['id', '--write', path],
    ['id', '--key', path],
  ])
  const [fresh, kept, again, overwritten, after] = results as [Result, Result, Result, Result, Result]
  expect(fresh.code).toBe(0)
  expect(fresh.stdout).toMatch(/^[0-9a-f]{64}\n$/)
  expect(kept.stdout).toMatch(/^[0-9a-f]{64}\n$/)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readFile(path, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
  expect(again).toEqual({ code: 0, stdout: kept.stdout, stderr: '' })
  expect(overwritten.code).toBe(2)
  expect(after.stdout).toBe(kept.stdout)
})

test('spec/envelope.md §8.2: connect --json prints the events of a run and nothing else', async () => {
  const key = join(folder, 'golden.key')
  const { stdout: id } = await run('id', '--write', key)
  const { tom, ticket } = await listener('--json', '--name', 'B')
  const args = ['--pings', '3', '--delay', '10', '--json', '--name', 'A', '--secret-file', key]
  const { code, stdout } = await run('connect', ticket, ...LOOPBACK, ...args)
  expect(code).toBe(0)
  const float = String.raw`\d+\.\d{1,3}`
  const lines = stdout.trimEnd().split('\n')
  const patterns = [
    `{"event":"started","name":"A","id":"${id.trim()}","mode":"connect","timestamp":"\\d{10}s"}`,
    `{"event":"path_change","selected":"DIRECT","rtt_ms":${float},"paths":\\["ip:Ip\\(127\\.0\\.0\\.1:\\d+\\)\\*"\\],"elapsed_s":${float}}`,
    `{"event":"ping","seq":1,"rtt_ms":${float},"via":"DIRECT","elapsed_s":${float}}`,
    `{"event":"hole_punch","success":true,"time_to_direct_s":${float},"relay_rtt_ms":0\\.0,"direct_rtt_ms":${float},"direct_path_at_s":${float}}`,
    `{"event":"ping","seq":2,"rtt_ms":${float},"via":"DIRECT","elapsed_s":${float}}`,
    `{"event":"ping","seq":3,"rtt_ms":${float},"via":"DIRECT","elapsed_s":${float}}`,
    `{"event":"summary","name":"A","total_pings":3,"successful_pings":3,"failed_pings":0,"direct_pings":3,"relay_pings":0,"direct_pct":100\\.0,"avg_rtt_direct_ms":${float},"avg_rtt_relay_ms":0\\.0,"hole_punch_success":true,"time_to_direct_s":${float},"reconnections":0,"total_disconnected_s":0\\.0,"elapsed_s":${float}}`,
  ]
  expect(lines.length).toBe(patterns.length)
  for (const [index, pattern] of patterns.entries()) expect(lines[index]).toMatch(new RegExp(`^${pattern}$`))
  await tom.match(/ended: PEER_CLOSED, code 0/)
  tom.interrupt()
  const listening = await tom.ended
  expect(listening.code).toBe(0)
  expect(events(listening.stdout).map(({ event, mode, selected }) => [event, mode ?? selected])).toEqual([
    ['started', 'listen'],
    ['path_change', 'DIRECT'],
  ])
  expect(listening.stderr).toContain('1 connections, 3 streams echoed')
})

test('by id with --addr, readable output', async () => {
  const { tom, ticket } = await listener()
  const [, address] = await tom.match(/listening on (\S+)/)
  const [, id] = await tom.match(/Node: ([0-9a-f]{64})/)
  expect(ticket).toMatch(/^endpoint/)
  const { code, stdout, stderr } = await run('connect', id!, '--addr', address!, ...LOOPBACK, '-p', '2', '-d', '0')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout).toMatch(/ping 2: .* ms direct\n/)
  expect(stdout).toMatch(/2 pings, 2 answered, 0 failed; direct 2, average .* ms\n$/)
})

test('Ctrl-C ends a continuous run in order: summary, close frame, exit code 0', async () => {
  const { tom, ticket } = await listener('--json')
  const args = ['--continuous', '--delay', '1', '--summary-interval', '5', '--json']
  const connecting = new Tom('connect', ticket, ...LOOPBACK, ...args)
  await connecting.match(/"event":"summary"/)
  connecting.interrupt()
  const { code, stdout } = await connecting.ended
  expect(code).toBe(0)
  const lines = events(stdout)
  expect(lines[0]).toMatchObject({ event: 'started', mode: 'connect-continuous' })
  expect(lines.find(({ event }) => event === 'summary')).toMatchObject({ total_pings: 5 })
  expect(lines.at(-1)).toMatchObject({ event: 'summary', failed_pings: 0 })
  await tom.match(/ended: PEER_CLOSED, code 0/)
})

test('an unreachable peer is exit code 1 after the time limit, and the line names every address', async () => {
  const gone = await bind()
  const ticket = gone.ticket().toString()
  const [address] = gone.boundAddresses()
  await gone.close()
  const { code, stdout, stderr } = await run(
    'connect',
    ticket,
    ...LOOPBACK,
    '--addr',
    '127.0.0.1:9',
    '--timeout',
    '400',
  )
  expect(code).toBe(1)
  expect(stdout).toMatch(/^Node: [0-9a-f]{64}\n$/)
  expect(stderr).toMatch(/^tom: no answer from [0-9a-f]{10} at [^\n]+\n$/)
  expect(stderr).toContain('127.0.0.1:9')
  expect(stderr).toContain(address!)
})

test('an id without an address is exit code 1 and says what is missing', async () => {
  const { code, stderr } = await run('connect', ID, ...LOOPBACK)
  expect(code).toBe(1)
  expect(stderr).toMatch(/^tom: no address for .*pass a ticket.*\n$/)
})

test('another ALPN: the peer does not speak it', async () => {
  const { ticket } = await listener('--alpn', 'other/1')
  const [{ code, stderr }, other] = await Promise.all([
    run('connect', ticket, ...LOOPBACK),
    run('connect', ticket, ...LOOPBACK, '--alpn', 'other/1', '-p', '1'),
  ])
  expect(code).toBe(1)
  expect(stderr).toMatch(/^tom: .*\(ALPN\).*\n$/)
  expect(other.code).toBe(0)
})

test('a listener that is stopped: the run ends with a summary and exit code 1 after three attempts', async () => {
  const { tom, ticket } = await listener()
  const args = ['-d', '200', '-p', '1000', '--json', '--timeout', '6000']
  const connecting = new Tom(hurried(10), 'connect', ticket, ...LOOPBACK, ...args)
  await connecting.match(/"seq":2/)
  tom.interrupt()
  const { code, stdout, stderr } = await connecting.ended
  expect(code).toBe(1)
  const lines = events(stdout)
  expect(lines.map(({ event }) => event).filter((event) => event !== 'ping')).toEqual([
    'started',
    'path_change',
    'hole_punch',
    'disconnected',
    'reconnecting',
    'reconnecting',
    'summary',
  ])
  expect(lines.filter(({ event }) => event === 'reconnecting').map(({ attempt }) => attempt)).toEqual([2, 3])
  expect(lines.at(-1)).toMatchObject({ failed_pings: 1, reconnections: 0 })
  expect(stderr).toContain('no answer from')
})
