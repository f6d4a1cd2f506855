/**
 * A home router in virtual time, written from the RFCs and not from what is tested: PCP, NAT-PMP and UPnP servers with a table of mappings that they
 * share, and the host behind it.
 */
import { Alarms } from '../../../src/holepunch/net-report/alarms.ts'
import type {
  Gateway,
  HttpAnswer,
  HttpRequestOptions,
  HttpResponse,
  UdpSocket,
  UdpSocketOptions,
  WebClient,
  WebSocketLink,
} from '../../../src/platform/index.ts'
import { VirtualPlatform, type VirtualSocket } from '../../driver/virtual-platform.ts'

export interface TableEntry {
  readonly internal: string
  readonly internalPort: number
  /** ms; Infinity: for ever. */
  endsAt: number
  readonly nonce?: string
  readonly description?: string
}

/** What the router was asked for. */
export interface Heard {
  /** ms since the platform's start. */
  readonly at: number
  /** `pcp announce`, `pcp map`, `pcp delete`, `pmp address`, `pmp map`, `pmp delete`, `search`, `describe`, or a UPnP action. */
  readonly what: string
  /** Of datagrams. */
  readonly hex?: string
  readonly body?: string
}

export class VirtualRouter {
  address = '192.168.1.1'
  externalIp = '203.0.113.7'
  pcp = true
  natPmp = true
  /** 0: none. */
  upnp: 0 | 1 | 2 = 2
  latencyMs = 2
  /** Of all mappings, at most, seconds. */
  mostSeconds = 100_000
  /** Answers get lost while it returns true; the router has done what it was asked for. */
  losesAnswer: (heard: Heard) => boolean = () => false
  /** Requests get lost. */
  losesRequest: (heard: Heard) => boolean = () => false
  /** Result codes instead of what was asked for, by `Heard.what`; UPnP: error codes, taken one after the other. */
  readonly refuses = new Map<string, number[]>()
  httpPort = 5000
  /** ms */
  bootedAt = 0
  /** UDP, by external port. */
  readonly table = new Map<number, TableEntry>()
  readonly heard: Heard[] = []
  /** The description's service list; default by `upnp`. */
  services: string | undefined
  location: string | undefined
  readonly platform: RouterPlatform

  constructor(platform: RouterPlatform) {
    this.platform = platform
    this.bootedAt = platform.time - 1_000_000
  }

  /** Forgets all; UPnP comes back on another port. */
  reboot(): void {
    this.table.clear()
    this.bootedAt = this.platform.time
    this.httpPort++
  }

  get epoch(): number {
    return Math.floor((this.platform.time - this.bootedAt) / 1000)
  }

  times(what: string): number[] {
    return this.heard.filter((heard) => heard.what === what).map(({ at }) => at)
  }

  hear(what: string, more: Omit<Heard, 'at' | 'what'> = {}): Heard {
    const heard = { at: this.platform.time - this.platform.startedAt, what, ...more }
    this.heard.push(heard)
    return heard
  }

  refusal(what: string): number | undefined {
    return this.refuses.get(what)?.shift()
  }

  /** Mappings end at their time. */
  expire(): void {
    for (const [port, { endsAt }] of this.table) if (endsAt <= this.platform.time) this.table.delete(port)
  }

  seconds(wished: number): number {
    return Math.min(wished, this.mostSeconds)
  }

  endsAt(seconds: number): number {
    return this.platform.time + seconds * 1000
  }

  /** The answer to a datagram at port 5351. */
  answerUdp(data: Uint8Array, from: string): Uint8Array | undefined {
    const hex = Buffer.from(data).toString('hex')
    if (data[0] === 2) return this.#pcp(Buffer.from(data), hex, from)
    return this.natPmp && data[0] === 0 ? this.#natPmp(Buffer.from(data), hex, from) : undefined
  }

  #pcp(data: Buffer, hex: string, from: string): Buffer | undefined {
    const isMap = data[1] === 1
    const lifetime = data.readUInt32BE(4)
    const heard = this.hear(isMap ? (lifetime === 0 ? 'pcp delete' : 'pcp map') : 'pcp announce', { hex })
    if (this.losesRequest(heard)) return undefined
    if (!this.pcp) {
      // RFC 6887 appendix A
      const answer = Buffer.from([0, 0x80 | data[1]!, 0, 1, 0, 0, 0, 0])
      answer.writeUInt32BE(this.epoch, 4)
      return this.natPmp ? answer : undefined
    }
    const answer = Buffer.from(data)
    answer.fill(0, 8, 24)
    answer[1]! |= 0x80
    answer.writeUInt32BE(this.epoch, 8)
    answer[3] = this.refusal(heard.what) ?? this.#doPcp(data, answer, from)
    return this.losesAnswer(heard) ? undefined : answer
  }

  /** Returns the result code. */
  #doPcp(data: Buffer, answer: Buffer, from: string): number {
    if (data.subarray(8, 24).toString('hex') !== mapped(from)) return 12
    if (data[1] !== 1) return 0
    const nonce = data.subarray(24, 36).toString('hex')
    const internalPort = data.readUInt16BE(40)
    const held = this.#heldBy(from, internalPort)
    if (held !== undefined && this.table.get(held)?.nonce !== nonce) return 2
    if (data.readUInt32BE(4) === 0) {
      if (held !== undefined) this.table.delete(held)
      return 0
    }
    const port = held ?? this.#freePort(data.readUInt16BE(42))
    const granted = this.seconds(data.readUInt32BE(4))
    this.table.set(port, { internal: from, internalPort, endsAt: this.endsAt(granted), nonce })
    answer.writeUInt32BE(granted, 4)
    answer.writeUInt16BE(port, 42)
    Buffer.from(mapped(this.externalIp), 'hex').copy(answer, 44)
    return 0
  }

  #natPmp(data: Buffer, hex: string, from: string): Buffer | undefined {
    const isMap = data[1] === 1
    const heard = this.hear(isMap ? (data.readUInt32BE(8) === 0 ? 'pmp delete' : 'pmp map') : 'pmp address', { hex })
    if (this.losesRequest(heard)) return undefined
    const answer = Buffer.alloc(isMap ? 16 : 12)
    answer[1] = 0x80 | data[1]!
    answer.writeUInt32BE(this.epoch, 4)
    const refusal = this.refusal(heard.what)
    if (refusal !== undefined) answer.writeUInt16BE(refusal, 2)
    else if (!isMap) Buffer.from(mapped(this.externalIp), 'hex').copy(answer, 8, 12)
    else {
      const internalPort = data.readUInt16BE(4)
      const held = this.#heldBy(from, internalPort)
      const granted = this.seconds(data.readUInt32BE(8))
      answer.writeUInt16BE(internalPort, 8)
      if (granted === 0) {
        if (held !== undefined) this.table.delete(held)
      } else {
        const port = held ?? this.#freePort(data.readUInt16BE(6))
        this.table.set(port, { internal: from, internalPort, endsAt: this.endsAt(granted) })
        answer.writeUInt16BE(port, 10)
        answer.writeUInt32BE(granted, 12)
      }
    }
    return this.losesAnswer(heard) ? undefined : answer
  }

  #heldBy(internal: string, internalPort: number): number | undefined {
    this.expire()
    return [...this.table].find(([, one]) => one.internal === internal && one.internalPort === internalPort)?.[0]
  }

  #freePort(wished: number): number {
    let port = wished
    while (this.table.has(port)) port++
    return port
  }

  answerSearch(data: Uint8Array): Uint8Array | undefined {
    const text = Buffer.from(data).toString()
    const heard = this.hear('search', { body: text })
    if (this.upnp === 0 || this.losesRequest(heard)) return undefined
    const location = this.location ?? `http://${this.address}:${this.httpPort}/root.xml`
    const lines = [
      'HTTP/1.1 200 OK',
      'Cache-Control: max-age=120',
      'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1',
      'EXT:',
      `Location: ${location}`,
    ]
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  }

  /** Undefined: no answer ever. */
  answerHttp({ method, url, body }: HttpRequestOptions): { status: number; text: string } | undefined {
    const { host, pathname } = new URL(url)
    if (host !== `${this.address}:${this.httpPort}` || this.upnp === 0) throw new Error(`nobody listens at ${url}`)
    if (method === 'GET') {
      this.hear('describe')
      return pathname === '/root.xml' ? { status: 200, text: this.#description() } : { status: 404, text: '' }
    }
    const text = Buffer.from(body ?? []).toString()
    const action = /<u:(\w+)/.exec(text)?.[1] ?? ''
    const heard = this.hear(action, { body: text })
    if (this.losesRequest(heard)) return undefined
    const result = this.refusal(action) ?? this.#act(action, (name) => argumentOf(text, name))
    if (this.losesAnswer(heard)) return undefined
    return typeof result === 'number'
      ? { status: 500, text: fault(result) }
      : { status: 200, text: success(action, result) }
  }

  #description(): string {
    const service =
      this.services ??
      `<service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:${this.upnp}</serviceType><controlURL>/ctl</controlURL></service>`
    return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device><deviceList><device><serviceList>${service}</serviceList></device></deviceList></device></root>`
  }

  /** Values, or an error code. */
  #act(action: string, arg: (name: string) => string): Readonly<Record<string, string>> | number {
    this.expire()
    const port = Number(arg('NewExternalPort'))
    const entry = this.table.get(port)
    switch (action) {
      case 'GetExternalIPAddress':
        return { NewExternalIPAddress: this.externalIp }
      case 'GetSpecificPortMappingEntry':
        return entry === undefined ? 714 : { NewInternalClient: entry.internal }
      case 'DeletePortMapping':
        return this.table.delete(port) ? {} : 714
      case 'AddAnyPortMapping':
      case 'AddPortMapping': {
        if (action === 'AddAnyPortMapping' && this.upnp < 2) return 401
        const internal = arg('NewInternalClient')
        const internalPort = Number(arg('NewInternalPort'))
        const isForeign = entry !== undefined && (entry.internal !== internal || entry.internalPort !== internalPort)
        if (isForeign && action === 'AddPortMapping') return 718
        const reserved = isForeign ? this.#freePort(port) : port
        const lease = Number(arg('NewLeaseDuration'))
        this.table.set(reserved, {
          internal,
          internalPort,
          endsAt: lease === 0 ? Number.POSITIVE_INFINITY : this.endsAt(this.seconds(lease)),
          description: arg('NewPortMappingDescription'),
        })
        return action === 'AddAnyPortMapping' ? { NewReservedPort: String(reserved) } : {}
      }
      default:
        return 401
    }
  }
}

/** 16 bytes as hex. */
function mapped(ip: string): string {
  return `${'0'.repeat(20)}ffff${Buffer.from(ip.split('.').map(Number)).toString('hex')}`
}

function argumentOf(text: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? ''
}

const envelope = (content: string): string =>
  `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${content}</s:Body></s:Envelope>`

function success(action: string, values: Readonly<Record<string, string>>): string {
  const inner = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`)
  return envelope(`<u:${action}Response xmlns:u="x">${inner.join('')}</u:${action}Response>`)
}

export function fault(code: number): string {
  return envelope(
    `<s:Fault><faultcode>s:Client</faultcode><detail><UPnPError xmlns="x"><errorCode>${code}</errorCode></UPnPError></detail></s:Fault>`,
  )
}

/** The host behind the router. */
export class RouterPlatform extends VirtualPlatform {
  readonly startedAt = this.time
  readonly web: WebClient = new RouterWeb(this)
  readonly alarms = new Alarms(this)
  /** The default route; undefined: none. */
  router: VirtualRouter | undefined = new VirtualRouter(this)
  /** Also reachable. */
  readonly formerRouters: VirtualRouter[] = []
  local = '192.168.1.10'
  /** Sees what is sent, before it goes on its way. */
  onSend: (data: Uint8Array, host: string, port: number, socket: VirtualSocket) => void = () => {}
  /** URLs of all HTTP requests. */
  readonly requested: string[] = []
  /** HTTP requests that are neither answered nor aborted. */
  openRequests = 0

  gateway(): Promise<Gateway | undefined> {
    const { router, local } = this
    return Promise.resolve(router === undefined ? undefined : { address: router.address, local })
  }

  get routers(): readonly VirtualRouter[] {
    return this.router === undefined ? this.formerRouters : [this.router, ...this.formerRouters]
  }

  override async bindUdp(options: UdpSocketOptions): Promise<UdpSocket> {
    const socket = (await super.bindUdp(options)) as VirtualSocket
    const { send } = socket
    socket.send = (data, start, length, host, port, done) => {
      send.call(socket, data, start, length, host, port, done)
      this.#carry(socket, data.slice(start, start + length), host, port)
    }
    return socket
  }

  get openSockets(): number {
    return this.sockets.filter(({ isClosed }) => !isClosed).length
  }

  #carry(socket: VirtualSocket, data: Uint8Array, host: string, port: number): void {
    this.onSend(data, host, port, socket)
    for (const router of this.routers) {
      const isSearch = host === '239.255.255.250' && port === 1900 && router === this.router
      if (!isSearch && (host !== router.address || port !== 5351)) continue
      this.alarms.after(router.latencyMs, () => {
        const answer = isSearch ? router.answerSearch(data) : router.answerUdp(data, socket.host)
        if (answer === undefined) return
        this.alarms.after(router.latencyMs, () => {
          if (!socket.isClosed) socket.onMessage(answer, router.address, port)
        })
      })
    }
  }
}

class RouterWeb implements WebClient {
  readonly canSetHeaders = true
  readonly #platform: RouterPlatform

  constructor(platform: RouterPlatform) {
    this.#platform = platform
  }

  request(options: HttpRequestOptions): Promise<HttpResponse> {
    const platform = this.#platform
    const { signal, maxBody } = options
    const router = platform.routers.find(({ address }) => new URL(options.url).hostname === address)
    return new Promise((resolve, reject) => {
      platform.requested.push(options.url)
      platform.openRequests++
      const settle = (tell: () => void): void => {
        cancel()
        signal?.removeEventListener('abort', onAbort)
        platform.openRequests--
        tell()
      }
      const onAbort = (): void => settle(() => reject(signal?.reason))
      const cancel = platform.alarms.after(2 * (router?.latencyMs ?? 0), () => {
        try {
          if (router === undefined) throw new Error('no route')
          const answer = router.answerHttp(options)
          if (answer === undefined) return
          const body = Buffer.from(answer.text)
          if (body.length > maxBody) throw new Error('too large')
          settle(() => resolve({ status: answer.status, header: () => undefined, body }))
        } catch (error) {
          settle(() => reject(error))
        }
      })
      if (signal?.aborted === true) onAbort()
      else signal?.addEventListener('abort', onAbort)
    })
  }

  get(): Promise<HttpAnswer> {
    return Promise.reject(new Error('not here'))
  }

  openWebSocket(): Promise<WebSocketLink> {
    return Promise.reject(new Error('not here'))
  }
}
