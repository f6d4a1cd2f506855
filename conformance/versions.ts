/** Which reference peers a run is about, read from what is installed and locked. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** Version of a crate in the lock file of the native program. */
export function crateVersion(name: string): string {
  const lock = readFileSync(new URL('native/Cargo.lock', import.meta.url), 'utf8')
  const version = new RegExp(`^name = "${name}"\\nversion = "(.*)"$`, 'm').exec(lock)?.[1]
  if (version === undefined) throw new Error(`conformance/native/Cargo.lock has no crate ${name}`)
  return version
}

/** Names of the peers as the suites bear them. */
export function npmPeerName(): string {
  const { version } = createRequire(import.meta.url)('@number0/iroh/package.json') as { version: string }
  return `npm @number0/iroh ${version}`
}

export function nativePeerName(): string {
  return `native iroh ${crateVersion('iroh')}`
}

export function gossipPeerName(): string {
  return `iroh-gossip ${crateVersion('iroh-gossip')}`
}

export function envelopePeerName(): string {
  return `rmp-serde ${crateVersion('rmp-serde')}`
}

/** What the reference envelopes are made with. */
export function envelopeLibraries(): string {
  // of ed25519-dalek there are two: that of the ToM stack comes first, that of iroh after it
  const crates = ['rmp-serde', 'ed25519-dalek', 'x25519-dalek', 'chacha20poly1305', 'hkdf']
  return crates.map((name) => `${name} ${crateVersion(name)}`).join(', ')
}
