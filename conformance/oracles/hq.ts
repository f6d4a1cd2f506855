/** hq-interop, HTTP/0.9 over QUIC streams, on the bare verbs and events of a connection: `GET /name` and FIN, then the bytes of the file and FIN. */
import type { ConnectionHandler, Driver } from '../../src/driver/index.ts'
import type { Connection, ConnectionEvent } from '../../src/quic/index.ts'

/** Bytes taken from a stream at once. */
const CHUNK = 65_536
/** A request is a line with a file name. */
const MAX_REQUEST = 1024

/** Reads what a stream has now. Returns true at its end; throws when the peer reset it. */
function drain(connection: Connection, id: number, take: (bytes: Uint8Array) => void): boolean {
  for (;;) {
    const result = connection.streams.read(id, CHUNK)
    if (result === 'empty') return false
    if (result === 'fin') return true
    if (result.kind === 'reset') throw new Error(`stream ${id} was reset with code ${result.code}`)
    take(result.bytes)
  }
}

/** The server's side of one connection. */
export class HqServing implements ConnectionHandler {
  readonly #driver: Driver
  readonly #read: (name: string) => Uint8Array
  readonly #requests = new Map<number, string>()
  /** What could not be written yet. */
  readonly #answers = new Map<number, Uint8Array>()
  #connection: Connection | undefined = undefined

  constructor(driver: Driver, read: (name: string) => Uint8Array) {
    this.#driver = driver
    this.#read = read
  }

  attach(connection: Connection): void {
    this.#connection = connection
  }

  onEvent(event: ConnectionEvent): void {
    if (event.type === 'connected' || event.type === 'stream-incoming') this.#accept()
    else if (event.type === 'stream-readable') this.#receive(event.id)
    else if (event.type === 'stream-writable') this.#send(event.id)
    else return
    this.#driver.touch(this.#connection!)
  }

  #accept(): void {
    for (;;) {
      const id = this.#connection!.streams.accept(true)
      if (id < 0) return
      this.#requests.set(id, '')
      this.#receive(id)
    }
  }

  #receive(id: number): void {
    // Said before it was read to its end in `#accept`.
    if (!this.#requests.has(id)) return
    const isAtEnd = drain(this.#connection!, id, (bytes) => {
      this.#requests.set(id, this.#requests.get(id) + Buffer.from(bytes).toString('latin1'))
    })
    const request = this.#requests.get(id)!
    if (request.length > MAX_REQUEST) throw new Error(`a request of more than ${MAX_REQUEST} bytes`)
    if (!isAtEnd) return
    this.#requests.delete(id)
    const name = /^GET \/([a-z0-9-]+)\r?\n?$/.exec(request)?.[1]
    if (name === undefined) throw new Error(`a request that is none: ${JSON.stringify(request)}`)
    this.#answers.set(id, this.#read(name))
    this.#send(id)
  }

  #send(id: number): void {
    const { streams } = this.#connection!
    const answer = this.#answers.get(id)
    if (answer === undefined) return
    const taken = streams.write(id, answer, 0, answer.length)
    if (taken < answer.length) {
      this.#answers.set(id, answer.subarray(taken))
      return
    }
    this.#answers.delete(id)
    streams.finish(id)
  }
}

interface Errand {
  readonly bytes: number
  readonly run: () => boolean | Promise<void>
}

/** The client's side: gets files over one connection, all at once as far as the server allows. */
export class HqDownload implements ConnectionHandler {
  /** Resolves when all files are complete, rejects when the connection, a stream or an errand fails. */
  readonly done: Promise<void>
  readonly #driver: Driver
  readonly #waiting: string[]
  readonly #save: (name: string, bytes: Uint8Array) => void
  readonly #open = new Map<number, { readonly name: string; readonly chunks: Uint8Array[] }>()
  readonly #errands: Errand[] = []
  #received = 0
  #connection: Connection | undefined = undefined
  #resolve = (): void => {}
  #reject = (_error: unknown): void => {}

  constructor(driver: Driver, files: readonly string[], save: (name: string, bytes: Uint8Array) => void) {
    this.#driver = driver
    this.#waiting = [...files]
    this.#save = save
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.done.catch(() => {})
  }

  attach(connection: Connection): void {
    this.#connection = connection
  }

  /** Something to do once so many bytes were received; false = not yet, with the next bytes again. */
  after(bytes: number, run: Errand['run']): void {
    this.#errands.push({ bytes, run })
  }

  onEvent(event: ConnectionEvent): void {
    try {
      if (event.type === 'connected' || event.type === 'stream-available') this.#request()
      else if (event.type === 'stream-readable') this.#receive(event.id)
      else if (event.type === 'closed') {
        const { reason } = event
        const code = 'code' in reason ? ` 0x${reason.code.toString(16)} ${reason.reason}` : ''
        throw new Error(`the connection was closed: ${reason.kind}${code}`)
      } else return
    } catch (error) {
      this.#reject(error)
    }
    this.#driver.touch(this.#connection!)
  }

  #request(): void {
    const { streams } = this.#connection!
    while (this.#waiting.length > 0) {
      const id = streams.open(true)
      if (id < 0) return
      const name = this.#waiting.shift()!
      this.#open.set(id, { name, chunks: [] })
      const line = Buffer.from(`GET /${name}\r\n`)
      if (streams.write(id, line, 0, line.length) < line.length) throw new Error('no room for a request')
      streams.finish(id)
    }
  }

  #receive(id: number): void {
    const file = this.#open.get(id)
    if (file === undefined) return
    const isAtEnd = drain(this.#connection!, id, (bytes) => {
      file.chunks.push(bytes)
      this.#received += bytes.length
    })
    if (isAtEnd) {
      this.#open.delete(id)
      this.#save(file.name, Buffer.concat(file.chunks))
    }
    this.#runErrands()
    if (this.#open.size === 0 && this.#waiting.length === 0) this.#resolve()
  }

  #runErrands(): void {
    while (this.#errands.length > 0 && this.#errands[0]!.bytes <= this.#received) {
      const result = this.#errands[0]!.run()
      if (result === false) return
      this.#errands.shift()
      if (result !== true) result.catch((error: unknown) => this.#reject(error))
    }
  }
}
