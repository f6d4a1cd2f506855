/**
 * A signalling server that does what the earlier stack's does (spec/envelope.md §2.5), with real sockets: it believes everything, one registration a connection, and passes signals on without a look
 * at them. It can die and come back on its port, and be made to say anything.
 */
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

interface Registered {
  readonly socket: WebSocket
  readonly nodeId: string
  readonly username: string
  readonly publicKey: string
  readonly encryptionKey: string | undefined
}

type Json = Readonly<Record<string, unknown>>

export class SignallingServer {
  readonly port: number
  /** Every message that came, parsed. */
  readonly heard: Json[] = []
  /** Signals are not passed on while this is set. */
  isDeaf = false
  readonly #nodes = new Map<string, Registered>()
  #server: WebSocketServer

  private constructor(server: WebSocketServer) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.#serve()
  }

  static async start(port = 0): Promise<SignallingServer> {
    return new SignallingServer(await listen(port))
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`
  }

  get registered(): string[] {
    return [...this.#nodes.keys()]
  }

  /** Cuts everybody off and is gone. */
  async stop(): Promise<void> {
    const server = this.#server
    for (const socket of server.clients) socket.terminate()
    await new Promise<void>((resolve) => server.close(() => resolve()))
    this.#nodes.clear()
  }

  /** On the same port, knowing nobody. */
  async restart(): Promise<void> {
    this.#server = await listen(this.port)
    this.#serve()
  }

  /** Says `text` to whoever is registered as `id`, or to everybody. */
  say(text: string | Uint8Array, id?: string): void {
    for (const { nodeId, socket } of this.#nodes.values())
      if (id === undefined || id === nodeId) socket.send(text, { binary: typeof text !== 'string' })
  }

  #serve(): void {
    this.#server.on('connection', (socket) => {
      let self: string | undefined
      socket.on('error', () => {})
      socket.on('message', (data) => {
        self = this.#answer(socket, String(data), self)
      })
      socket.on('close', () => {
        const node = self === undefined ? undefined : this.#nodes.get(self)
        if (self === undefined) return
        this.#nodes.delete(self)
        if (node !== undefined) this.#presence('leave', node)
        this.#list()
      })
    })
  }

  /** Returns as whom the connection is registered from now on. */
  #answer(socket: WebSocket, text: string, self: string | undefined): string | undefined {
    const refuse = (error: string): string | undefined => {
      socket.send(JSON.stringify({ type: 'error', error }))
      return self
    }
    let message: Json
    try {
      message = JSON.parse(text) as Json
    } catch {
      return refuse('invalid JSON')
    }
    this.heard.push(message)
    switch (message.type) {
      case 'register': {
        const { nodeId, username, publicKey, encryptionKey } = message as Readonly<Record<string, string>>
        if (!nodeId || !username) return refuse('missing nodeId or username')
        const node = { socket, nodeId, username, publicKey: publicKey ?? '', encryptionKey }
        this.#nodes.set(nodeId, node)
        this.#presence('join', node)
        this.#list()
        return nodeId
      }
      case 'heartbeat':
        if (self !== undefined) this.#others(self, JSON.stringify({ type: 'heartbeat', from: self }))
        return self
      case 'role-assign':
        if (message.nodeId && message.roles) this.say(JSON.stringify({ ...message, from: self }))
        return self
      case 'signal': {
        if (!message.to || !message.from) return refuse('missing to or from')
        if (this.isDeaf) return self
        const target = this.#nodes.get(String(message.to))
        if (target === undefined) return refuse('peer not found')
        target.socket.send(JSON.stringify(message))
        return self
      }
      default:
        return self
    }
  }

  #presence(action: 'join' | 'leave', node: Registered): void {
    const { nodeId, username, publicKey, encryptionKey } = node
    this.#others(nodeId, JSON.stringify({ type: 'presence', action, nodeId, username, publicKey, encryptionKey }))
  }

  #list(): void {
    const participants = [...this.#nodes.values()].map(({ nodeId, username, encryptionKey }) => ({
      nodeId,
      username,
      encryptionKey,
    }))
    this.say(JSON.stringify({ type: 'participants', participants }))
  }

  #others(self: string, text: string): void {
    for (const { nodeId, socket } of this.#nodes.values()) if (nodeId !== self) socket.send(text)
  }
}

function listen(port: number): Promise<WebSocketServer> {
  return new Promise((resolve, reject) => {
    const server = new WebSocketServer({ port, host: '127.0.0.1' })
    server.once('listening', () => resolve(server))
    server.once('error', reject)
  })
}
