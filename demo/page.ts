/** The demo's page: shows what the Worker tells, and passes on what a person does. Knows nothing of QUIC. */
import type { DemoConfig, ToPage, ToWorker } from './messages.ts'

const worker = new Worker('worker.js', { type: 'module' })
/** The connection that is shown: the latest. */
let shown: number | undefined

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found as T
}

function show(id: string, text: string): void {
  element(id).textContent = text
}

function ask(message: ToWorker): void {
  worker.postMessage(message)
}

function short(id: string): string {
  return `${id.slice(0, 10)}…`
}

/** A dot runs along the way: out when we sent, in when somebody else did. */
function pulse(direction: 'out' | 'in'): void {
  for (const [index, id] of (direction === 'out' ? ['leg-page', 'leg-peer'] : ['leg-peer', 'leg-page']).entries()) {
    const leg = element(id)
    setTimeout(() => {
      leg.classList.remove('is-out', 'is-in')
      // Read, so that the browser notices the class was gone and starts the animation anew.
      void leg.offsetWidth
      leg.classList.add(direction === 'out' ? 'is-out' : 'is-in')
    }, index * 400)
  }
}

function log(kind: 'mine' | 'theirs' | 'note', text: string, small?: string): void {
  const line = document.createElement('li')
  line.className = kind
  line.append(text)
  if (small !== undefined) {
    const detail = document.createElement('small')
    detail.textContent = small
    line.append(detail)
  }
  const list = element('log')
  list.append(line)
  list.scrollTop = list.scrollHeight
}

function setConnected(isConnected: boolean): void {
  for (const id of ['hang-up', 'say-button', 'text']) element<HTMLButtonElement>(id).disabled = !isConnected
  for (const id of ['leg-peer', 'stop-peer']) element(id).classList.toggle('is-on', isConnected)
  if (isConnected) return
  shown = undefined
  show('peer', 'none')
  show('kind', 'none')
  show('rtt', '–')
  show('way-peer', 'nobody yet')
  show('way-side', 'peer')
  element('kind').dataset.kind = ''
}

function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`
}

function receive(message: ToPage): void {
  switch (message.type) {
    case 'bound':
      show('id', message.id)
      show('way-page', short(message.id))
      element('stop-page').classList.add('is-on')
      break
    case 'home':
      show('relay', message.relay)
      show('way-relay', message.ticket === undefined ? 'lost, trying again' : new URL(message.relay).host)
      for (const id of ['dot', 'leg-page', 'stop-relay'])
        element(id).classList.toggle('is-on', message.ticket !== undefined)
      if (message.ticket === undefined) break
      show('ticket', message.ticket)
      for (const id of ['copy', 'dial-button']) element<HTMLButtonElement>(id).disabled = false
      break
    case 'connected':
      shown = message.peer
      setConnected(true)
      element<HTMLButtonElement>('dial-button').disabled = false
      show('peer', short(message.id))
      show('way-peer', short(message.id))
      show('way-side', message.side === 'client' ? 'the peer we dialled' : 'the peer that dialled us')
      log('note', message.side === 'client' ? `connected to ${short(message.id)}` : `${short(message.id)} dialled us`)
      element('text').focus({ preventScroll: true })
      break
    case 'path':
      if (message.peer !== shown) break
      show('kind', message.kind)
      element('kind').dataset.kind = message.kind
      element('kind').title = message.remote
      show('rtt', milliseconds(message.rttMs))
      break
    case 'echoed':
      log('mine', message.text, `came back after ${milliseconds(message.rttMs)}`)
      break
    case 'heard':
      pulse('in')
      log('theirs', message.text, 'from the peer')
      break
    case 'closed':
      log('note', message.reason)
      if (message.peer === shown) setConnected(false)
      break
    case 'failed':
      show('problem', message.reason)
      if (message.what === 'dial') element<HTMLButtonElement>('dial-button').disabled = false
      break
  }
}

worker.onmessage = ({ data }: MessageEvent<ToPage>) => receive(data)
worker.onerror = () => show('problem', 'the Worker did not start; the console of the browser says why')

element('dial').addEventListener('submit', (event) => {
  event.preventDefault()
  show('problem', '')
  element<HTMLButtonElement>('dial-button').disabled = true
  ask({ type: 'dial', ticket: element<HTMLTextAreaElement>('target').value.trim() })
})
element('say').addEventListener('submit', (event) => {
  event.preventDefault()
  const field = element<HTMLInputElement>('text')
  if (shown === undefined || field.value === '') return
  pulse('out')
  ask({ type: 'say', peer: shown, text: field.value })
  field.value = ''
})
element('hang-up').addEventListener('click', () => {
  if (shown !== undefined) ask({ type: 'hang-up', peer: shown })
})
element('copy').addEventListener('click', async () => {
  await navigator.clipboard.writeText(element('ticket').textContent ?? '')
  show('copy', 'Copied')
  setTimeout(() => show('copy', 'Copy'), 1500)
})

const config = (await (await fetch('config.json')).json()) as DemoConfig
element<HTMLTextAreaElement>('target').value = config.node
ask({ type: 'start', relays: config.relays })
