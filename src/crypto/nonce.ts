/**
 * The AEAD nonce of a packet, written into a buffer that its key keeps. Meets RFC 9001 §5.3 and, for path ids above 0,
 * draft-ietf-quic-multipath §2.4.
 */

/**
 * `nonce` and `iv` are 12 bytes. Nonce = IV xor (path id, 32 bits ‖ packet number, 64 bits), both big endian. Packet numbers
 * stay below 2^53 here, which is 11 bits short of what the format could carry and more than the AEAD limits allow.
 */
export function writeNonce(nonce: Uint8Array, iv: Uint8Array, pathId: number, packetNumber: number): void {
  const high = (packetNumber / 0x1_0000_0000) | 0
  const low = packetNumber | 0
  nonce[0] = iv[0]! ^ (pathId >>> 24)
  nonce[1] = iv[1]! ^ (pathId >>> 16)
  nonce[2] = iv[2]! ^ (pathId >>> 8)
  nonce[3] = iv[3]! ^ pathId
  nonce[4] = iv[4]! ^ (high >>> 24)
  nonce[5] = iv[5]! ^ (high >>> 16)
  nonce[6] = iv[6]! ^ (high >>> 8)
  nonce[7] = iv[7]! ^ high
  nonce[8] = iv[8]! ^ (low >>> 24)
  nonce[9] = iv[9]! ^ (low >>> 16)
  nonce[10] = iv[10]! ^ (low >>> 8)
  nonce[11] = iv[11]! ^ low
}
