/** The script of a test page: starts the Worker, and gives the test one function, `call`, that asks it to do a task. */
import type { Answer, Request, Task } from './tasks.ts'

const worker = new Worker('worker.js', { type: 'module' })
const waiting = new Map<number, (answer: Answer) => void>()
let next = 1

const ready = new Promise<void>((resolve, reject) => {
  worker.onerror = (event) => reject(new Error(`the Worker did not start: ${event.message ?? 'see the messages'}`))
  worker.onmessage = ({ data }: MessageEvent<'ready' | Answer>) => {
    if (data === 'ready') {
      resolve()
      return
    }
    waiting.get(data.number)?.(data)
    waiting.delete(data.number)
  }
})

async function call(task: Task, args: unknown): Promise<Answer> {
  await ready
  const request: Request = { number: next++, task, args }
  return new Promise((resolve) => {
    waiting.set(request.number, resolve)
    worker.postMessage(request)
  })
}

Object.assign(globalThis, { call })
