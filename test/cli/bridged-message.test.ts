/** Texts of the earlier stack as `tom chat --bridge` tells them: the author is only claimed where nothing proves him (V1-4). */
import { expect, test } from 'vitest'
import { messageLines } from '../../src/cli/tom-node-events.ts'
import { messageFields } from '../../src/cli/tom-node-fields.ts'
import { readBridged, writeBridged } from '../../src/envelope/bridge/index.ts'
import type { IncomingMessage } from '../../src/envelope/index.ts'
import { SecretKey } from '../../src/identity/index.ts'
import { NodePlatform } from '../../src/platform/node/index.ts'

const [alice, bob, bridge] = [1, 2, 3].map((byte) => SecretKey.fromBytes(new Uint8Array(32).fill(byte))) as [
  SecretKey,
  SecretKey,
  SecretKey,
]
const NODE = { peer: () => undefined }

/** What the bridge brings Bob. */
function brought(bytes: Uint8Array): IncomingMessage {
  return {
    id: 'm1',
    from: bridge.id,
    bytes,
    sentAt: 0,
    isEncrypted: true,
    isAuthorBound: true,
    via: [],
    broughtBy: bridge.id,
    markRead: () => {},
  }
}

const { bytes: signed } = writeBridged({ to: bob.id, text: 'hello', secretKey: alice, platform: new NodePlatform() })
const changed = (change: (envelope: Record<string, unknown>) => void): Uint8Array => {
  const envelope = JSON.parse(new TextDecoder().decode(signed)) as Record<string, unknown>
  change(envelope)
  return new TextEncoder().encode(JSON.stringify(envelope))
}
const unsigned = changed((envelope) => {
  envelope.signature = ''
})
const forged = changed((envelope) => {
  envelope.payload = { text: 'HELLO' }
})
const read = ({ bytes }: IncomingMessage) => readBridged(bytes, { secretKey: bob })
const author = alice.id.toShortString()

test.each([
  ['signed', signed, 'valid', `hello [signed by ${author}]`],
  ['unsigned', unsigned, 'absent', `hello [unsigned, claims to be by ${author}]`],
  ['forged', forged, 'invalid', `HELLO [signature invalid, claims to be by ${author}]`],
])('V1-4: a text that came %s is shown as such', (_, bytes, signature, line) => {
  const fields = messageFields(brought(bytes), NODE, read)
  expect(fields).toMatchObject({
    from: bridge.id.toString(),
    claimed_author: alice.id.toString(),
    v1_signature: signature,
  })
  expect(messageLines(fields)).toEqual([line])
})

test('V1-4: without a bridge, or from anybody else, it is a text like any other', () => {
  const fields = messageFields(brought(unsigned), NODE)
  expect(fields).not.toHaveProperty('claimed_author')
  expect(fields.text).toBe(new TextDecoder().decode(unsigned))
  expect(messageFields(brought(new TextEncoder().encode('plain')), NODE, read)).toMatchObject({ text: 'plain' })
})
