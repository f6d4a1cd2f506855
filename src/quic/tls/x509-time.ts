/**
 * The dates of certificates as seconds since 1970, and back as text: RFC 5280 §4.1.2.5. Calendar arithmetic of its own, since the clock
 * and everything that looks like it stays outside of this room.
 */
import { DerError, type DerReader, DerTag } from '../../crypto/index.ts'

/** A Time: UTCTime, with years from 1950 to 2049, or GeneralizedTime. Both with seconds and in UTC. */
export function readTime(reader: DerReader): number {
  if (reader.nextTag === DerTag.UTC_TIME) {
    const text = ascii(reader.contents(DerTag.UTC_TIME))
    const century = text < '5' ? '20' : '19'
    return seconds(century + text)
  }
  return seconds(ascii(reader.contents(DerTag.GENERALIZED_TIME)))
}

/** `2026-08-01 12:00:00 UTC`. */
export function formatTime(unixSeconds: number): string {
  const days = Math.floor(unixSeconds / 86_400)
  const rest = unixSeconds - days * 86_400
  const [year, month, day] = civil(days)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  return `${year}-${two(month)}-${two(day)} ${two(rest / 3600)}:${two((rest / 60) % 60)}:${two(rest % 60)} UTC`
}

function ascii(contents: Uint8Array): string {
  return String.fromCharCode(...contents.subarray(0, 16))
}

/** `YYYYMMDDHHMMSSZ`. */
function seconds(text: string): number {
  if (!/^\d{14}Z$/.test(text)) throw new DerError('a date that is not written YYYYMMDDHHMMSSZ')
  const part = (start: number, length: number) => Number(text.slice(start, start + length))
  const year = part(0, 4)
  const month = part(4, 2)
  const day = part(6, 2)
  const [hour, minute, second] = [part(8, 2), part(10, 2), part(12, 2)]
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month) || hour > 23 || minute > 59 || second > 59) {
    throw new DerError('a date that does not exist')
  }
  return ((daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

function daysOf(year: number, month: number): number {
  if (month === 2) return isLeap(year) ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}

/** Days in all years before `year`, of the Gregorian calendar reckoned backwards. */
function daysBefore(year: number): number {
  const last = year - 1
  return last * 365 + Math.floor(last / 4) - Math.floor(last / 100) + Math.floor(last / 400)
}

function daysSince1970(year: number, month: number, day: number): number {
  let days = daysBefore(year) - daysBefore(1970) + day - 1
  for (let earlier = 1; earlier < month; earlier++) days += daysOf(year, earlier)
  return days
}

function civil(days: number): readonly [year: number, month: number, day: number] {
  // 365.2425 days a year; the guess is right or one too many.
  let year = Math.floor(days / 365.2425) + 1971
  while (daysSince1970(year, 1, 1) > days) year--
  let month = 12
  while (daysSince1970(year, month, 1) > days) month--
  return [year, month, days - daysSince1970(year, month, 1) + 1]
}
