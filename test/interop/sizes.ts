/** What is transferred under which TLS suite. The npm binding copies bytes as arrays of numbers, 13 MB/s at best: 64 MiB only once per role and direction. */
export const MIB = 1024 * 1024

export const SUITES = [
  { id: 0x1301, name: '0x1301 AES-128-GCM', size: 64 * MIB },
  { id: 0x1302, name: '0x1302 AES-256-GCM', size: 4 * MIB },
  { id: 0x1303, name: '0x1303 ChaCha20-Poly1305', size: 4 * MIB },
]
