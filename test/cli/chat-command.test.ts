/** Lines of input as commands, and whom a person means. */
import { expect, test } from 'vitest'
import { parseCommand, parseJsonCommand } from '../../src/cli/chat-command.ts'
import { findPeer } from '../../src/cli/chat-who.ts'

test('a line is text unless a slash begins it; two slashes say one', () => {
  expect(parseCommand('hello /to')).toEqual({ kind: 'say', text: 'hello /to' })
  expect(parseCommand('//to Bob')).toEqual({ kind: 'say', text: '/to Bob' })
  expect(parseCommand('/to  Bob the 2nd ')).toEqual({ kind: 'to', who: 'Bob the 2nd' })
  expect(parseCommand('/to')).toMatchObject({ kind: 'wrong' })
  for (const kind of ['peers', 'ticket', 'help', 'quit'] as const) expect(parseCommand(`/${kind}`)).toEqual({ kind })
  expect(parseCommand('/dance')).toMatchObject({ kind: 'wrong', note: expect.stringContaining('/dance') })
  expect(parseCommand('/constructor')).toMatchObject({ kind: 'wrong' })
})

test('JSON lines: text with line feeds and slashes as they are, to somebody, read, quit; any other line is text', () => {
  expect(parseJsonCommand('{"text":"/a\\nb"}')).toEqual({ kind: 'say', text: '/a\nb' })
  expect(parseJsonCommand('{"text":"a","to":"Bob"}')).toEqual({ kind: 'say', text: 'a', to: 'Bob' })
  expect(parseJsonCommand('{"text":"a","to":7}')).toMatchObject({ kind: 'wrong' })
  expect(parseJsonCommand('{"to":"Bob"}')).toEqual({ kind: 'to', who: 'Bob' })
  expect(parseJsonCommand('{"read":"id"}')).toEqual({ kind: 'read', id: 'id' })
  expect(parseJsonCommand('{"peers":true}')).toEqual({ kind: 'peers' })
  expect(parseJsonCommand('{"quit":true}')).toEqual({ kind: 'quit' })
  expect(parseJsonCommand('{"dance":1}')).toMatchObject({ kind: 'wrong' })
  expect(parseJsonCommand('{not json')).toEqual({ kind: 'say', text: '{not json' })
  expect(parseJsonCommand('hello')).toEqual({ kind: 'say', text: 'hello' })
  expect(parseJsonCommand('/peers')).toEqual({ kind: 'peers' })
  expect(parseJsonCommand('null')).toEqual({ kind: 'say', text: 'null' })
})

test('whom a name or the beginning of an id means; two of one name are told apart by id', () => {
  const alice = { id: `abcd${'0'.repeat(60)}`, name: 'Alice' }
  const bob = { id: `abce${'0'.repeat(60)}`, name: 'Bob' }
  const impostor = { id: `ffff${'0'.repeat(60)}`, name: 'Alice' }
  const shadow = { id: `1111${'0'.repeat(60)}`, name: 'abce' }
  expect(findPeer([alice, bob], 'Bob')).toEqual({ peer: bob })
  expect(findPeer([alice, bob], 'bob')).toEqual({ peer: bob })
  expect(findPeer([alice, bob], 'abcd')).toEqual({ peer: alice })
  expect(findPeer([alice, bob], 'abc')).toMatchObject({ problem: expect.stringContaining('nobody') })
  expect(findPeer([alice, bob, impostor], 'Alice')).toEqual({
    problem: '"Alice" may be abcd000000 or ffff000000: say which',
  })
  expect(findPeer([alice, bob, impostor], 'ffff')).toEqual({ peer: impostor })
  // a name that looks like the id of another catches nothing
  expect(findPeer([bob, shadow], 'abce')).toHaveProperty('problem')
})
