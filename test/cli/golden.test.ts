/** The event lines of real runs over loopback, letter by letter but for what differs from run to run (spec/envelope.md §8.3). */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { writeKeyFile } from '../../src/cli/key-file.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { ALPN, bind, bytes, closeAfterEach } from '../endpoint/pair.ts'
import { events } from './events.ts'
import { folder, hurried, type Result, run, runEach, Tom, useTom } from './tom.ts'

useTom()
closeAfterEach()

/** A value that JSON would write otherwise does not match: a float without its point, an integer with one, an exponent. */
const MASKS: readonly (readonly [RegExp, string])[] = [
  [/"(\d{10})s"/g, '"<seconds>s"'],
  [/"[0-9a-f]{64}"/g, '"<id>"'],
  [/:(?:0|[1-9]\d*)\.\d{1,3}(?=[,}])/g, ':<float>'],
  [/:(?:0|[1-9]\d*)(?=[,}])/g, ':<integer>'],
  [/127\.0\.0\.1:\d+/g, '127.0.0.1:<port>'],
  [/"reason":"[^"]+"/g, '"reason":"<reason>"'],
]

function masked(line: string): string {
  return MASKS.reduce((text, [pattern, mask]) => text.replace(pattern, mask), line)
}

/** What was printed, values masked; a line that repeats the one before is left out. */
function shape(stdout: string): string[] {
  const lines = stdout.trimEnd().split('\n').map(masked)
  return lines.filter((line, index) => line !== lines[index - 1])
}

const STARTED = (name: string, mode: string): string =>
  `{"event":"started","name":"${name}","id":"<id>","mode":"${mode}","timestamp":"<seconds>s"}`
const DIRECT =
  '{"event":"path_change","selected":"DIRECT","rtt_ms":<float>,"paths":["ip:Ip(127.0.0.1:<port>)*"],"elapsed_s":<float>}'
const PING = '{"event":"ping","seq":<integer>,"rtt_ms":<float>,"via":"DIRECT","elapsed_s":<float>}'
const HOLE_PUNCH = (success: boolean): string =>
  `{"event":"hole_punch","success":${success},"time_to_direct_s":<float>,"relay_rtt_ms":<float>,"direct_rtt_ms":<float>,"direct_path_at_s":<float>}`
const DISCONNECTED =
  '{"event":"disconnected","reason":"<reason>","session_pings":<integer>,"elapsed_s":<float>,"timestamp":"<seconds>s"}'
const RECONNECTING = '{"event":"reconnecting","attempt":<integer>,"elapsed_s":<float>,"timestamp":"<seconds>s"}'
const RECONNECTED =
  '{"event":"reconnected","attempt":<integer>,"reconnect_time_ms":<float>,"elapsed_s":<float>,"timestamp":"<seconds>s"}'
const SUMMARY = (name: string, hasPunched: boolean): string =>
  `{"event":"summary","name":"${name}","total_pings":<integer>,"successful_pings":<integer>,"failed_pings":<integer>,` +
  `"direct_pings":<integer>,"relay_pings":<integer>,"direct_pct":<float>,"avg_rtt_direct_ms":<float>,"avg_rtt_relay_ms":<float>,` +
  `"hole_punch_success":${hasPunched},"time_to_direct_s":<float>,"reconnections":<integer>,"total_disconnected_s":<float>,"elapsed_s":<float>}`

interface Listening {
  readonly tom: Tom
  readonly ticket: string
  readonly address: string
}

async function listen(...args: string[]): Promise<Listening> {
  const tom = new Tom('listen', '--json', ...args)
  const [, address] = await tom.match(/listening on (\S+)/)
  const [, ticket] = await tom.match(/ticket: (endpoint\S+)/)
  return { tom, ticket: ticket!, address: address! }
}

test('spec/envelope.md §8.3: a continuous run whose listener is restarted: every event but the missed hole_punch', {
  timeout: 60_000,
}, async () => {
  const key = join(folder, 'restarted.key')
  await writeKeyFile(key, SecretKey.generate())
  const first = await listen('--bind', '127.0.0.1:0', '--name', 'B', '--secret-file', key)
  const flags = ['--continuous', '-d', '100', '--summary-interval', '3', '--timeout', '8000', '--max-reconnects', '0']
  const bound = ['--bind', '127.0.0.1:0']
  const connecting = new Tom(hurried(10), 'connect', first.ticket, ...bound, '--json', '-n', 'A', ...flags)
  await connecting.match(/"event":"summary"/)
  first.tom.interrupt()
  await first.tom.ended
  await connecting.match(/"event":"reconnecting"/)
  // The same key at the same place: nobody has to be told.
  const second = await listen('--bind', first.address, '--name', 'B', '--secret-file', key)
  await connecting.match(/"event":"reconnected".*\n.*\n.*"event":"ping"/)
  connecting.interrupt()
  const { code, stdout, stderr } = await connecting.ended
  expect(code).toBe(0)
  const lines = shape(stdout)
  const summary = SUMMARY('A', true)
  const lost = lines.indexOf(DISCONNECTED)
  expect(lines.slice(0, 5)).toEqual([STARTED('A', 'connect-continuous'), DIRECT, PING, HOLE_PUNCH(true), PING])
  // Between the first pings and the loss: pings, and after every third a summary.
  expect(new Set(lines.slice(4, lost))).toEqual(new Set([PING, summary]))
  expect(lines.slice(lost, lost + 5)).toEqual([DISCONNECTED, RECONNECTING, RECONNECTED, DIRECT, PING])
  expect(new Set(lines.slice(lost + 4))).toEqual(new Set([PING, summary]))
  expect(lines.at(-1)).toBe(summary)
  expect(stderr).not.toContain('"event"')
  // The listeners: each reports the path of the connection that it had.
  second.tom.interrupt()
  for (const { tom } of [first, second]) {
    expect(shape((await tom.ended).stdout)).toEqual([STARTED('B', 'listen'), DIRECT])
  }
})

test('spec/envelope.md §8.3, CLI-4: a run without a ping over a direct path ends with hole_punch false and a summary of zeros', async () => {
  const liar = await bind({ alpns: [] })
  liar.router().accept(ALPN, async (connection) => {
    for (;;) {
      const { send, recv } = await connection.acceptBi()
      await recv.readToEnd(1024)
      await send.write(bytes('no echo'))
      await send.finish()
    }
  })
  const flags = ['--bind', '127.0.0.1:0', '--alpn', ALPN, '--json', '-n', 'A', '-p', '2', '-d', '0']
  const { code, stdout } = await run('connect', liar.ticket().toString(), ...flags)
  expect(code).toBe(1)
  expect(shape(stdout)).toEqual([STARTED('A', 'connect'), DIRECT, HOLE_PUNCH(false), SUMMARY('A', false)])
  const [punch, summary] = stdout.trimEnd().split('\n').slice(-2)
  const zeros = '"time_to_direct_s":0.0,"relay_rtt_ms":0.0,"direct_rtt_ms":0.0,"direct_path_at_s":0.0'
  expect(punch).toBe(`{"event":"hole_punch","success":false,${zeros}}`)
  const counts = '"total_pings":2,"successful_pings":0,"failed_pings":2,"direct_pings":0,"relay_pings":0'
  const averages = '"direct_pct":0.0,"avg_rtt_direct_ms":0.0,"avg_rtt_relay_ms":0.0'
  expect(summary).toContain(
    `${counts},${averages},"hole_punch_success":false,"time_to_direct_s":0.0,"reconnections":0,`,
  )
})

test('spec/envelope.md §8.3: from relay to direct, told by both sides', { timeout: 60_000 }, async () => {
  const relay = new Tom('relay', '--dev', '--bind', '127.0.0.1:0')
  const [, url] = await relay.match(/^relay: (http:\/\/127\.0\.0\.1:\d+\/)$/m)
  const flags = ['--bind', '127.0.0.1:0', '--relay', url!, '--json']
  const listening = new Tom('listen', ...flags, '-n', 'B')
  const [, id] = await listening.match(/"id":"([0-9a-f]{64})"/)
  await listening.match(/online at/)
  const connecting = new Tom('connect', id!, ...flags, '-n', 'A', '--continuous', '-d', '20')
  await Promise.all([connecting.match(/"event":"hole_punch"/), listening.match(/"selected":"DIRECT"/)])
  connecting.interrupt()
  const { code, stdout } = await connecting.ended
  listening.interrupt()
  const heard = (await listening.ended).stdout
  expect(code).toBe(0)
  const relayed = 'relay:Relay(RelayUrl(\\"http://127.0.0.1:<port>/\\"))'
  const change = (selected: string, paths: string): string =>
    `{"event":"path_change","selected":"${selected}","rtt_ms":<float>,"paths":[${paths}],"elapsed_s":<float>}`
  const both = [change('RELAY', `"${relayed}*"`), change('DIRECT', `"${relayed}","ip:Ip(127.0.0.1:<port>)*"`)]
  const changes = (text: string): string[] => shape(text).filter((line) => line.includes('path_change'))
  expect(changes(stdout)).toEqual(both)
  expect(changes(heard)).toEqual(both)
  expect(shape(stdout).at(-1)).toBe(SUMMARY('A', true))
  // However fast it was: what PoC-4 measures lies at or after the change of the path.
  const punch = events(stdout).find(({ event }) => event === 'hole_punch')!
  const toDirect = events(stdout).find(({ selected }) => selected === 'DIRECT')!
  expect(punch.direct_path_at_s).toBe(toDirect.elapsed_s)
  expect(punch.time_to_direct_s).toBeGreaterThanOrEqual(Number(punch.direct_path_at_s))
})

test('CLI-2: with --json nothing but events on stdout, whatever goes wrong', async () => {
  const results = await runEach([
    ['connect', 'nonsense', '--json'],
    ['connect', SecretKey.generate().id.toString(), '--bind', '127.0.0.1:0', '--json'],
  ])
  const [wrongUsage, nowhere] = results as [Result, Result]
  expect({ code: wrongUsage.code, stdout: wrongUsage.stdout }).toEqual({ code: 2, stdout: '' })
  expect(nowhere.code).toBe(1)
  expect(shape(nowhere.stdout)).toEqual([STARTED('Node', 'connect')])
  expect(nowhere.stderr).toMatch(/^tom: no address/)
})
