/** The worked examples of spec/endpoint.md §1, measured with real iroh: one key in every form, and its tickets. */
import { decodeHex } from '../../src/bytes/index.ts'
import { SecretKey } from '../../src/identity/index.ts'

export const EXAMPLE_SEED = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
export const EXAMPLE_ID = '03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8'
export const EXAMPLE_BASE32 = 'aoqqpp7tzyil4hlq3umoos6atft6jvrqtosq2xy53sdgiesvgg4a'
export const EXAMPLE_Z32 = 'yqooxx9u3aemh8mo5wcqq16yufu6jitouq1o4za751dger1igghy'
export const EXAMPLE_KEY = SecretKey.fromBytes(decodeHex(EXAMPLE_SEED))

export interface TicketExample {
  readonly name: string
  /** As given; the address sorts and normalises them. */
  readonly relays: readonly string[]
  readonly ips: readonly string[]
  readonly hex: string
  readonly text?: string
}

export const TICKET_EXAMPLES: readonly TicketExample[] = [
  {
    name: 'id only',
    relays: [],
    ips: [],
    hex: `00${EXAMPLE_ID}00`,
    text: 'endpointaab2cb576phbbpq5odorrz2lycmwpzgwgcn2kdk7dxoimzaskuy3qaa',
  },
  {
    name: 'relay and IPv4',
    relays: ['https://use1-1.relay.n0.iroh.link./'],
    ips: ['203.0.113.7:4433'],
    hex: `00${EXAMPLE_ID}02002368747470733a2f2f757365312d312e72656c61792e6e302e69726f682e6c696e6b2e2f0100cb007107d122`,
    text: 'endpointaab2cb576phbbpq5odorrz2lycmwpzgwgcn2kdk7dxoimzaskuy3qaqaenuhi5dqom5c6l3vonstcljrfzzgk3dbpexg4mbonfzg62bonruw42zof4aqbsyaoed5ciq',
  },
  {
    name: 'relay without a path, three IPv4, one IPv6, given out of order',
    relays: ['https://relay.example'],
    ips: ['[2001:db8::1]:65535', '203.0.113.7:4433', '10.0.0.9:80', '203.0.113.7:80'],
    hex: `00${EXAMPLE_ID}05001668747470733a2f2f72656c61792e6578616d706c652f01000a000009500100cb007107500100cb007107d122010120010db8000000000000000000000001ffff03`,
  },
]
