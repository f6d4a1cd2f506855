/** Pages for a browser from this machine: bundles a program for it, and serves a few files on the loopback interface. The browser tests use it, too. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { build } from 'esbuild'

export interface WebFile {
  readonly type: 'text/html' | 'text/css' | 'text/javascript' | 'application/json' | 'image/svg+xml'
  readonly body: string | Uint8Array
}

/**
 * One ES module for browsers out of a TypeScript file and all it imports, minified. Throws with esbuild's words where something of it needs Node.
 */
export async function bundleForBrowser(entry: string): Promise<WebFile> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2023',
    minify: true,
    legalComments: 'none',
    logLevel: 'silent',
  })
  return { type: 'text/javascript', body: outputFiles[0]!.contents }
}

export interface Pages {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly origin: string
  close(): Promise<void>
}

/** Serves `files` by their paths (`/` and so on). `policy` is the Content-Security-Policy of all of them; `port` 0 is any. */
export async function servePages(files: Readonly<Record<string, WebFile>>, policy: string, port = 0): Promise<Pages> {
  const server = createServer((request, response) => {
    const file = Object.hasOwn(files, request.url ?? '') ? files[request.url!] : undefined
    if (file === undefined) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, {
      'content-type': `${file.type}; charset=utf-8`,
      'content-security-policy': policy,
      'cache-control': 'no-store',
    })
    response.end(file.body)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const close = async (): Promise<void> => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}
