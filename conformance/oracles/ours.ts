/**
 * tom-transport as client and server for the hq-interop ALPN: an engine and a driver with X.509, below the public face, which has raw public keys
 * alone. It owns one node per role; what streams carry is `hq.ts`'.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodePem } from '../../src/crypto/index.ts'
import { createNodeCrypto } from '../../src/crypto/node/index.ts'
import { Driver, type DriverOptions } from '../../src/driver/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'
import { Engine, type EngineConfig, type QuicSettings, TrustedRoots } from '../../src/quic/index.ts'
import { HqDownload, HqServing } from './hq.ts'
import type { ClientOptions, Implementation, RunningServer, ServerOptions } from './implementation.ts'

const ALPN = new TextEncoder().encode('hq-interop')
const TLS_CHACHA20_POLY1305_SHA256 = 0x1303
/** What `smallWindows` means, bytes; as in the reference programs. */
const SMALL_CONNECTION_WINDOW = 128 * 1024
const SMALL_STREAM_WINDOW = 64 * 1024
/** For the last packets of a connection, ms. */
const LINGER_MS = 50

interface Node {
  readonly driver: Driver
  readonly platform: NodePlatform
  /** Rejects when the driver or a handler threw: a defect of ours. */
  readonly fault: Promise<never>
}

async function openNode(
  settings: Partial<QuicSettings>,
  keyLog: string | undefined,
  server: EngineConfig['server'] | undefined,
  onIncoming: DriverOptions['onIncoming'],
): Promise<Node> {
  const platform = new NodePlatform()
  const { random } = platform
  let onFault = (_error: unknown): void => {}
  const fault = new Promise<never>((_, reject) => {
    onFault = reject
  })
  // Whoever waits for nothing else does not look at it.
  fault.catch(() => {})
  const secretKey = new Uint8Array(32)
  random.fill(secretKey)
  const driver = new Driver({
    platform,
    createEngine: (slots, routes) =>
      new Engine({
        crypto: createNodeCrypto(),
        random,
        slots,
        routes,
        settings,
        secretKey,
        ...(keyLog === undefined ? {} : { keyLog: (line: string) => appendFileSync(keyLog, `${line}\n`) }),
        ...(server === undefined ? {} : { server }),
      }),
    onIncoming,
    onFault: (error) => onFault(error),
  })
  driver.addSocket(await platform.bindUdp({ host: '127.0.0.1', port: 0 }))
  return { driver, platform, fault }
}

async function closeNode({ driver }: Node): Promise<void> {
  for (const connection of driver.engine.connections) driver.closeConnection(connection, 0, '')
  await new Promise((resolve) => setTimeout(resolve, LINGER_MS))
  await driver.close()
}

function suites(chacha20: boolean): Partial<QuicSettings> {
  return chacha20 ? { suites: [TLS_CHACHA20_POLY1305_SHA256] } : {}
}

async function startServer(options: ServerOptions, settings: Partial<QuicSettings>): Promise<RunningServer> {
  const { www, certificate, chacha20, retry } = options
  const pem = (file: string): string => readFileSync(file, 'utf8')
  const [privateKey] = decodePem(pem(certificate.key), 'PRIVATE KEY')
  const server = {
    alpns: () => [ALPN],
    certificate: { chain: decodePem(pem(certificate.chain), 'CERTIFICATE'), privateKey: privateKey! },
  }
  const node = await openNode({ ...suites(chacha20), ...settings }, undefined, server, (incoming) => {
    const { driver } = node
    if (retry && !incoming.validated) {
      driver.retry(incoming)
      return
    }
    const serving = new HqServing(driver, (name) => readFileSync(join(www, name)))
    serving.attach(driver.accept(incoming, serving))
  })
  return {
    address: `127.0.0.1:${node.driver.sockets[0]!.port}`,
    stop: async () => {
      await closeNode(node)
      await Promise.race([node.fault, Promise.resolve()])
    },
  }
}

async function download(options: ClientOptions, more: Partial<QuicSettings>, signal: AbortSignal): Promise<void> {
  const { files, parallel } = options
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
  // Nobody looks at it when all is done.
  aborted.catch(() => {})
  if (parallel === 0) return connectAndDownload(options, more, files, aborted)
  const waiting = [...files]
  const worker = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
      await connectAndDownload(options, more, [name], aborted)
  }
  await Promise.all(Array.from({ length: parallel }, worker))
}

async function connectAndDownload(
  options: ClientOptions,
  more: Partial<QuicSettings>,
  files: readonly string[],
  aborted: Promise<never>,
): Promise<void> {
  const { address, ca, downloads, keyLog, chacha20, smallWindows, keyUpdateAt, migrateAt } = options
  const windows = {
    connectionReceiveWindow: SMALL_CONNECTION_WINDOW,
    streamReceiveWindow: SMALL_STREAM_WINDOW,
  }
  const settings = { ...suites(chacha20), ...(smallWindows ? windows : {}), ...more }
  const node = await openNode(settings, keyLog, undefined, () => {})
  const { driver, platform } = node
  const [host, port] = address.split(':')
  const transfer = new HqDownload(driver, files, (name, bytes) => writeFileSync(join(downloads, name), bytes))
  try {
    const connection = driver.connect(
      {
        authentication: {
          kind: 'x509',
          serverName: 'localhost',
          roots: new TrustedRoots(decodePem(readFileSync(ca, 'utf8'), 'CERTIFICATE')),
          nowUnixSeconds: platform.wallClock() / 1000,
        },
        alpns: [ALPN],
        routes: [driver.route(host!, Number(port))!],
      },
      transfer,
    )
    transfer.attach(connection)
    if (keyUpdateAt > 0) transfer.after(keyUpdateAt, () => connection.updateKeys(platform.now()))
    if (migrateAt > 0)
      transfer.after(migrateAt, async () => {
        const [old] = driver.sockets
        driver.addSocket(await platform.bindUdp({ host: '127.0.0.1', port: 0 }))
        await driver.removeSocket(old!)
        connection.migrate(driver.route(host!, Number(port))!, platform.now())
        driver.touch(connection)
      })
    await Promise.race([transfer.done, node.fault, aborted])
  } finally {
    await closeNode(node)
  }
}

/** `settings` for both roles, over those of the test case. */
export function tomTransport(settings: Partial<QuicSettings> = {}): Implementation {
  return {
    name: 'tom-transport',
    isOurs: true,
    startServer: (options) => startServer(options, settings),
    download: (options, signal) => download(options, settings, signal),
  }
}
