/**
 * `npx tsx conformance/envelope/capture.ts`: has the Rust libraries write one envelope of each type and all bodies, and writes the bytes to
 * test/envelope/wire/captured-envelopes.json, which `npx biome format --write` then folds. Keys, times, ids and what is else random are fixed: the file only changes when the
 * libraries do.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildNative } from '../peer.ts'
import { envelopeLibraries } from '../versions.ts'
import { EnvelopeProgram, hexOf, type Json } from './envelope-program.ts'
import {
  ALICE,
  BOB,
  CLEAR_MESSAGE,
  ENCRYPTED_MESSAGE,
  HOP,
  idOf,
  MORE_BODIES,
  payloadOf,
  SAMPLES,
  TIMESTAMP,
} from './samples.ts'

const OUTPUT = fileURLToPath(new URL('../../test/envelope/wire/captured-envelopes.json', import.meta.url))
const EPHEMERAL = new Uint8Array(32).fill(0x44)
const NONCE = new Uint8Array(24).fill(0x55)
const SENDER_KEY = new Uint8Array(32).fill(0x77)

async function envelopes(program: EnvelopeProgram): Promise<Json[]> {
  const lines: Json[] = []
  for (const [index, sample] of SAMPLES.entries()) {
    const isEncrypted = sample.type === 'Chat'
    const plaintext = await payloadOf(program, sample)
    const options = {
      seed: ALICE.seed,
      to: BOB.key,
      // groups, backups and announcements are never sent through hops (RTR-2)
      via: sample.type === 'Ack' || sample.type === 'ReadReceipt' ? [HOP.key] : [],
      type: sample.type,
      payload: plaintext,
      timestamp: TIMESTAMP + index,
      id: idOf(index),
      isEncrypted,
      ...(isEncrypted ? { ephemeral: EPHEMERAL, nonce: NONCE } : {}),
    }
    const { wire } = await program.build(options)
    const compact = await program.build({ ...options, isCompact: true })
    lines.push({
      type: sample.type,
      id: options.id,
      via: options.via,
      timestamp: options.timestamp,
      plaintext: hexOf(plaintext),
      ...(sample.body === undefined ? {} : { body: sample.body.name, value: sample.body.value }),
      ...(isEncrypted ? { ephemeral: hexOf(EPHEMERAL), nonce: hexOf(NONCE) } : {}),
      wire: hexOf(wire),
      ...(isEncrypted ? { compact: hexOf(compact.wire) } : {}),
    })
  }
  return lines
}

async function bodies(program: EnvelopeProgram): Promise<Json[]> {
  const lines: Json[] = []
  for (const { name, value } of MORE_BODIES)
    lines.push({ name, value, hex: hexOf(await program.encodeBody(name, value)) })
  return lines
}

async function roleChanges(program: EnvelopeProgram): Promise<Json[]> {
  const lines: Json[] = []
  for (const [role, score] of [
    ['Relay', 15.5],
    ['Peer', 0],
    ['Relay', 100],
  ] as const) {
    const hex = hexOf(await program.signRole(ALICE.seed, role, score, TIMESTAMP))
    lines.push({ role, score, timestamp: TIMESTAMP, hex })
  }
  return lines
}

async function groupMessages(program: EnvelopeProgram): Promise<Json[]> {
  const lines: Json[] = []
  for (const message of [CLEAR_MESSAGE, ENCRYPTED_MESSAGE]) {
    const signed = await program.signGroupMessage(ALICE.seed, message)
    lines.push({ message: signed.message, signingBytes: hexOf(signed.signingBytes) })
  }
  return lines
}

const program = await EnvelopeProgram.start(process.env.TOM_NATIVE ?? (await buildNative()))
const content = await program.encodeBody('GroupMessageContent', { username: 'alice', text: 'hi all' })
const captured = {
  libraries: envelopeLibraries(),
  seeds: { alice: hexOf(ALICE.seed), bob: hexOf(BOB.seed), hop: hexOf(HOP.seed) },
  envelopes: await envelopes(program),
  bodies: await bodies(program),
  roleChanges: await roleChanges(program),
  groupMessages: await groupMessages(program),
  senderKey: {
    key: hexOf(SENDER_KEY),
    nonce: hexOf(NONCE),
    plaintext: hexOf(content),
    ciphertext: hexOf(await program.encryptForGroup(SENDER_KEY, NONCE, content)),
  },
}
await program.stop()
writeFileSync(OUTPUT, `${JSON.stringify(captured, undefined, 1)}\n`)
console.log(`${captured.envelopes.length} envelopes, ${captured.bodies.length} more bodies: ${captured.libraries}`)
