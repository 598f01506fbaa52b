/** Readings: the other ways in which an application may read a path. */

import { GateError } from '../base/errors.ts'

/**
 * Anything that some backend reads otherwise than byte for byte: escapes, parameters, doubled slashes, capitals, and what Windows drops
 * from the end of a name (dots, `::$DATA`).
 */
const SUSPICIOUS = /[^!"$&-:<-@[\]-~]|[A-Z]|\/\/|\.(?:\/|$)|:\$/

const BAD_ESCAPE = /%(?![0-9a-f]{2})/i

/** Whether `readPath` has anything to say of a path: for nearly all, one look at its characters is enough. */
export function hasReadings(path: string): boolean {
  return SUSPICIOUS.test(path)
}

/** More readings than this have no honest cause. */
const MAX_READINGS = 128

/** All readings together: a long path with many of them has none either, and would take a tenth of a second to read. */
const MAX_CHARACTERS = 256 * 1024

/** Percent-encoding this deep has no honest cause either. */
const MAX_DECODINGS = 2

/** Some parsers end at them, others leave them out; no honest path has one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\x00-\x1f\x7f]/

/** A character in more bytes than it takes, up to the six of old, which careless decoders accept (RFC 3629 §10, RFC 2279); bytes as characters. */
const OVERLONG =
  /[\xc0\xc1][\x80-\xbf]|(?:\xe0[\x80-\x9f]|\xf0[\x80-\x8f][\x80-\xbf]|\xf8[\x80-\x87][\x80-\xbf]{2}|\xfc[\x80-\x83][\x80-\xbf]{3})[\x80-\xbf]/

/**
 * All readings of a suspicious path, without the path itself. A chain of backends may decode it, merge slashes, turn
 * backslashes, cut parameters or what follows `#` or `?`, normalise it (NFC, NFKC, case folding), and drop invisible
 * characters or what Windows drops. They may do so in any order. Each reading comes also in lower case.
 *
 * Shape: bytes as characters, in every reading. Throws where one of them is refused outright: target.malformed,
 * target.ambiguous.
 */
export function readPath(path: string): readonly string[] {
  if (path.includes('#')) throw malformed('the path has a fragment')
  if (path.includes('\uFFFD') || /%ef%bf%bd/i.test(path)) throw malformed('the path is not UTF-8')
  if (BAD_ESCAPE.test(path)) throw malformed('the path has a malformed escape')
  if (decodingsOf(path) > MAX_DECODINGS) throw ambiguous('the path is percent-encoded too often')
  const found = new Set([path])
  // Iterating a set also visits what is added meanwhile: every reading is read again until there is no new one.
  for (const text of found) {
    if (hasDotSegment(text)) throw ambiguous('the path has a dot segment that a backend may resolve')
    if (CONTROL.test(text)) throw malformed('the path has an escaped control character')
    if (OVERLONG.test(text)) throw malformed('the path has overlong UTF-8')
    const cut = text.search(/[#?]/)
    found.add(decodeOnce(text))
    found.add(text.replaceAll('\\', '/'))
    found.add(text.replace(/\/{2,}/g, '/'))
    found.add(text.replace(/;[^/]*/g, ''))
    found.add(cut === -1 ? text : text.slice(0, cut))
    found.add(foldCase(text))
    if (NOT_ASCII.test(text)) addNormalised(found, text)
    if (DROPPED.test(text)) addWithoutDropped(found, text)
    if (found.size > MAX_READINGS || found.size * path.length > MAX_CHARACTERS)
      throw ambiguous('the path can be read in too many ways')
  }
  found.delete(path)
  return Object.freeze([...found])
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: where ASCII ends
const NOT_ASCII = /[^\x00-\x7f]/

/**
 * What a backend with Unicode support makes of these bytes. By NFC the Kelvin sign is K, by NFKC wide letters are
 * plain ones, and case folding makes `ſ` an s. Converting to capitals and back folds as Unicode does (§3.13, full case
 * folding), and a little more. NFKC_Casefold (§3.13, R5) and HFS+ remove invisible characters, such as a joiner or a
 * soft hyphen.
 */
function addNormalised(found: Set<string>, bytes: string): void {
  const text = Buffer.from(bytes, 'latin1').toString('utf8')
  const seen = text.replace(UNSEEN, '')
  for (const one of [seen, text.normalize('NFC'), text.normalize('NFKC'), text.toUpperCase().toLowerCase()]) {
    found.add(Buffer.from(one, 'utf8').toString('latin1'))
  }
  // A backend may also take each byte for a character: soft hyphens are invisible there, and NFKC and case folding
  // change some.
  found.add(bytes.replaceAll('\xad', ''))
  found.add(bytes.replace(/[\x85\x99\xa0\xaa\xb2\xb3\xb9\xba]/g, byte => ASCII_OF_BYTES[byte] ?? byte))
  found.add(bytes.replaceAll('\xdf', 'ss'))
  // In small letters, a capital before two bytes that go on is the lead of three: no UTF-8 has that, and so names of no language do.
  found.add(bytes.replace(/[\xc0-\xd6\xd8-\xde](?=[\x80-\xbf]{2})/g, capital => capital.toLowerCase()))
}

/**
 * What NFKC makes of the characters of Latin-1 and Windows-1252 that become ASCII: …, ™, a blank, ª, ², ³, ¹ and º.
 * Its other results match no rule, and reading them as UTF-8 and as bytes in turn would never end.
 */
const ASCII_OF_BYTES: Readonly<Record<string, string>> = {
  '\x85': '...',
  '\x99': 'TM',
  '\xa0': ' ',
  '\xaa': 'a',
  '\xb2': '2',
  '\xb3': '3',
  '\xb9': '1',
  '\xba': 'o',
}

const UNSEEN = /\p{Default_Ignorable_Code_Point}/gu

/** A name with an end that Windows leaves out. */
const DROPPED = /[. ](?:\/|$)|:\$/

/** Windows opens `admin` for `admin. .`, and for `admin::$INDEX_ALLOCATION` and `admin:$I30:$INDEX_ALLOCATION`, which are the folder itself. */
function addWithoutDropped(found: Set<string>, text: string): void {
  found.add(text.split('/').map(withoutEnd).join('/'))
  found.add(text.split('/').map(withoutStream).join('/'))
}

/** Without what a stream's type is about, from its first colon on: Windows knows more types than are written down. */
function withoutStream(name: string): string {
  return name.includes(':$') ? name.slice(0, name.indexOf(':')) : name
}

/** Without dots and blanks at its end; walked by hand, since an expression takes the square of their number. */
function withoutEnd(name: string): string {
  let end = name.length
  while (end > 0 && (name[end - 1] === '.' || name[end - 1] === ' ')) end--
  return name.slice(0, end)
}

/** Lower-cases ASCII letters only: other letters have several lower-case forms, of different lengths. */
export function foldCase(path: string): string {
  return path.replace(/[A-Z]+/g, capitals => capitals.toLowerCase())
}

/** How often a path can be decoded before nothing changes; counts no further than one too many. */
function decodingsOf(path: string): number {
  let text = path
  for (let count = 0; count <= MAX_DECODINGS; count++) {
    const decoded = decodeOnce(text)
    if (decoded === text) return count
    text = decoded
  }
  return MAX_DECODINGS + 1
}

/** Percent-decoding, byte by byte into characters: enough to find separators; malformed escapes stay as they are. */
export function decodeOnce(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** Whether a segment is `.` or `..`, or dots and blanks, of which Windows may make one. */
function hasDotSegment(path: string): boolean {
  for (const [, segment = ''] of path.matchAll(/\/([. ]+)(?=\/|$)/g)) {
    if (segment.length < 3 ? segment.includes('.') : segment.includes('.') && segment.includes(' ')) return true
  }
  return false
}

/** `target.malformed`, which is 400: this is no address. */
export function malformed(message: string): GateError {
  return new GateError('target.malformed', message)
}

/** `target.ambiguous`, which is 400: servers read this address in several ways. */
export function ambiguous(message: string): GateError {
  return new GateError('target.ambiguous', message)
}
