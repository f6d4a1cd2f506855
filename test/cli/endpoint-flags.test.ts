import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { describe, expect, onTestFinished, test } from 'vitest'
import { addEndpointFlags, endpointFlags, endpointOptions } from '../../src/cli/endpoint-flags.ts'
import { UsageError } from '../../src/cli/run.ts'

const NOTHING = { relays: [], stunServers: [], externalAddresses: [], portMapping: false, birthday: true }

/** What a command with these flags would get, and what it would print instead. */
function parse(...args: string[]): { values: object; error: string } {
  let error = ''
  const command = addEndpointFlags(new Command('tom'))
    .exitOverride()
    .configureOutput({ writeErr: (text) => (error += text) })
  try {
    command.parse(args, { from: 'user' })
  } catch {
    // It was printed.
  }
  return { values: command.opts(), error }
}

test('without flags: no relay, no STUN server, nothing asked of the router, birthday probing on', async () => {
  expect(await endpointFlags({}, {})).toEqual(NOTHING)
})

test('flags as Endpoint.bind takes them, in the order they were given', async () => {
  const values = {
    stun: ['stun.example.org:3478', '[2001:db8::1]:3478'],
    external: ['203.0.113.7:4433', '[2001:db8::7]:4433'],
    portMapping: true as const,
    birthday: false,
    relay: ['https://relay.example/'],
    bind: ['127.0.0.1:0'],
  }
  const flags = await endpointFlags(values, { TOM_STUN: 'unused.example:1', TOM_RELAYS: 'https://unused.example' })
  const expected = {
    relays: [{ url: 'https://relay.example/' }],
    bind: ['127.0.0.1:0'],
    stunServers: values.stun,
    externalAddresses: values.external,
    portMapping: true,
    birthday: false,
  }
  expect(flags).toEqual(expected)
  const lines: string[] = []
  const output = { stdout: () => expect.unreachable(), stderr: (line: string) => lines.push(line) }
  const { onError, ...options } = endpointOptions(flags, { output })
  expect(options).toEqual(expected)
  onError!(new Error('broken'))
  expect(lines).toEqual(['tom: Error: broken'])
})

test('the environment: commas or spaces between servers and relays; a token goes to each relay', async () => {
  const env = { TOM_STUN: ' a.example:3478, 192.0.2.1:3479', TOM_RELAYS: 'https://a https://b', TOM_RELAY_TOKEN: 't' }
  expect(await endpointFlags({}, env)).toEqual({
    ...NOTHING,
    relays: [
      { url: 'https://a', token: 't' },
      { url: 'https://b', token: 't' },
    ],
    stunServers: ['a.example:3478', '192.0.2.1:3479'],
  })
  expect(await endpointFlags({}, { TOM_STUN: '' })).toEqual(NOTHING)
})

test('a wrong server in the environment is wrong usage, and says where it stands', async () => {
  const error: unknown = await endpointFlags({}, { TOM_STUN: 'a.example:3478,b.example:0' }).catch((error) => error)
  expect(error).toBeInstanceOf(UsageError)
  expect(String(error)).toMatch(/TOM_STUN: .*"b\.example:0"/)
})

describe('wrong usage is one line that names the flag and the value', () => {
  test.each([
    ['--stun', 'stun.example.org:0', 'expected host:port'],
    ['--stun', 'stun.example.org:70000', 'expected host:port'],
    ['--stun', 'stun:stun.example.org:3478', 'expected host:port'],
    ['--stun', '2001:db8::1', 'expected host:port'],
    ['--external', '203.0.113.7', 'expected ip:port'],
    ['--external', 'example.org:4433', 'expected an IPv4'],
    ['--external', '2001:db8::1:4433', 'expected ip:port'],
    ['--external', '203.0.113.7:0', 'nobody can be reached there'],
    ['--external', '0.0.0.0:4433', 'nobody can be reached there'],
    ['--external', '224.0.0.1:4433', 'nobody can be reached there'],
  ])('%s %s', (flag, value, reason) => {
    const { error, values } = parse(flag, value)
    expect(values).toEqual({ birthday: true })
    expect(error).toMatch(/^error: [^\n]+\n$/)
    expect(error).toContain(`'${flag} `)
    expect(error).toContain(value)
    expect(error).toContain(reason)
  })
})

test('what commander makes of them', () => {
  expect(parse()).toEqual({ error: '', values: { birthday: true } })
  const args =
    '--stun a.example:1 --stun 192.0.2.1:2 --external 203.0.113.7:3 --external [2001:db8::7]:4 --port-mapping'
  expect(parse(...args.split(' '), '--no-birthday')).toEqual({
    error: '',
    values: {
      stun: ['a.example:1', '192.0.2.1:2'],
      external: ['203.0.113.7:3', '[2001:db8::7]:4'],
      portMapping: true,
      birthday: false,
    },
  })
})

test('certificates that cannot be read are wrong usage', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tom-flags-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const missing = endpointFlags({ relayCa: join(folder, 'missing.pem') }, {})
  await expect(missing).rejects.toThrow('cannot read the certificates of --relay-ca')
  await expect(missing).rejects.toBeInstanceOf(UsageError)
  const file = join(folder, 'some.pem')
  await writeFile(file, 'PEM')
  expect(await endpointFlags({ relayCa: file }, {})).toEqual({ ...NOTHING, caCertificates: ['PEM'] })
})
