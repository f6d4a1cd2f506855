/** Short hex in tests; white space in it is for the reader. */

export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s/g, '')
  const bytes = new Uint8Array(digits.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16)
  return bytes
}

export function toHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}

/** `length` bytes counting up from `first`. */
export function counting(first: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => first + i)
}
