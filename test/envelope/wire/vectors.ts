/** The vectors of spec/envelope.md appendix B (`vectors.json`), and the people in them. */
import { readFileSync } from 'node:fs'
import { SecretKey } from '../../../src/identity/index.ts'
import { hex } from '../../crypto/hex.ts'

interface Person {
  readonly seed: string
  readonly ed25519_pk: string
  readonly x25519_sk_clamped: string
  readonly x25519_pk: string
}
type Texts<Names extends string> = Readonly<Record<Names, string>>

export interface Vectors {
  readonly keys: Readonly<Record<'alice' | 'bob' | 'hop', Person>>
  readonly A_clear_direct: Texts<
    'unsigned_wire' | 'signing_bytes' | 'signature' | 'wire' | 'same_message_compact_bin_form_accepted_by_rust_decoder'
  >
  readonly B_clear_one_hop: Texts<'signing_bytes' | 'signature' | 'wire_ttl4'>
  readonly C_encrypted: Texts<
    | 'ephemeral_secret'
    | 'ephemeral_public'
    | 'shared_secret'
    | 'hkdf_key'
    | 'nonce'
    | 'hchacha20_subkey'
    | 'ciphertext_and_tag'
    | 'payload'
    | 'signing_bytes_sha256'
    | 'signature'
    | 'wire'
    | 'wire_sha256'
  >
  readonly D_acks_for_A: Texts<
    'ack_recipient_payload' | 'ack_hop_payload' | 'read_receipt_payload_read_at_1708000001000'
  > & { readonly delivery_ack_envelope: Texts<'id' | 'signature' | 'wire'> }
  readonly E_gossip: Texts<'topic_hex' | 'peer_announce_alice_Peer'> & {
    readonly role_change_alice_Relay_15_5: Texts<'signing_bytes' | 'signature' | 'wire'>
  }
  readonly F_groups: Texts<'group_id' | 'message_id' | 'create_team_invite_bob' | 'hub_ping'> & {
    readonly clear_message: Texts<'text' | 'signing_bytes' | 'signature' | 'payload'>
    readonly encrypted_message: Texts<
      'sender_key' | 'nonce' | 'content' | 'ciphertext_and_tag' | 'signature' | 'payload'
    >
    readonly sender_key_distribution_to_bob: Texts<
      'ephemeral_secret' | 'nonce' | 'wrapped_key' | 'ephemeral_public' | 'payload'
    >
  }
  readonly G_backup: Texts<
    'replicate_A_viability_100_replicated_to_hop_expires_plus_24h' | 'query_bob' | 'id_list' | 'replicate_ack'
  >
  readonly N1_small_order_key_must_be_rejected: Texts<'message_utf8' | 'public_key' | 'signature'>
  readonly N2_mixed_order_key_must_be_rejected: Texts<'message_utf8' | 'public_key' | 'signature'>
}

export const VECTORS = JSON.parse(readFileSync(new URL('vectors.json', import.meta.url), 'utf8')) as Vectors

/** Keys as they stand on the wire. */
export const ALICE = VECTORS.keys.alice.ed25519_pk
export const BOB = VECTORS.keys.bob.ed25519_pk
export const HOP = VECTORS.keys.hop.ed25519_pk
/** Ms since 1970, of all vectors but the acknowledgement. */
export const TIMESTAMP = 1_708_000_000_000
export const HELLO = hex('68656c6c6f')

export function secretOf(person: 'alice' | 'bob' | 'hop'): SecretKey {
  return SecretKey.fromHex(VECTORS.keys[person].seed)
}

/** The id of the n-th vector. */
export function idOf(index: number): string {
  return `00000000-0000-4000-8000-00000000000${index}`
}
