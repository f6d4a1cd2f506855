/** What the engine lends a connection for its life: settings, providers, and the seams to the driver. */
import type { CryptoProvider } from '../crypto/index.ts'
import type { RandomSource } from '../platform/index.ts'
import type { QuicSettings } from './config.ts'
import type { Role } from './level.ts'
import type { IdRegistry } from './path/id-registry.ts'
import type { RouteInfo } from './path/route.ts'
import type { PacketProtection } from './protection/packet-protection.ts'
import type { Scratch } from './scratch.ts'
import type { DatagramSlots } from './slots.ts'
import type { TraceSink } from './trace.ts'

export interface Resources {
  readonly role: Role
  readonly settings: QuicSettings
  readonly crypto: CryptoProvider
  readonly random: RandomSource
  readonly slots: DatagramSlots
  readonly routes: RouteInfo
  readonly registry: IdRegistry
  readonly protection: PacketProtection
  readonly scratch: Scratch
  readonly trace: TraceSink | undefined
  readonly keyLog: ((line: string) => void) | undefined
}
