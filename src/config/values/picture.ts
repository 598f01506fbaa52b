/** Pictures out of files that a routes.toml names: what they may be, and what pages get of them. */

import { sha256 } from '../../base/bytes.ts'
import { quote, type Raw, showRaw } from '../text/raw.ts'
import type { Report } from '../text/report.ts'
import { subjectOf } from '../text/substitute.ts'
import { didYouMean } from '../text/suggest.ts'
import type { ConfigFiles } from './files.ts'
import { findIcon, ICON_NAMES, isIconName } from './icon-set.ts'

/** The media types of a picture that a browser may get. */
export type PictureType = 'image/svg+xml' | 'image/png' | 'image/webp' | 'image/x-icon'

/** A picture out of a file that routes.toml names. Text, not bytes: what is checked is frozen. */
export interface Picture {
  readonly type: PictureType
  readonly base64: string
  /** The SHA-256 of its bytes: changes when the picture does. */
  readonly hash: string
}

/** How files begin, and what they then are. Source: PNG 3 §5.2, RFC 9649 §2.4 (WebP), the Windows ICO header. */
const BEGINNINGS: readonly (readonly [what: string, ...marks: readonly (readonly [at: number, text: string])[]])[] = [
  ['image/png', [0, '\x89PNG\r\n\x1a\n'], [12, 'IHDR']],
  ['image/webp', [0, 'RIFF'], [8, 'WEBP']],
  ['image/x-icon', [0, '\0\0\x01\0']],
  ['a JPEG image', [0, '\xff\xd8\xff']],
  ['a GIF image', [0, 'GIF8']],
  ['an AVIF image', [4, 'ftypavi']],
  ['a BMP image', [0, 'BM']],
  ['compressed', [0, '\x1f\x8b']],
  ['a PDF file', [0, '%PDF']],
]

/** What may stand before an SVG's element, one of it at a time: a single expression for all of it has countless ways to be read. */
const BEFORE_SVG = /\s+|<\?xml[^>]*>|<!--[\s\S]*?-->|<!DOCTYPE[^>]*>/iy
const SVG = /<svg[\s>]/iy

/** How much of a file shows its type. An SVG may begin with a long comment. */
const HEAD_BYTES = 16 * 1024

export interface PictureLimits {
  readonly takes: readonly PictureType[]
  readonly mostBytes: number
  /** Whether the name of an icon of ours may stand in place of a path. */
  readonly hasNames: boolean
}

/** The picture that these bytes are, or what is wrong with the file, as the end of a sentence. The file's name counts for nothing. */
export function parsePicture(bytes: Uint8Array, limits: PictureLimits): Picture | string {
  if (bytes.byteLength === 0) return 'is empty'
  const type = typeOf(bytes)
  if (type === null) return 'is no picture that browsers know'
  const taken = limits.takes.find(one => one === type)
  if (taken === undefined) return `is ${FOUND.get(type) ?? type}`
  if (bytes.byteLength > limits.mostBytes) {
    return `has ${Math.ceil(bytes.byteLength / 1024)} kB, and ${limits.mostBytes / 1024} are allowed`
  }
  return { type: taken, base64: Buffer.from(bytes).toString('base64'), hash: sha256(bytes) }
}

const FOUND: ReadonlyMap<string, string> = new Map([['image/x-icon', 'an ICO image']])

function typeOf(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.subarray(0, HEAD_BYTES))
  const letters = head.toString('latin1')
  const known = BEGINNINGS.find(([, ...marks]) => marks.every(([at, text]) => letters.startsWith(text, at)))
  if (known !== undefined) return known[0]
  return beginsSvg(head.toString('utf8')) ? 'image/svg+xml' : null
}

function beginsSvg(text: string): boolean {
  let at = text.startsWith('\uFEFF') ? 1 : 0
  for (;;) {
    BEFORE_SVG.lastIndex = at
    if (!BEFORE_SVG.test(text)) break
    at = BEFORE_SVG.lastIndex
  }
  SVG.lastIndex = at
  return SVG.test(text)
}

/** A picture as an address that holds it whole. */
export function dataAddress({ type, base64 }: Picture): string {
  return `data:${type};base64,${base64}`
}

/** What the portal's logos may be. A logo travels in every page. */
export const LOGO: PictureLimits = {
  takes: ['image/svg+xml', 'image/png', 'image/webp'],
  mostBytes: 64 * 1024,
  hasNames: false,
}

/** What the icons of applications may be: each is fetched once, and kept by browsers. */
export const ICON: PictureLimits = { takes: [...LOGO.takes, 'image/x-icon'], mostBytes: 256 * 1024, hasNames: true }

/** That the file at a path is a picture; `entry` is where the path stands. */
export function checkPicture({ entry, path, limits, code }: PicturePlace, files: ConfigFiles, report: Report): void {
  if (/^[a-z][a-z0-9+.-]*:/i.test(path)) {
    const hint = 'our pages load nothing from elsewhere: save the picture beside the config file, and name that file'
    report.mistake(entry.at, code, `${showRaw(entry)} is an address, not a file`, { hint })
    return
  }
  const found = readPicture(path, limits, files)
  if (typeof found !== 'string') return
  if (limits.hasNames && isIconName(path)) {
    const hint = `${didYouMean(path, ICON_NAMES)}; "sallyport help pages" lists the names`
    report.mistake(entry.at, code, `there is no icon ${showRaw(entry)}, and the file ${found}`, { hint })
    return
  }
  const kinds = limits.takes.length === LOGO.takes.length ? 'SVG, PNG or WebP' : 'SVG, PNG, WebP or ICO'
  const near = files.near(path)
  const hint = `${near === null ? '' : `did you mean ${quote(near)}? `}an ${kinds} file of at most ${limits.mostBytes / 1024} kB, by an absolute path or one from the config file’s folder`
  report.mistake(entry.at, code, `${subjectOf(showRaw(entry), found)} ${found}`, { hint })
}

interface PicturePlace {
  readonly entry: Raw
  readonly path: string
  readonly limits: PictureLimits
  readonly code: 'portal.logo' | 'app.icon'
}

/** The picture in a file that was checked; null where there is no path. */
export function buildPicture(path: string | null, limits: PictureLimits, files: ConfigFiles): Picture | null {
  const found = path === null ? null : readPicture(path, limits, files)
  if (typeof found === 'string') throw new TypeError('a picture with a mistake was not reported')
  return found
}

function readPicture(path: string, limits: PictureLimits, files: ConfigFiles): Picture | string {
  const named = limits.hasNames && isIconName(path) ? findIcon(path) : null
  if (named !== null) return parsePicture(Buffer.from(named), limits)
  const file = files.readBytes(path)
  return file.ok ? parsePicture(file.bytes, limits) : file.why
}
