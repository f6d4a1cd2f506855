/** Vector H_v1 of spec/envelope.md, appendix B, and who is who in it. */
import { createNodeCrypto } from '../../../src/crypto/node/index.ts'
import type { V1Draft } from '../../../src/envelope/v1/v1-writer.ts'

export const CRYPTO = createNodeCrypto()
export const seedOf = (number: number): Uint8Array => new Uint8Array(32).fill(number)
/** Seeds 1 and 2. */
export const ALICE = '8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c'
export const BOB = '8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394'
export const alice = CRYPTO.signer(seedOf(1))

export const DRAFT: V1Draft = {
  id: '00000000-0000-4000-8000-000000000001',
  to: BOB,
  type: 'chat',
  payload: { text: 'hello' },
  timestamp: 1_708_000_000_000,
}

export const H_V1 = {
  text: `{"id":"00000000-0000-4000-8000-000000000001","from":"${ALICE}","to":"${BOB}","via":[],"type":"chat","payload":{"text":"hello"},"timestamp":1708000000000,"signature":""}`,
  signature:
    'e348c9f931bc1c0cae54568d0b5c26de685915210cc91acd729c0ad272244df401e885df81738afb26edee1deef271aa82820bc6d4be198c852349ffb41b3403',
}

export const SIGNED = H_V1.text.replace('"signature":""', `"signature":"${H_V1.signature}"`)

/** `text` as somebody signed it who wrote it so; `signature` is its last member, empty. */
export function signText(text: string, signer = alice): string {
  const hex = Buffer.from(signer.sign(new TextEncoder().encode(text))).toString('hex')
  return text.replace('"signature":""', `"signature":"${hex}"`)
}
