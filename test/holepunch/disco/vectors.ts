/** The packets of spec/disco-stun-nat.md §5.4: transaction id 0102…0c, nonce 4041…57, seeds 32 × 01 (alice) and 32 × 02 (bob). */
import { parseIp, type SocketAddress } from '../../../src/bytes/index.ts'
import type { DiscoMessage } from '../../../src/holepunch/disco/message.ts'
import { SecretKey } from '../../../src/identity/index.ts'
import { counting } from '../../crypto/hex.ts'

export const ALICE = SecretKey.fromBytes(new Uint8Array(32).fill(1))
export const BOB = SecretKey.fromBytes(new Uint8Array(32).fill(2))
export const TRANSACTION = counting(1, 12)
export const NONCE = counting(0x40, 24)

function at(ip: string, port: number): SocketAddress {
  return { ip: parseIp(ip), port }
}

interface Vector {
  readonly name: string
  readonly from: SecretKey
  readonly to: SecretKey
  readonly message: DiscoMessage
  readonly plain: string
  readonly packet: string
}

const BOB_TO_ALICE = '5453f09f92ac8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394'
const ALICE_TO_BOB = '5453f09f92ac8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c'
const NONCE_HEX = '404142434445464748494a4b4c4d4e4f5051525354555657'

export const VECTORS: readonly Vector[] = [
  {
    name: 'Ping',
    from: ALICE,
    to: BOB,
    message: { type: 'ping', transactionId: TRANSACTION, key: ALICE.id.toBytes() },
    plain: '01000102030405060708090a0b0c8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c',
    packet: `${ALICE_TO_BOB}69746ad611559eb609b3412f7d6dc67f
      4896660499241d528bea7bc7b9eea64e9d13428c39b25c11168bc4feae930edc49981e6713b811082939385cb525 ${NONCE_HEX}`,
  },
  {
    name: 'Pong, IPv4',
    from: BOB,
    to: ALICE,
    message: { type: 'pong', transactionId: TRANSACTION, observed: { kind: 'udp', ...at('192.0.2.33', 7777) } },
    plain: '02000102030405060708090a0b0c0000000000000000000000ffffc0000221611e',
    packet: `${BOB_TO_ALICE}c225102e9250bbf27c11020cd03b4d94
      4b96660499241d528bea7bc7b9ee2cc67ece3685c827a143cd590784f3e3e5da5e ${NONCE_HEX}`,
  },
  {
    name: 'Pong, IPv6',
    from: BOB,
    to: ALICE,
    message: { type: 'pong', transactionId: TRANSACTION, observed: { kind: 'udp', ...at('2001:db8::12', 51_820) } },
    plain: '02000102030405060708090a0b0c0020010db80000000000000000000000126cca',
    packet: `${BOB_TO_ALICE}cf6cedae5fa0d376cc4dd9b0e9a69ce2
      4b96660499241d528bea7bc7b9ee2ce67fc38e85c827a143cda6f844f3e1d6d78a ${NONCE_HEX}`,
  },
  {
    name: 'Pong, relay',
    from: BOB,
    to: ALICE,
    message: {
      type: 'pong',
      transactionId: TRANSACTION,
      observed: { kind: 'relay', url: 'https://relay.example./' },
    },
    plain: '02000102030405060708090a0b0c0168747470733a2f2f72656c61792e6578616d706c652e2f',
    packet: `${BOB_TO_ALICE}2bda13797d3913e51bd95999e189284b
      4b96660499241d528bea7bc7b9ee2dae0aba46f6f2088e31a8ca993ddd84bcda2d576f962f8c ${NONCE_HEX}`,
  },
  {
    name: 'CallMeMaybe',
    from: ALICE,
    to: BOB,
    message: {
      type: 'call-me-maybe',
      addresses: [at('203.0.113.7', 40_001), at('192.168.1.20', 52_525), at('2001:db8::3456', 52_526)],
    },
    plain: `030000000000000000000000ffffcb007107419c00000000000000000000ffffc0a801142dcd
      20010db80000000000000000000034562ecd`,
    packet: `${ALICE_TO_BOB}e9746e24e82dee99371d59aac4b428ab
      4a9667069a2018548ce272cd4d1de7c60fc97719c827a143cda6f844f3e13b44808f02e72c6ec27dac808c53da79cb02f01d4dac6092e505
      ${NONCE_HEX}`,
  },
  {
    name: 'CallMeMaybe, empty',
    from: ALICE,
    to: BOB,
    message: { type: 'call-me-maybe', addresses: [] },
    plain: '0300',
    packet: `${ALICE_TO_BOB}8d1d5fb66b21797eef1260964685319e 4a96 ${NONCE_HEX}`,
  },
]
