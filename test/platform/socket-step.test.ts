import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { socketStep } from '../../src/platform/node/socket-step.ts'
import { StubSocket } from './support/loopback.ts'

const failed = (reason: string): Error => new Error(reason)

function begin(signal = new AbortController().signal) {
  const socket = new StubSocket()
  const before = socket.eventNames().map((name) => [name, socket.listenerCount(name)])
  const promise = socketStep<string>(socket.asSocket(), signal, failed, (step) => {
    socket.on('error', () => {})
    step.on('secureConnect', () => step.done('connected'))
    step.on('data', (chunk: Buffer) => step.fail(new Error(chunk.toString())))
  })
  const leftovers = () => ({
    listeners: socket.eventNames().map((name) => [name, socket.listenerCount(name)]),
    signal: getEventListeners(signal, 'abort').length,
  })
  return { socket, promise, leftovers, clean: { listeners: [...before, ['error', 1]], signal: 0 } }
}

test('a step that is done leaves the socket, and no listener', async () => {
  const { socket, promise, leftovers, clean } = begin()
  socket.emit('secureConnect')
  expect(await promise).toBe('connected')
  expect(leftovers()).toEqual(clean)
  socket.emit('secureConnect')
  expect(socket.destroyed).toBe(false)
  socket.destroy()
})

test('a step that failed leaves no listener and no socket', async () => {
  const controller = new AbortController()
  const ways: [string, (socket: StubSocket) => void][] = [
    ['wrong', (socket) => socket.push('wrong')],
    ['enough', () => controller.abort(new Error('enough'))],
    ['read ECONNRESET', (socket) => socket.destroy(new Error('read ECONNRESET'))],
    ['the connection was closed', (socket) => socket.destroy()],
    ['the other side ended the connection', (socket) => socket.push(null)],
  ]
  for (const [message, way] of ways) {
    const { socket, promise, leftovers, clean } = begin(message === 'enough' ? controller.signal : undefined)
    if (message.startsWith('the other')) socket.resume()
    way(socket)
    await expect(promise).rejects.toThrow(message)
    expect(leftovers()).toEqual(clean)
    expect(socket.destroyed).toBe(true)
  }
  await expect(begin(controller.signal).promise).rejects.toThrow('enough')
  const gone = new StubSocket().destroy()
  const late = socketStep(gone.asSocket(), new AbortController().signal, failed, () => {})
  await expect(late).rejects.toThrow('the connection was closed')
})
