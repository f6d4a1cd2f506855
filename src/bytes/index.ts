/** The door of `bytes/`: cursors, integers, text codecs, postcard, IP and socket addresses. */
export {
  decodeBase32,
  decodeBase32Hex,
  decodeZ32,
  encodeBase32,
  encodeBase32Hex,
  encodeZ32,
} from './base32.ts'
export { decodeBase64Url, encodeBase64Url } from './base64url.ts'
export { EncodingError, messageOf, quote } from './encoding-error.ts'
export { decodeHex, encodeHex } from './hex.ts'
export {
  canonicalIp,
  canonicalIpText,
  compareBytes,
  compareIp,
  formatIp,
  isIpv4Mapped,
  parseIp,
  parseReportedIp,
  sameBytes,
} from './ip.ts'
export {
  type IntegerBits,
  readPostcardBool,
  readPostcardBytes,
  readPostcardList,
  readPostcardOption,
  readPostcardString,
  readPostcardU64,
  readPostcardVarint,
  writePostcardBool,
  writePostcardBytes,
  writePostcardList,
  writePostcardOption,
  writePostcardString,
  writePostcardU64,
  writePostcardVarint,
} from './postcard.ts'
export { Reader, TruncatedError } from './reader.ts'
export { RecentAnswers } from './recent-answers.ts'
export {
  canonicalSocketAddress,
  compareSocketAddresses,
  formatHostPort,
  formatSocketAddress,
  parseSocketAddress,
  type SocketAddress,
  sameSocketAddress,
} from './socket-address.ts'
export { parseUrl } from './url.ts'
export { decodeUtf8, encodeUtf8 } from './utf8.ts'
export { VARINT_MAX, varintLength, writeVarint } from './varint.ts'
export { BufferFullError, GrowingWriter, Writer } from './writer.ts'
